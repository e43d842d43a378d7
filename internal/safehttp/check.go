package safehttp

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"postern/internal/fail"
)

// maxURL is more than any sensible address needs.
const maxURL = 2000

// Check says what is wrong with the writing of an address, or nil: what a person
// hears when they type it. Where it leads is seen when it is dialled.
func Check(address string) error {
	if len(address) > maxURL {
		return fail.New(fail.Invalid, "the address is longer than %d characters", maxURL)
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return fail.New(fail.Invalid, "this is not an address; write it as https://host.example/path")
	}
	switch {
	case u.Scheme != "https":
		return fail.New(fail.Invalid, "the address must begin with https://")
	case u.User != nil:
		return fail.New(fail.Invalid, "the address must not hold a user name or password before the host")
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return fail.New(fail.Invalid, "the address must not have a part after #, which is never sent")
	case strings.HasSuffix(u.Host, ":"):
		return fail.New(fail.Invalid, "the port is missing after the colon")
	}
	if n, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || n < 1 || n > 65535) {
		return fail.New(fail.Invalid, "there is no such port; ports go from 1 to 65535")
	}
	return checkHost(u.Hostname(), strings.HasPrefix(u.Host, "["))
}

// checkHost wants a name, or a number in its one usual writing. Resolvers also
// take 127.1, 0x7f000001, 2130706433 and 0177.0.0.1 (inet_aton), and browsers
// full-width digits.
func checkHost(host string, brackets bool) error {
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f {
			return fail.New(fail.Invalid, "write the host name in plain letters; a name in another script begins with xn--")
		}
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && (a.Is4In6() || a.Zone() != ""):
		return fail.New(fail.Invalid, "write the number of the host in its usual form, without a zone and not as IPv4 inside IPv6")
	case err == nil:
		return nil
	case brackets:
		return fail.New(fail.Invalid, "what stands in brackets is not an IPv6 address")
	}
	return checkName(strings.TrimSuffix(host, "."))
}

// checkName applies RFC 1123, 2.1: labels of letters, digits and hyphens, and the
// last one does not begin like a number.
func checkName(name string) error {
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fail.New(fail.Invalid, "this is not a host name; write it as host.example")
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		return fail.New(fail.Invalid, "write the number of the host as four decimal numbers, or give its name")
	}
	return nil
}

package safehttp

import (
	"context"
	"net/netip"
	"syscall"

	"postern/internal/fail"
)

// A family is a range that is not the public internet.
type family struct {
	prefix netip.Prefix
	name   string
}

// global is what is given out for use on the public internet (RFC 4291, 2.4; the
// IANA registry of global unicast addresses): of IPv6, everything else is refused
// without being named. So are, by that, ::1, ::, v4-mapped and v4-compatible
// addresses, NAT64 (64:ff9b::/96, RFC 6052; 64:ff9b:1::/48, RFC 8215), fc00::/7,
// fe80::/10, ff00::/8, 100::/64 and 5f00::/16.
func global() netip.Prefix { return netip.MustParsePrefix("2000::/3") }

// families are the special ranges of the IANA registries (RFC 6890) in IPv4 and
// inside global.
func families() []family {
	var out []family
	for _, f := range [][2]string{
		{"0.0.0.0/8", "this network"},            // RFC 791, 3.2
		{"10.0.0.0/8", "a private network"},      // RFC 1918
		{"100.64.0.0/10", "a provider's inside"}, // RFC 6598
		{"127.0.0.0/8", "this machine"},          // RFC 1122, 3.2.1.3
		{"169.254.0.0/16", "the local link"},     // RFC 3927; clouds keep keys at 169.254.169.254
		{"172.16.0.0/12", "a private network"},   // RFC 1918
		{"192.0.0.0/24", "a protocol's own use"}, // RFC 6890
		{"192.0.2.0/24", "documentation"},        // RFC 5737
		{"192.31.196.0/24", "a sink (AS112)"},    // RFC 7535
		{"192.52.193.0/24", "a relay (AMT)"},     // RFC 7450
		{"192.88.99.0/24", "a relay (6to4)"},     // RFC 7526
		{"192.168.0.0/16", "a private network"},  // RFC 1918
		{"192.175.48.0/24", "a sink (AS112)"},    // RFC 7534
		{"198.18.0.0/15", "benchmarks"},          // RFC 2544
		{"198.51.100.0/24", "documentation"},     // RFC 5737
		{"203.0.113.0/24", "documentation"},      // RFC 5737
		{"224.0.0.0/4", "a group (multicast)"},   // RFC 5771
		{"240.0.0.0/4", "nobody"},                // RFC 1112, 4; the broadcast address is among them
		{"2001::/23", "a protocol's own use"},    // RFC 2928; Teredo, ORCHID, benchmarks
		{"2001:db8::/32", "documentation"},       // RFC 3849
		{"2002::/16", "a tunnel (6to4)"},         // RFC 3056
		{"2620:4f:8000::/48", "a sink (AS112)"},  // RFC 7534
		{"3fff::/20", "documentation"},           // RFC 9637
	} {
		out = append(out, family{netip.MustParsePrefix(f[0]), f[1]})
	}
	return out
}

// control looks at every address before its socket connects: net.Dialer calls it
// with what was resolved, as digits.
func control(allow []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	special := families()
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return fail.New(fail.Denied, "this kind of address is not spoken to")
		}
		return permitted(at.Addr(), allow, special)
	}
}

// permitted says why an address may not be reached, or nil.
func permitted(a netip.Addr, allow []netip.Prefix, special []family) error {
	for _, p := range allow { // no prefix contains an address with a zone
		if p.Contains(a) {
			return nil
		}
	}
	to := ""
	if a.Is6() && !global().Contains(a) {
		to = "a place that is not the public internet"
	}
	for _, f := range special {
		if f.prefix.Contains(a) {
			to = f.name
		}
	}
	if to == "" {
		return nil
	}
	return fail.New(fail.Denied, "the address leads to %s, where the desk does not send. If that is meant, name the network in the list of allowed networks", to)
}

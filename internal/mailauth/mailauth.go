// Package mailauth computes what SPF (RFC 7208), DKIM (RFC 6376) and DMARC
// (RFC 7489) say of a mail's sending domain. It is a hint for the eye and for
// spam rules. It never says who wrote a mail: a "pass" is no identity.
//
// Invariants: everything is computed here from the bytes and from DNS, and an
// Authentication-Results field of the mail is never read. A DKIM signature
// counts only when it covers From and the whole body (no l=), and the mail has
// one From with one domain. Time, look-ups and signatures are bounded. Without
// a resolver, all is "none".
package mailauth

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"blitiri.com.ar/go/spf"
)

// Resolver is the DNS; *net.Resolver is one, and the tests have another.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
}

// The words a result can be.
const (
	Pass      = "pass"
	Fail      = "fail"
	None      = "none"
	SoftFail  = "softfail"
	Neutral   = "neutral"
	TempError = "temperror"
	PermError = "permerror"
)

// Result holds one word for each method.
type Result struct{ SPF, DKIM, DMARC string }

const (
	limit         = 5 * time.Second // for all look-ups of one mail together
	maxSignatures = 5

	// A header beyond these is not examined.
	maxHeader = 256 << 10
	maxLines  = 2000
	maxField  = 16 << 10 // From, and one signature
)

// Check looks at one mail as it was received: raw bytes, the client's address
// and name, and the reverse path ("" when null). It takes five seconds at most.
func Check(ctx context.Context, raw []byte, remote netip.Addr, helo, mailFrom string, r Resolver) Result {
	res := Result{None, None, None}
	if r == nil {
		return res
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var spfDomain string
	res.SPF, spfDomain = checkSPF(ctx, remote, helo, mailFrom, r)
	header, ok := head(raw)
	if !ok {
		return res
	}
	from := fromDomain(header)
	var signers []string
	res.DKIM, signers = checkDKIM(ctx, header, raw, from, r)
	res.DMARC = checkDMARC(ctx, from, res, spfDomain, signers, r)
	return res
}

// checkSPF also returns the domain it spoke about: the reverse path's, or the
// client's name when that is null (RFC 7208, 2.4).
func checkSPF(ctx context.Context, remote netip.Addr, helo, mailFrom string, r Resolver) (result, domain string) {
	remote = remote.Unmap()
	if !remote.IsValid() || remote.IsLoopback() || remote.IsPrivate() || remote.IsLinkLocalUnicast() {
		return None, "" // came through a machine of ours, not from the sender's
	}
	domain = clean(domainOf(mailFrom))
	if mailFrom == "" {
		domain = clean(helo)
	}
	if domain == "" {
		return None, ""
	}
	got, _ := spf.CheckHostWithSender(remote.AsSlice(), helo, mailFrom, spf.WithContext(ctx), spf.WithResolver(r))
	if ctx.Err() != nil {
		return TempError, domain
	}
	return string(got), domain
}

func domainOf(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// clean returns a host name in lower case without its last dot, or "" when it
// is none.
func clean(domain string) string {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if len(domain) > 253 || !strings.Contains(domain, ".") {
		return ""
	}
	for i := range len(domain) {
		switch c := domain[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return ""
		}
	}
	if strings.Contains(domain, "..") || domain[0] == '.' {
		return ""
	}
	return domain
}

package mailauth

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"
)

// checkDMARC asks whether SPF or DKIM passed for a domain that is the From
// domain's own (RFC 7489, 3.1). signers are the domains of good signatures.
func checkDMARC(ctx context.Context, from string, res Result, spfDomain string, signers []string, r Resolver) string {
	if from == "" {
		return None
	}
	policy, word := lookupPolicy(ctx, from, r)
	if policy == nil {
		return word
	}
	if res.SPF == Pass && aligned(spfDomain, from, policy.SPFAlignment) {
		return Pass
	}
	for _, d := range signers {
		if aligned(d, from, policy.DKIMAlignment) {
			return Pass
		}
	}
	// What is not known yet might have aligned: not a failure (RFC 7489, 6.6.2).
	if res.SPF == TempError || res.DKIM == TempError {
		return TempError
	}
	return Fail
}

// lookupPolicy finds the record of the domain or of its organisation
// (RFC 7489, 6.6.3); without one it says why.
func lookupPolicy(ctx context.Context, from string, r Resolver) (*dmarc.Record, string) {
	for _, domain := range slices.Compact([]string{from, organisation(from)}) {
		txts, err := r.LookupTXT(ctx, "_dmarc."+domain)
		if err != nil {
			if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound && ctx.Err() == nil {
				continue
			}
			return nil, TempError
		}
		var found []string
		for _, t := range txts {
			if version, _, _ := strings.Cut(t, ";"); strings.ReplaceAll(strings.TrimSpace(version), " ", "") == "v=DMARC1" {
				found = append(found, t)
			}
		}
		if len(found) > 1 {
			return nil, None // 6.6.3, step 5: as if there were none
		}
		if len(found) == 1 {
			rec, err := dmarc.Parse(found[0])
			if err != nil {
				return nil, PermError
			}
			return rec, ""
		}
	}
	return nil, None
}

// aligned compares two domains, strictly or by organisation.
func aligned(domain, from string, mode dmarc.AlignmentMode) bool {
	if domain == "" {
		return false
	}
	if mode == dmarc.AlignmentStrict {
		return domain == from
	}
	return organisation(domain) == organisation(from)
}

// organisation is the name one below the public suffix (RFC 7489, 3.2); a
// public suffix stands for itself.
func organisation(domain string) string {
	if o, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return o
	}
	return domain
}

package mailauth

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// checkDKIM verifies the first signatures and returns one word for all, with
// the domains whose signatures hold. One that holds is enough for "pass"
// (RFC 6376, 6.1).
func checkDKIM(ctx context.Context, header, raw []byte, from string, r Resolver) (string, []string) {
	signatures, longest := 0, 0
	fields(header, func(name, value string) {
		if strings.EqualFold(name, "DKIM-Signature") {
			signatures++
			longest = max(longest, len(value))
		}
	})
	if signatures == 0 {
		return None, nil
	}
	if from == "" || longest > maxField {
		// No From, two of them, or two mailboxes in it: what a signature covers
		// need not be what is shown (RFC 6376, 8.15).
		return PermError, nil
	}
	verified, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return r.LookupTXT(ctx, name) },
		MaxVerifications: maxSignatures,
	})
	if err != nil && err != dkim.ErrTooManySignatures {
		return PermError, nil
	}
	word := None
	var signers []string
	for _, v := range verified {
		w := dkimWord(ctx, v)
		if w == Pass {
			signers = append(signers, clean(v.Domain))
		}
		if rank(w) > rank(word) {
			word = w
		}
	}
	return word, signers
}

// dkimWord judges one signature. The library refuses l= and an unsigned From
// itself; From is looked for again because all rests on it.
func dkimWord(ctx context.Context, v *dkim.Verification) string {
	switch {
	case v == nil:
		return PermError
	case v.Err == nil && clean(v.Domain) != "" && slices.ContainsFunc(v.HeaderKeys, isFrom):
		return Pass
	case v.Err == nil:
		return PermError
	case dkim.IsTempFail(v.Err), ctx.Err() != nil:
		return TempError
	case dkim.IsPermFail(v.Err):
		return PermError
	default:
		return Fail
	}
}

func isFrom(key string) bool { return strings.EqualFold(key, "from") }

// rank orders the words: the best one of several signatures counts.
func rank(word string) int {
	return slices.Index([]string{None, PermError, Fail, TempError, Pass}, word)
}

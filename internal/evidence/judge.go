package evidence

import (
	"slices"
	"strings"
	"time"

	"postern/internal/message"
	"postern/internal/pgp"
)

// maxApart is how far the time of a signature may lie from the Date of the mail.
const maxApart = time.Hour

// finding is what one signature turned out to be.
type finding struct {
	layer
	known *Known
	made  bool
	fault pgp.Fault
}

// judge gives the verdict.
func (e *exam) judge() {
	nameFits := e.senderName()
	if len(e.layers) > 0 || e.over {
		e.Signature.Scheme = "openpgp"
	}
	var found []finding
	for _, l := range e.layers {
		found = append(found, e.try(l))
	}
	best := e.best(found)
	if best != nil {
		e.Signature.Fingerprint, e.Signature.SignedAt, e.Signature.Known = best.known.Key.Fingerprint(), best.sig.Made(), best.known
		e.Signature.Signer = signer(best.known)
		e.Signature.Covers = "part"
		if best.whole {
			e.Signature.Covers = "whole"
			if e.fields {
				e.restore()
			}
		}
		e.Signature.Verdict = e.verdict(best, found)
	} else if e.over {
		e.because("signed-outside", "it was signed outside its encryption: the signer need not have known the content")
	}
	e.identity(nameFits)
}

// senderName suppresses a display name that could pass for an address, and
// reports whether it names the same one (ATTACKS I2).
func (e *exam) senderName() bool {
	if e.From == nil {
		return false
	}
	name := e.From.Name
	if !strings.ContainsAny(name, "@＠﹫") {
		return true
	}
	e.From.Name = ""
	same := strings.EqualFold(strings.Trim(strings.TrimSpace(name), `'"<>()`), e.From.Address)
	if !same {
		e.because("name-is-address", "the sender's name holds another address than the sender's")
	}
	return same
}

// identity has the last word: where who sent it does not fit, nothing has
// authority, however good the signature.
func (e *exam) identity(nameFits bool) {
	switch {
	case e.From == nil:
		e.Signature.Verdict = Mismatch
	case !nameFits:
		e.Signature.Verdict = Mismatch
	case e.fromIn != nil && !strings.EqualFold(e.fromIn.Address, e.From.Address):
		e.because("from-differs", "under protection it names %q as its sender, outside %q", e.fromIn.Address, e.From.Address)
		e.Signature.Verdict = Mismatch
	}
}

// try holds a signature against keys, one at a time: the sender's first, then
// others, only to tell who else it was.
func (e *exam) try(l layer) finding {
	out := finding{layer: l}
	if e.o.Keys == nil {
		return out
	}
	candidates := slices.Clone(e.mine())
	for _, k := range candidates {
		e.OtherKey = e.OtherKey || k.Trust == VerifiedTrust // unless it turns out to be the one
	}
	if ids, fps := l.sig.Issuer(); len(ids) > 0 || len(fps) > 0 {
		candidates = append(candidates, surestFirst(e.o.Keys.ByID(ids, fps))...)
	}
	for i := range candidates {
		k := &candidates[i]
		made, fault := l.sig.Verify(k.Key, e.o.At)
		switch {
		case made:
			out.known, out.made, out.fault = e.holder(k, candidates), true, fault
		case fault == pgp.BadSignature && out.fault == "":
			out.known, out.fault = k, fault
		}
		if made {
			break
		}
	}
	return out
}

// mine are the keys that the sender is known by.
func (e *exam) mine() []Known {
	if e.keys == nil && e.From != nil && e.o.Keys != nil {
		e.keys = surestFirst(e.o.Keys.ByAddress(strings.ToLower(e.From.Address)))
		if e.keys == nil {
			e.keys = []Known{}
		}
	}
	return e.keys
}

// holder picks whose the key is that made a signature. It may stand under several
// people: anybody can send anybody's key along under a forged From. Whoever was
// verified as its owner is, before all with whom it merely came.
func (e *exam) holder(k *Known, all []Known) *Known {
	weight := func(k *Known) int {
		n := 2 * sure(*k)
		if owns(k, e.from()) {
			n++
		}
		return n
	}
	best := k
	for i := range all {
		if c := &all[i]; c.Key.Fingerprint() == k.Key.Fingerprint() && weight(c) > weight(best) {
			best = c
		}
	}
	return best
}

// surestFirst puts what a person has verified first: one key may be known more
// than once, and whose it is verified to be counts more than that it was seen.
func surestFirst(list []Known) []Known {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b Known) int { return sure(b) - sure(a) })
	return out
}

func sure(k Known) int {
	if k.Trust == VerifiedTrust {
		return 1
	}
	return 0
}

// best is the signature the verdict speaks of: a good one of the sender's, else
// any good one. The reasons of the others are noted.
func (e *exam) best(found []finding) *finding {
	var best *finding
	for i := range found {
		f := &found[i]
		switch {
		case f.made && f.fault == "":
			if best == nil || rank(f, e.from()) > rank(best, e.from()) {
				best = f
			}
		case f.made && f.fault == pgp.OtherIssuer:
			e.because("issuer-mismatch", "a signature claims another key than the one that made it")
		case f.made:
			e.because(string(f.fault), "%s", faultWords[f.fault])
		case f.fault == pgp.BadSignature:
			e.because("bad-signature", "a signature does not fit the text: something was changed")
		default:
			e.because("unknown-key", "a signature is by a key that nobody here knows")
		}
	}
	return best
}

var faultWords = map[pgp.Fault]string{
	pgp.WeakHash: "a signature uses a broken hash", pgp.FutureSignature: "a signature is dated in the future", pgp.ExpiredSignature: "a signature has expired",
	pgp.ExpiredKey: "the signing key is not valid at that time, or not any more", pgp.RevokedKey: "the signing key was revoked",
	pgp.NotForSigning: "the key that made a signature must not sign", pgp.Unsupported: "a signature is of a kind that is not read",
}

func (e *exam) from() string {
	if e.From == nil {
		return ""
	}
	return strings.ToLower(e.From.Address)
}

func rank(f *finding, from string) int {
	n := 0
	if f.whole {
		n += 8
	}
	if owns(f.known, from) {
		n += 4
	}
	if f.known.Trust == VerifiedTrust {
		n += 2
	}
	if !f.inline {
		n++
	}
	return n
}

// owns reports whether the address is the key's owner's, as the keeper of keys
// says; user IDs do not count.
func owns(k *Known, from string) bool {
	return slices.ContainsFunc(k.Addresses, func(a string) bool { return strings.EqualFold(a, from) })
}

func signer(k *Known) string {
	if len(k.Addresses) > 0 {
		return k.Addresses[0]
	}
	if a := k.Key.Addresses(); len(a) > 0 {
		return a[0]
	}
	return ""
}

// verdict weighs a good signature.
func (e *exam) verdict(f *finding, all []finding) Verdict {
	bound := owns(f.known, e.from()) && f.known.Trust == VerifiedTrust
	if bound {
		e.OtherKey = false
	}
	if !f.whole {
		e.PartSigned = true
		e.because("part-signed", "only a part of it is signed")
		return Unsigned
	}
	if why := e.void(f, all); why != "" {
		return Unsigned
	}
	switch {
	case bound && f.inline:
		e.because("inline", "it is signed in the old form, which does not cover the whole mail")
		return Signed
	case bound:
		return Verified
	case owns(f.known, e.from()):
		if e.OtherKey {
			e.because("other-key", "the contact has another key, which was verified")
		} else {
			e.because("unverified-key", "nobody has verified this key")
		}
		return Signed
	case f.known.Trust == VerifiedTrust:
		e.because("signer-is-not-sender", "it is signed by %s, not by its sender", signer(f.known))
		return Mismatch
	}
	claims := f.known.Key.Addresses()
	if len(claims) == 0 || slices.Contains(claims, e.from()) {
		if e.OtherKey {
			e.because("other-key", "the contact has another key, which was verified")
		} else {
			e.because("unverified-key", "nobody has verified this key")
		}
		return Signed
	}
	e.because("signer-is-not-sender", "it is signed by a key of %s, not of its sender", claims[0])
	return Mismatch
}

// void says what takes all force from a good signature, or "".
func (e *exam) void(f *finding, all []finding) string {
	why := ""
	note := func(word, text string) {
		e.because(word, "%s", text)
		why = word
	}
	for _, m := range []*message.Mail{e.m, e.inner} {
		if m == nil {
			continue
		}
		if p := m.Ambiguous(); p != "" {
			note(string(p), "two readers could see two different mails in it")
		}
	}
	if e.Encryption.Decrypted && !f.inside {
		note("signed-outside", "it was signed outside its encryption: the signer need not have known the content")
	}
	if e.broken {
		why = "malformed-signature"
	}
	for i := range all {
		if all[i].fault == pgp.BadSignature || all[i].made && all[i].fault == pgp.OtherIssuer {
			note("bad-signature", "another signature by a known key does not fit")
		}
	}
	if to := f.sig.IntendedFor(); len(to) > 0 && !e.ours(to) {
		note("not-for-us", "it was written to somebody else and passed on to us")
	}
	date := e.Date
	switch apart := f.sig.Made().Sub(date).Abs(); {
	case date.IsZero():
		note("no-date", "it does not say when it was written")
	case apart > maxApart:
		note("time-differs", "it was signed at "+f.sig.Made().Format(time.RFC3339)+", and says that it was written at "+date.Format(time.RFC3339))
	}
	return why
}

func (e *exam) ours(list []pgp.Fingerprint) bool {
	for _, s := range e.o.Secrets {
		if slices.Contains(list, s.Public().Fingerprint()) {
			return true
		}
	}
	return false
}

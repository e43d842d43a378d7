package authorise

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/pgp"
)

// window is how far two clocks may lie apart.
const window = 5 * time.Minute

// Mail is a mail that speaks of instructions, with what was found out about it.
type Mail struct {
	Contact contacts.ID // who owns the address in From, if anybody
	Case    cases.ID
	Message cases.MessageID
	Report  *evidence.Report
	Came    time.Time
}

// FromMail tries a mail as the proof of each instruction that it names. What it
// is not is written into the audit log; the mail itself stays in its case for a
// person to read. done counts what it proved.
func (f *Flow) FromMail(ctx context.Context, m *Mail) (done int, err error) {
	for _, ref := range instructions.Refs(m.Report.Text) {
		var i *instructions.Instruction
		err := f.DB.View(ctx, func(tx *db.Tx) (err error) { i, err = f.Instructions.ByRef(ctx, tx, ref); return err })
		if fail.Is(err, fail.NotFound) {
			continue
		}
		if err != nil {
			return done, err
		}
		s, err := f.read(ctx, "", i.ID)
		if err != nil {
			return done, err
		}
		err = f.bySignature(ctx, s, m)
		if err == nil {
			done++
		} else if !fail.Is(err, fail.Denied) {
			return done, err
		}
	}
	return done, nil
}

// bySignature holds a mail against one instruction. Everything must be there: the
// verdict V, text that is text, all of the canonical text and the approving line,
// and a signature of this instruction's time by a key that is verified still.
func (f *Flow) bySignature(ctx context.Context, s *subject, m *Mail) error {
	sig := &m.Report.Signature
	word := ""
	switch {
	case sig.Verdict != evidence.Verified || sig.Covers != "whole" || m.Report.Disposition != evidence.Accept:
		word = "verdict " + string(sig.Verdict)
	case m.Contact != s.i.Contact || sig.Known == nil || sig.Known.Owner != string(s.i.Contact):
		word = "another person"
	case m.Report.Automatic != "":
		word = "an automatic mail"
	case !m.Report.Plain:
		word = "not plain text"
	case !instructions.Approves(m.Report.Text, s.i.Doc.Text, s.i.Doc.Ref, f.ours()):
		word = "another text"
	default:
		word = f.signature(s, sig.Fingerprint, sig.SignedAt, m.Came)
	}
	if word != "" {
		return f.refuse(ctx, s, "signature", word)
	}
	by, err := f.vouched(ctx, s.who, sig.Fingerprint, m.Came)
	if err != nil {
		return err
	}
	return f.take(ctx, s, &instructions.Proof{Contact: s.i.Contact, Level: instructions.Signature, Bind: s.i.Bind, LetIn: by,
		Once:     once("signature", sig.Fingerprint, sig.SignedAt.Unix(), m.Report.Text),
		Evidence: instructions.Evidence{Fingerprint: string(sig.Fingerprint), SignedAt: sig.SignedAt, Message: m.Message}})
}

// signature says what is wrong with who signed and when, or nothing.
func (f *Flow) signature(s *subject, fp pgp.Fingerprint, at, came time.Time) (word string) {
	k := verified(s.who, fp)
	switch {
	case k == nil:
		return "not a verified key"
	case s.i.Doc.Risky && came.Sub(k.Verified) < Fresh:
		return "a key too new"
	case at.Before(s.i.Made.Add(-window)):
		return "signed before it was proposed"
	case at.After(came.Add(window)):
		return "signed in the future"
	}
	return ""
}

// vouched is the member of staff on whose word a key counts, or without whom the
// instruction that bound it could not have been proved, while it is young.
func (f *Flow) vouched(ctx context.Context, who *contacts.Contact, fp pgp.Fingerprint, now time.Time) (string, error) {
	k := verified(who, fp)
	if k == nil || k.Via != contacts.ByInstruction {
		if k == nil {
			return "", nil
		}
		return LetIn(k.By, k.Verified, now), nil
	}
	var by string
	err := f.DB.View(ctx, func(tx *db.Tx) error {
		proof, err := f.Instructions.ProofOf(ctx, tx, instructions.ID(k.By))
		if err == nil {
			by = cmp.Or(proof.Attested, proof.LetIn)
		}
		return err
	})
	return LetIn(by, k.Verified, now), err
}

func verified(who *contacts.Contact, fp pgp.Fingerprint) *contacts.Key {
	for n := range who.Keys {
		if k := &who.Keys[n]; k.Trust == contacts.Verified && k.Cert.Fingerprint() == fp {
			return k
		}
	}
	return nil
}

// Pasted takes a signed text that the customer pasted or uploaded on the page.
func (f *Flow) Pasted(ctx context.Context, c contacts.ID, id instructions.ID, data []byte) error {
	s, err := f.read(ctx, c, id)
	if err != nil {
		return err
	}
	text, sigs, err := signedText(data)
	if err != nil {
		return fail.Wrap(fail.Invalid, err, "this is not a signed text: paste all of it, from BEGIN PGP SIGNED MESSAGE to END PGP SIGNATURE")
	}
	now := f.DB.Now()
	if len(sigs) != 1 {
		return f.refuse(ctx, s, "signature", "not one signature")
	}
	fp := madeBy(s.who, &sigs[0], now)
	word := ""
	switch {
	case fp == "":
		word = "not by a verified key"
	case !instructions.Approves(text, s.i.Doc.Text, s.i.Doc.Ref, nil):
		word = "another text"
	default:
		word = f.signature(s, fp, sigs[0].Made(), now)
	}
	if word != "" {
		return f.refuse(ctx, s, "signature", word)
	}
	by, err := f.vouched(ctx, s.who, fp, now)
	if err != nil {
		return err
	}
	return f.take(ctx, s, &instructions.Proof{Contact: c, Level: instructions.Signature, Bind: s.i.Bind, LetIn: by, Once: once("signature", fp, sigs[0].Made().Unix(), text),
		Evidence: instructions.Evidence{Fingerprint: string(fp), SignedAt: sigs[0].Made(), Signed: string(data)}})
}

// signedText reads a signed text or a signed message, nothing around it.
func signedText(data []byte) (string, []pgp.Signature, error) {
	data = bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
	b, ok, err := pgp.Inline(data)
	switch {
	case err != nil:
		return "", nil, err
	case ok && b.Encrypted == nil && b.Whole():
		return string(b.Text), b.Signatures, nil
	}
	o, err := pgp.ReadSigned(data)
	if err != nil {
		return "", nil, err
	}
	if o == nil || strings.ContainsRune(string(o.Data), 0) {
		return "", nil, errors.New("no text")
	}
	return string(o.Data), o.Signatures, nil
}

// madeBy returns the verified key of theirs that made the signature and is good
// then and now, or nothing.
func madeBy(who *contacts.Contact, sig *pgp.Signature, now time.Time) pgp.Fingerprint {
	for n := range who.Keys {
		k := &who.Keys[n]
		if k.Trust != contacts.Verified {
			continue
		}
		if made, fault := sig.Verify(k.Cert, now); made && fault == "" {
			return k.Cert.Fingerprint()
		}
	}
	return ""
}

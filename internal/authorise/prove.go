package authorise

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/staff"
)

// Fresh is how long a new passkey, app or key does not count for a risky
// instruction: who just bound one may be the thief, and its owner has been told
// on every address and needs time to answer.
const Fresh = 72 * time.Hour

func tooFresh(made, now time.Time) error {
	if now.Sub(made) >= Fresh {
		return nil
	}
	return fail.New(fail.Denied, "this was added on %s. For an instruction of this kind it counts from %s on; until then use another way, or call us",
		stamp(made), stamp(made.Add(Fresh)))
}

// Settled is how long something is young that a customer could bind only with
// the help of one of our staff: so long that person neither proposes nor approves
// what is proved by it. Its owner was told on every address, and can answer.
const Settled = 7 * 24 * time.Hour

// LetIn is who helped, while that counts.
func LetIn(by string, made, now time.Time) string {
	if now.Sub(made) < Settled {
		return by
	}
	return ""
}

// prove takes a proof in its transaction, and moves on. What is demanded is asked
// again: they may have bound something stronger since it was proposed, taken a
// choice back, or the house may have become stricter.
func (f *Flow) prove(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, p *instructions.Proof) (refused, err error) {
	t, err := instructions.TypeOf(ctx, tx, i.Type)
	if err != nil {
		return nil, err
	}
	who, err := f.Contacts.Get(ctx, tx, i.Contact)
	if err != nil {
		return nil, err
	}
	need, _, _, err := f.Need(ctx, tx, who, t, i.Doc.Values)
	if err != nil {
		return nil, err
	}
	if gone, err := f.gone(ctx, tx, who, p); err != nil || gone {
		return instructions.ErrRefused(), err
	}
	p.At = tx.Now
	if p.Level < need && p.Level >= i.Need {
		return instructions.ErrRefused(), f.Instructions.Note(ctx, tx, i, audit.Contact(string(p.Contact)), "proof-refused", instructions.KindOf(p.Level)+", too weak by now")
	}
	if refused, err = f.Instructions.Prove(ctx, tx, i, p, s.key); err != nil || refused != nil {
		return refused, err
	}
	return nil, f.proved(ctx, tx, s, i)
}

// gone reports whether what made a proof was taken away since it was checked.
func (f *Flow) gone(ctx context.Context, tx *db.Tx, who *contacts.Contact, p *instructions.Proof) (bool, error) {
	switch {
	case p.Level == instructions.Passkey && p.Evidence.Credential != "":
		list, err := f.Passkeys.List(ctx, tx, "contact", string(who.ID))
		return !slices.ContainsFunc(list, func(k staff.Passkey) bool { return k.ID == p.Evidence.Credential }), err
	case p.Level == instructions.Signature && p.Evidence.Fingerprint != "":
		return verified(who, pgp.Fingerprint(p.Evidence.Fingerprint)) == nil, nil
	}
	return false, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2 January, 15:04 UTC") }

// take files a proof that was checked for what it is, and moves on. A refusal is
// recorded and returned.
func (f *Flow) take(ctx context.Context, s *subject, p *instructions.Proof) error {
	var refused error
	err := f.DB.Update(ctx, func(tx *db.Tx) error {
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		refused, err = f.prove(ctx, tx, s, i, p)
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

// proved moves on from a proof: the receipt, the systems, and where nobody's yes
// is needed, the doing.
func (f *Flow) proved(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if !instructions.Enrols(i.Doc.Does) || i.Approvals > 0 || i.Doc.Cooling > 0 { // else one receipt says it all
		if err := f.later(ctx, tx, i.ID, Proved); err != nil {
			return err
		}
	}
	if err := f.tell(ctx, tx, s, i, "instruction.proved"); err != nil {
		return err
	}
	approved, err := f.Instructions.Settle(ctx, tx, i)
	if err != nil || !approved {
		return err
	}
	return f.approved(ctx, tx, s, i)
}

func (f *Flow) approved(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) error {
	if err := f.tell(ctx, tx, s, i, "instruction.approved"); err != nil {
		return err
	}
	if i.Due(tx.Now) != nil {
		return nil // the clock's job picks it up
	}
	if instructions.Enrols(i.Doc.Does) { // they are at the page, and want to use it
		return f.bindNew(ctx, tx, s, i, audit.System, "")
	}
	return f.later(ctx, tx, i.ID, Do)
}

// refuse records why a proof did not do; the person learns no more than that.
func (f *Flow) refuse(ctx context.Context, s *subject, kind, word string) error {
	err := f.DB.Update(ctx, func(tx *db.Tx) error {
		return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(s.i.Contact)), Act: "instruction.proof-refused", About: string(s.i.Case),
			Detail: "instruction " + string(s.i.ID) + ": " + kind + ", " + word})
	})
	if err != nil {
		return err
	}
	return instructions.ErrRefused()
}

// BeginPasskey returns what the browser asks the passkey to sign: SHA-256 over a
// nonce that is used once and the text that is on the page.
func (f *Flow) BeginPasskey(ctx context.Context, c contacts.ID, id instructions.ID) (any, error) {
	s, err := f.read(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if s.i.State != instructions.Proposed || !f.DB.Now().Before(s.i.Expires) {
		return nil, errGone
	}
	nonce := make([]byte, 32)
	rand.Read(nonce)
	return f.Passkeys.BeginProof(ctx, string(id), owner(s.who), instructions.Challenge(nonce, s.i.Doc.Text), hex.EncodeToString(nonce))
}

// FinishPasskey takes the passkey's answer as the proof.
func (f *Flow) FinishPasskey(ctx context.Context, c contacts.ID, id instructions.ID, answer []byte) error {
	s, err := f.read(ctx, c, id)
	if err != nil {
		return err
	}
	got, err := f.Passkeys.FinishProof(ctx, string(id), owner(s.who), answer)
	if fail.Is(err, fail.Denied) {
		return f.refuse(ctx, s, "passkey", "it did not fit")
	}
	if err != nil {
		return err
	}
	if s.i.Doc.Risky {
		if err := tooFresh(got.Made, f.DB.Now()); err != nil {
			f.refuse(ctx, s, "passkey", "too new")
			return err
		}
	}
	return f.take(ctx, s, &instructions.Proof{Contact: c, Level: instructions.Passkey, LetIn: LetIn(got.By, got.Made, f.DB.Now()), Bind: s.i.Bind, Once: once("passkey", got.Kept),
		Evidence: instructions.Evidence{Nonce: got.Kept, Answer: string(answer), Credential: got.Passkey}})
}

// once names what cannot be used twice.
func once(kind string, parts ...any) string {
	h := sha256.Sum256([]byte(kind + "\x00" + fmt.Sprint(parts...)))
	return kind + ":" + hex.EncodeToString(h[:16])
}

// ByApp takes a code of the customer's app, typed on the page that shows the
// text, in a session of theirs.
func (f *Flow) ByApp(ctx context.Context, ses *portal.Session, id instructions.ID, code string) error {
	s, err := f.read(ctx, ses.Contact, id)
	if err != nil {
		return err
	}
	var refused error
	err = f.DB.Update(ctx, func(tx *db.Tx) error {
		refused = nil
		i, err := f.again(ctx, tx, s)
		if err != nil {
			return err
		}
		if i.State != instructions.Proposed || i.Need > instructions.TOTP {
			refused = instructions.ErrRefused()
			return nil
		}
		app, step, err := f.Passkeys.UseApp(ctx, tx, string(ses.Contact), code)
		if err != nil {
			return err
		}
		if app == nil {
			refused = instructions.ErrRefused()
			if err := f.Passkeys.MissApp(ctx, tx, string(ses.Contact), code); err != nil {
				return err
			}
			return f.missed(ctx, tx, s, i, "totp")
		}
		if i.Doc.Risky {
			if refused = tooFresh(app.Made, tx.Now); refused != nil {
				return nil
			}
		}
		p := &instructions.Proof{Contact: ses.Contact, Level: instructions.TOTP, Bind: i.Bind, Once: once("totp", ses.Contact, step), LetIn: LetIn(app.By, app.Made, tx.Now),
			Evidence: instructions.Evidence{Session: string(ses.Factor)}}
		refused, err = f.prove(ctx, tx, s, i, p)
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

// missed counts a wrong try, and tells the customer when it was the last.
func (f *Flow) missed(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, kind string) error {
	blocked, err := f.Instructions.Miss(ctx, tx, i, kind, audit.Contact(string(i.Contact)))
	if err != nil || !blocked {
		return err
	}
	return f.ended(ctx, tx, s, i, Refused, "instruction.refused")
}

// errReadsOnly: a call-back proves together with the session in which its code
// crosses. An agreed code can be known to others for as long as it stands.
var errReadsOnly = fail.New(fail.Denied, "the code that you chose lets you read, and no more. To approve by telephone, come in with your passkey, your app, or a code that we read to you")

package intake_test

// Mail without its signature: for whoever chose that, and for nobody else.

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/consent"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/smtpc"
	"postern/internal/vault"
)

func eachRelay(t *testing.T, f func(x *desk, r *fakeRelay)) {
	for name, url := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) { x, r := withRelay(t, url(t)); f(x, r) })
	}
}

// gone is the newest mail that the relay got, and whether it is signed.
func gone(r *fakeRelay) (text string, signed bool) {
	all := r.mails()
	m := message.Parse(all[len(all)-1])
	return m.Root.Display().Text, m.Root.Type == "multipart/signed"
}

// kept is the mail of a delivery as the desk has it.
func (x *desk) kept(d outbox.Delivery) *message.Mail {
	x.Helper()
	var b *vault.Blob
	x.view(func(ctx context.Context, tx *db.Tx) (err error) { b, err = x.v.GetBlob(ctx, tx, d.RawBlob); return err })
	raw, err := b.Open()
	if err != nil {
		x.Fatal(err)
	}
	return message.Parse(raw)
}

func TestP5SignatureIsLeftOffForWhoeverChoseThatAlone(t *testing.T) {
	eachRelay(t, func(x *desk, r *fakeRelay) {
		c, ben := x.emre(), x.take(&letter{from: "ben@other.example", subject: "Hours", text: "x"})
		x.optOut(c.Contact, consent.Signature)
		if _, signed := gone(r); !signed {
			x.Error("the receipt of the choice is not signed")
		}
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		text, signed := gone(r)
		if signed || !strings.Contains(text, "open until six") || !strings.Contains(text, "without our signature because you chose so") || strings.Contains(text, "Signed with our key") || !strings.Contains(text, "/back/") {
			x.Errorf("signed %v: %q", signed, text)
		}
		if m := x.kept(x.last(c)); m.Root.Type != "multipart/signed" {
			x.Errorf("the desk keeps %s", m.Root.Type)
		}
		if n := x.count(`SELECT COUNT(*) FROM audit WHERE act = 'delivery.sent' AND detail LIKE '%, without signature by consent %'`); n != 1 {
			x.Errorf("%d records name the consent", n)
		}
		x.answer(ben, outbox.Answer{Text: "We are open until six."})
		if _, signed := gone(r); !signed {
			x.Error("somebody else's mail lost its signature")
		}
		x.answer(c, outbox.Answer{Text: secret}) // by the portal
		if text, signed := gone(r); !signed || strings.Contains(text, "canary") {
			x.Error("the notice of a message on the portal is not signed")
		}
		if _, err := x.out.Protect(x.Context(), c.Contact, consent.Signature, consent.ByLink); err != nil {
			x.Fatal(err)
		}
		x.settle()
		if _, signed := gone(r); !signed {
			x.Error("the receipt of going back is not signed")
		}
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		if _, signed := gone(r); !signed {
			x.Error("after going back mail is not signed")
		}
	})
}

func TestP5SignatureStaysWhereOthersAreNear(t *testing.T) {
	eachRelay(t, func(x *desk, r *fakeRelay) {
		c := x.emre()
		x.optOut(c.Contact, consent.Signature)
		if err := x.d.Update(x.Context(), func(tx *db.Tx) error { return cases.Join(x.Context(), tx, c.ID, "ben") }); err != nil {
			x.Fatal(err)
		}
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		if _, signed := gone(r); !signed {
			x.Error("mail in a case with somebody else lost its signature")
		}
	})
}

// TestP5EncryptedMailKeepsItsSignature: it is inside, where nobody trips over it.
func TestP5EncryptedMailKeepsItsSignature(t *testing.T) {
	eachRelay(t, func(x *desk, r *fakeRelay) {
		c, _ := x.adaCase()
		x.optOut(c.Contact, consent.Signature)
		x.answer(c, outbox.Answer{Text: "We are open until six."})
		all := r.mails()
		if m := message.Parse(all[len(all)-1]); m.Root.Type != "multipart/encrypted" || x.last(c).SealedTo == "" {
			x.Errorf("%s", m.Root.Type)
		}
		if n := x.count(`SELECT COUNT(*) FROM audit WHERE detail LIKE '%without signature%'`); n != 0 {
			x.Error("its signature was taken off")
		}
	})
}

// TestP5SignatureIsBackBetweenTwoTries: a mail that waits for its next try goes
// signed if the choice was taken back, and byte for byte the same if not.
func TestP5SignatureIsBackBetweenTwoTries(t *testing.T) {
	for name, back := range map[string]bool{"taken back": true, "as it was": false} {
		t.Run(name, func(t *testing.T) {
			eachRelay(t, func(x *desk, r *fakeRelay) {
				c := x.emre()
				x.optOut(c.Contact, consent.Signature)
				r.mu.Lock()
				r.say = []smtpc.Outcome{smtpc.Deferred}
				r.mu.Unlock()
				x.answer(c, outbox.Answer{Text: "We are open until six."})
				first := r.mails()[len(r.mails())-1]
				if back {
					if _, err := x.out.Protect(x.Context(), c.Contact, consent.Signature, consent.ByPortal); err != nil {
						x.Fatal(err)
					}
					x.settle()
				}
				x.clock.add(2 * time.Minute)
				x.until(func() bool { return x.last(c).State == outbox.Sent })
				second := r.mails()[len(r.mails())-1]
				text, signed := gone(r)
				if signed != back || !back && string(first) != string(second) || strings.Contains(text, "without our signature") == back {
					x.Errorf("signed %v: %q", signed, text)
				}
			})
		})
	}
}

package authorise

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

// words writes the letters. Times are UTC, and nothing of others' text is in a
// letter without content.
type words struct {
	o     outbox.Words
	s     *subject
	proof *instructions.StoredProof
	stop  string // ends the link that stops it without coming in; empty: there is none
}

// notYou says how to stop it: on our pages, by the link where there is one, or with us.
func (w words) notYou() string {
	if w.stop == "" {
		return "choose \"I did not ask for this\" there, or " + w.phone()
	}
	return "open this page and press its button, or " + w.phone() + ":\n\n" + w.o.BaseURL + "/stop/" + w.stop
}

func (w words) place() string { return w.o.BaseURL + "/my" }

func (w words) phone() string {
	if w.o.Phone == "" {
		return "reply to this mail"
	}
	return "call " + w.o.Phone + " or reply to this mail"
}

func (w words) asked() string {
	i := w.s.i
	return fmt.Sprintf(`%s asks for your approval. Nothing is done without it.

%s
TO APPROVE by mail: reply to this mail, signed with your key, write the one line

%s

above the quoted text, keep all of the text, and add nothing else.
TO APPROVE on our pages: type %s into your browser and choose "What I authorise".

DID YOU NOT ASK FOR THIS? Choose "I did not ask for this" on the same page, or %s. It is stopped at once.`,
		w.o.Org, i.Doc.Text, instructions.ApproveLine(i.Doc.Ref), strings.TrimPrefix(w.place(), "https://"), w.phone())
}

func (w words) waits() string {
	return fmt.Sprintf(`Something in your name waits for your approval at %s. Nothing is done without it, and what it is does not stand in this mail.

To read it and to decide, type %s into your browser, or open
%s

You prove there that it is you. We never ask for a password, a PIN or a code by mail.

If you did not ask for anything, %s`, w.o.Org, strings.TrimPrefix(w.place(), "https://"), w.place(), w.notYou())
}

// receipt holds the text, the kind of proof, when, and the reference.
func (w words) receipt() string {
	i := w.s.i
	var b strings.Builder
	b.WriteString("RECEIPT from " + w.o.Org + "\n\n" + i.Doc.Text + "\n")
	if w.proof != nil {
		fmt.Fprintf(&b, "Proved by: %s\nProved at: %s\nReference: %s\nBound to (SHA-256): %s\n", instructions.Words(w.proof.Level), exact(w.proof.At), i.Doc.Ref, i.Bind)
	}
	switch {
	case i.State == instructions.Executed:
		fmt.Fprintf(&b, "Done at: %s\nWhat was done: %s\n", exact(i.Ended), i.Result)
	case i.Approvals > 0 && i.State == instructions.Proved:
		people := "one of our staff looks at it"
		if i.Approvals > 1 {
			people = fmt.Sprintf("%d of our staff look at it", i.Approvals)
		}
		b.WriteString("What happens next: " + people + ", then it is done.\n")
	}
	if i.State != instructions.Executed && w.s.i.Doc.Cooling > 0 {
		fmt.Fprintf(&b, "Not before: %s. Until then you can stop it at %s.\n", exact(i.Ready), strings.TrimPrefix(w.place(), "https://"))
	}
	fmt.Fprintf(&b, "\nKeep this. A copy signed by us, as a mail of its own, can be taken from the page where you authorised it. Did you not authorise this? Open %s and choose \"I did not ask for this\", or %s.", w.place(), w.phone())
	return b.String()
}

func exact(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

func (w words) authorised() string {
	return fmt.Sprintf(`Something was authorised in your name at %s, on %s. A receipt with the whole text waits for you at

%s

If it was you, you need do nothing. If it was not, at once %s`, w.o.Org, exact(w.s.i.ProvedAt), w.place(), w.notYou())
}

// enrolled is told to every address when something new proves them.
func (w words) enrolled() string {
	what := map[string]string{instructions.DoesPasskey: "a passkey was added to your name", instructions.DoesApp: "a code app was added to your name", instructions.DoesFirstKey: "a key was marked as checked with you"}[w.s.i.Doc.Does]
	by := ""
	if w.proof != nil {
		by = instructions.Words(w.proof.Level)
	}
	return fmt.Sprintf(`At %s, %s on %s, proved by %s. Reference: %s. The whole text and a receipt to keep stand at

%s

If it was you, you need do nothing. For instructions that could cost you much, what is new counts only after 72 hours.

If it was not you, %s

Within those 72 hours the button takes it away at once; after them it calls our security people.`, w.o.Org, what, exact(w.s.i.Ended), by, w.s.i.Doc.Ref, w.place(), w.notYou())
}

func (w words) reach(token string) string {
	return fmt.Sprintf(`Somebody wants %s to write to this address from now on. If that is you, open this page and press its button:

%s/address/%s

If it is not you, do nothing: nothing is changed then. To tell us, %s.`, w.o.Org, w.o.BaseURL, token, w.phone())
}

func (w words) isDone() string {
	how := w.phone() + "."
	if instructions.Undoable(w.s.i.Doc.Does) { // for 72 hours the button takes it away again
		how = w.notYou()
	}
	return fmt.Sprintf(`What was authorised in your name at %s was done on %s. The receipt waits for you at

%s

If you did not authorise anything, at once %s`, w.o.Org, exact(w.s.i.Ended), w.place(), how)
}

func (w words) refused() string {
	why := "It was refused."
	if w.s.i.Why == "five wrong tries" {
		why = "Five wrong tries were made to prove it, so it was stopped."
	}
	return fmt.Sprintf(`An instruction in your name at %s was not carried out. %s

What it was, and what you can do, stands at

%s

If you did not ask for anything, %s.`, w.o.Org, why, w.place(), w.phone())
}

func (w words) frozen() string {
	what := "We stopped it; nothing of it is carried out, and our security people look at it."
	switch {
	case w.s.i.Stuck && w.s.i.Open():
		what = "It waits now, and people of ours decide about it; everything else of yours that was open is stopped."
	case w.s.i.State == instructions.Executed && instructions.Undoable(w.s.i.Doc.Does):
		what = "What it added was taken away again if it was younger than 72 hours, and every session was ended. Our security people look at it."
	case w.s.i.State == instructions.Executed:
		what = "It was carried out before; our security people look at it."
	}
	return fmt.Sprintf(`Somebody said in your name that they did not ask for an instruction at %s. %s

If it was you: thank you, you need do nothing. Look through your sessions, passkeys and keys at

%s

and end what you do not know. If it was not you, %s.`, w.o.Org, what, w.place(), w.phone())
}

// ReceiptFile is the receipt as a mail signed by us, for the customer to keep
// and to check with any OpenPGP program: the same words that were sent.
func (f *Flow) ReceiptFile(ctx context.Context, c contacts.ID, id instructions.ID) ([]byte, error) {
	s, err := f.read(ctx, c, id)
	if err != nil {
		return nil, err
	}
	proof, err := f.proofOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if proof == nil {
		return nil, fail.New(fail.NotFound, "there is a receipt once it was authorised")
	}
	now := f.DB.Now()
	domain := s.box.Address[strings.LastIndexByte(s.box.Address, '@')+1:]
	out := pgp.Outgoing{Signer: s.box.Secret, Now: now, Draft: message.Draft{From: message.Address{Name: s.box.Name, Addr: s.box.Address}, To: []message.Address{{Addr: s.who.MailTo()}},
		Subject: "Receipt " + s.i.Doc.Ref, Date: now, MessageID: db.NewSecret() + "@" + domain, Text: words{o: f.Words(), s: s, proof: proof}.receipt()}}
	sealed, err := pgp.Seal(out)
	if err != nil {
		return nil, fmt.Errorf("seal a receipt: %w", err)
	}
	return sealed.Raw, sealed.Check(out.Signer.Public(), nil)
}

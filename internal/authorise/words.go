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
	"postern/internal/lang"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

// words writes the letters, in the language of the case. Times are UTC, and nothing of
// others' text is in a letter without content. The text of the instruction stands in
// them as it was written.
type words struct {
	o     outbox.Words
	s     *subject
	proof *instructions.StoredProof
	stop  string // ends the link that stops it without coming in; empty: there is none
	l     lang.Lang
}

func (w words) say(key string, in ...any) string { return w.l.Must(key, in...) }

// parts are the paragraphs of a letter.
func parts(list ...string) string { return strings.Join(list, "\n\n") }

// notYou says how to stop it: on our pages, by the link where there is one, or with us.
func (w words) notYou() string {
	if w.stop == "" {
		return w.say("mail.ins.choose", w.phone())
	}
	return parts(w.say("mail.ins.stop", w.phone()), w.o.BaseURL+"/stop/"+w.stop)
}

func (w words) place() string { return w.o.BaseURL + "/my" }

// typed is the place as one types it.
func (w words) typed() string { return strings.TrimPrefix(w.place(), "https://") }

func (w words) phone() string {
	if w.o.Phone == "" {
		return w.say("mail.ins.reply")
	}
	return w.say("mail.ins.call", w.o.Phone)
}

// text is the instruction's own, with what to say of it in a letter of another language.
func (w words) text() string {
	if w.l == lang.English || w.l == "" {
		return w.s.i.Doc.Text
	}
	return parts(w.say("ins.english"), w.s.i.Doc.Text)
}

func (w words) asked() string {
	ways := []string{w.say("mail.ins.asked.mail"), instructions.ApproveLine(w.s.i.Doc.Ref), w.say("mail.ins.asked.above") + "\n" + w.say("mail.ins.asked.page", w.typed())}
	return parts(w.say("mail.ins.asked", w.o.Org), w.text()+"\n"+parts(ways...), w.say("mail.ins.asked.not", w.phone()))
}

func (w words) waits() string {
	return parts(w.say("mail.ins.waits", w.o.Org), w.say("mail.ins.waits.open", w.typed())+"\n"+w.place(), w.say("mail.ins.waits.prove"), w.say("mail.ins.nothing", w.notYou()))
}

// receipt holds the text, the kind of proof, when, and the reference.
func (w words) receipt() string {
	i := w.s.i
	facts := []string{}
	if w.proof != nil {
		facts = append(facts, w.say("mail.ins.receipt.by", w.level()), w.say("mail.ins.receipt.at", w.exact(w.proof.At)), w.say("mail.ins.receipt.ref", i.Doc.Ref), w.say("mail.ins.receipt.bind", i.Bind))
	}
	switch {
	case i.State == instructions.Executed:
		facts = append(facts, w.say("mail.ins.receipt.done", w.exact(i.Ended)), w.say("mail.ins.receipt.what", w.l.Said(i.Result)))
	case i.Approvals > 1 && i.State == instructions.Proved:
		facts = append(facts, w.say("mail.ins.receipt.next.many", i.Approvals))
	case i.Approvals > 0 && i.State == instructions.Proved:
		facts = append(facts, w.say("mail.ins.receipt.next.one"))
	}
	if i.State != instructions.Executed && i.Doc.Cooling > 0 {
		facts = append(facts, w.say("mail.ins.receipt.notbefore", w.exact(i.Ready), w.typed()))
	}
	return parts(w.say("mail.ins.receipt", w.o.Org), w.text()+"\n"+strings.Join(facts, "\n"), w.say("mail.ins.receipt.keep", w.place(), w.phone()))
}

// level is the kind of proof, in words.
func (w words) level() string { return w.l.Said(w.s.i.ProvedBy(w.proof)) }

func (w words) exact(t time.Time) string {
	return w.l.Date(t.UTC()) + t.UTC().Format(", 15:04:05 UTC")
}

func (w words) authorised() string {
	return parts(w.say("mail.ins.authorised", w.o.Org, w.exact(w.s.i.ProvedAt)), w.place(), w.say("mail.ins.ifyou", w.notYou()))
}

// enrolled is told to every address when something new proves them.
func (w words) enrolled() string {
	what := map[string]string{instructions.DoesPasskey: "mail.ins.enrolled.passkey", instructions.DoesApp: "mail.ins.enrolled.app", instructions.DoesFirstKey: "mail.ins.enrolled.key"}[w.s.i.Doc.Does]
	by := ""
	if w.proof != nil {
		by = w.level()
	}
	return parts(w.say("mail.ins.enrolled", w.o.Org, w.say(what), w.exact(w.s.i.Ended), by, w.s.i.Doc.Ref), w.place(),
		w.say("mail.ins.enrolled.you"), w.say("mail.ins.notyou", w.notYou()), w.say("mail.ins.enrolled.button"))
}

func (w words) reach(token string) string {
	return parts(w.say("mail.ins.reach", w.o.Org), w.o.BaseURL+"/address/"+token, w.say("mail.ins.reach.not", w.phone()))
}

func (w words) isDone() string {
	how := w.phone() + "."
	if instructions.Undoable(w.s.i.Doc.Does) { // for 72 hours the button takes it away again
		how = w.notYou()
	}
	return parts(w.say("mail.ins.isdone", w.o.Org, w.exact(w.s.i.Ended)), w.place(), w.say("mail.ins.isdone.not", how))
}

func (w words) refused() string {
	why := w.say("mail.ins.refused.why")
	if w.s.i.Why == "five wrong tries" {
		why = w.say("mail.ins.refused.tries")
	}
	return parts(w.say("mail.ins.refused", w.o.Org, why), w.say("mail.ins.refused.stands"), w.place(), w.say("mail.ins.nothing", w.phone()+"."))
}

func (w words) frozen() string {
	what := "mail.ins.frozen.stopped"
	switch {
	case w.s.i.Stuck && w.s.i.Open():
		what = "mail.ins.frozen.stuck"
	case w.s.i.State == instructions.Executed && instructions.Undoable(w.s.i.Doc.Does):
		what = "mail.ins.frozen.undone"
	case w.s.i.State == instructions.Executed:
		what = "mail.ins.frozen.executed"
	}
	return parts(w.say("mail.ins.frozen", w.o.Org, w.say(what)), w.say("mail.ins.frozen.you"), w.place(), w.say("mail.ins.frozen.not", w.phone()))
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
	w := words{o: f.Words(), s: s, proof: proof, l: s.c.Lang}
	now := f.DB.Now()
	domain := s.box.Address[strings.LastIndexByte(s.box.Address, '@')+1:]
	out := pgp.Outgoing{Signer: s.box.Secret, Now: now, Draft: message.Draft{From: message.Address{Name: s.box.Name, Addr: s.box.Address}, To: []message.Address{{Addr: s.who.MailTo()}},
		Subject: w.say("mail.ins.receipt.subject", s.i.Doc.Ref), Date: now, MessageID: db.NewSecret() + "@" + domain, Text: w.receipt()}}
	sealed, err := pgp.Seal(out)
	if err != nil {
		return nil, fmt.Errorf("seal a receipt: %w", err)
	}
	return sealed.Raw, sealed.Check(out.Signer.Public(), nil)
}

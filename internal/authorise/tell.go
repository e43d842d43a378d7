package authorise

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/policy"
)

// Follow does what a step asked for. Done twice it does nothing more: what it
// writes has an id made from the step.
func (f *Flow) Follow(ctx context.Context, st Step) error {
	if st.What == Do {
		return f.do(ctx, st.Instruction)
	}
	s, err := f.read(ctx, "", st.Instruction)
	if err != nil {
		return err
	}
	letters, err := f.letters(ctx, s, st.What)
	if err != nil {
		return err
	}
	err = f.DB.Update(ctx, func(tx *db.Tx) error {
		for _, l := range letters {
			if err := f.post(ctx, tx, s, l); err != nil {
				return err
			}
		}
		if st.What != Frozen {
			return nil
		}
		return f.alarm(ctx, tx, s)
	})
	if fail.Is(err, fail.Conflict) { // written before
		return nil
	}
	return err
}

// letter is one message of ours about an instruction, sealed, and where it goes.
type letter struct {
	m     *cases.Message
	parts *cases.Parts
	kind  outbox.Kind
	to    []string
	shown policy.Protection
}

// letters writes what a step has to say. What shows the text goes encrypted or
// waits on the portal; what says only that something happened holds no content
// and goes to every address.
func (f *Flow) letters(ctx context.Context, s *subject, what What) ([]*letter, error) {
	proof, err := f.proofOf(ctx, s)
	if err != nil {
		return nil, err
	}
	w := words{f.Words(), s, proof}
	switch what {
	case Asked:
		if k, _ := s.who.VerifiedKey(f.DB.Now()); k != nil {
			return f.seal(s, what, "Please approve, or stop it", w.asked(), "", "")
		}
		return f.seal(s, what, "", "", "Something waits for your approval", w.waits())
	case Proved:
		return f.seal(s, what, "Receipt: what you authorised", w.receipt(), "Something was authorised in your name", w.authorised())
	case Done:
		return f.seal(s, what, "Receipt: it is done", w.receipt(), "What you authorised is done", w.isDone())
	case Refused:
		return f.seal(s, what, "", "", "An instruction was not carried out", w.refused())
	case Reach:
		return f.reach(s, w)
	case Frozen:
		return f.seal(s, what, "", "", "An instruction was stopped in your name", w.frozen())
	}
	return nil, fmt.Errorf("nothing is said of %q", what)
}

func (f *Flow) proofOf(ctx context.Context, s *subject) (p *instructions.StoredProof, err error) {
	err = f.DB.View(ctx, func(tx *db.Tx) error { p, err = f.Instructions.ProofOf(ctx, tx, s.i.ID); return err })
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	return p, err
}

// seal makes the letters: one with the text, to the address we write to, and one
// without content, to every address ("": none).
func (f *Flow) seal(s *subject, what What, subject, text, notice, plain string) (out []*letter, err error) {
	add := func(id string, kind outbox.Kind, shown policy.Protection, subject, text string, to []string) {
		m := &cases.Message{ID: cases.MessageID(id), Case: s.c.ID, Kind: cases.Out, Door: "auto", Contact: s.who.ID, At: f.DB.Now(),
			Doc: cases.Doc{Subject: subject, Text: text, Sensitive: kind == outbox.Receipt}}
		parts, e := cases.Seal(m, s.caseKey)
		if e != nil {
			err = e
		}
		out = append(out, &letter{m, parts, kind, to, shown})
	}
	id := string(s.i.ID) + "-" + string(what)
	if text != "" {
		add(id, outbox.Receipt, policy.Portal, subject, text, []string{s.who.MailTo()})
	}
	if plain != "" {
		var to []string
		for _, a := range s.who.Addresses {
			to = append(to, a.Address)
		}
		add(id+"-notice", outbox.Notice, policy.Signed, notice, plain, to)
	}
	return out, err
}

// reach is the letter to a new address. It is asked for at every tick until it is
// answered, and written once.
func (f *Flow) reach(s *subject, w words) ([]*letter, error) {
	out, err := f.seal(s, Reach, "", "", "Is this your address?", w.reach(f.Instructions.AddressToken(s.i)))
	for _, l := range out {
		l.to = []string{s.i.Doc.Values["address"]}
	}
	return out, err
}

// post stores a letter and puts it on its way.
func (f *Flow) post(ctx context.Context, tx *db.Tx, s *subject, l *letter) error {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM messages WHERE id = $1`, l.m.ID)
	if err != nil {
		return err
	}
	if n > 0 {
		return fail.New(fail.Conflict, "this was written before")
	}
	if err := cases.AddMessage(ctx, tx, l.m, l.parts); err != nil {
		return err
	}
	for _, a := range l.to {
		if a == "" {
			continue
		}
		if err := f.Outbox.Queue(ctx, tx, &outbox.Delivery{Case: s.c.ID, Message: l.m.ID, Contact: s.who.ID, Kind: l.kind, Mailbox: s.c.Mailbox, Address: a, Shown: l.shown}); err != nil {
			return err
		}
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "message.queued", About: string(s.c.ID), Detail: fmt.Sprintf("message %s, %s, to %d addresses", l.m.ID, l.kind, len(l.to))})
}

// alarm puts the case before staff: somebody may be in this person's account.
func (f *Flow) alarm(ctx context.Context, tx *db.Tx, s *subject) error {
	if err := f.attention(ctx, tx, s.i, "an instruction in it was not asked for by its owner"); err != nil {
		return err
	}
	c := s.c
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "security.alarm", About: string(c.ID), Detail: "instruction " + string(s.i.ID) + ": its owner did not ask for it"})
}

// attention opens the case for staff to look at.
func (f *Flow) attention(ctx context.Context, tx *db.Tx, i *instructions.Instruction, why string) error {
	c, err := f.Cases.Get(ctx, tx, i.Case)
	if err != nil {
		return err
	}
	c.State, c.Unread, c.Last, c.ClosedAt = cases.Open, true, tx.Now, time.Time{}
	c.Raise(why)
	return f.Cases.Save(ctx, tx, c)
}

// words writes the letters. Times are UTC, and nothing of others' text is in a
// letter without content.
type words struct {
	o     outbox.Words
	s     *subject
	proof *instructions.StoredProof
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

You prove there that it is you. If you did not ask for anything, choose "I did not ask for this", or %s.

We never ask for a password, a PIN or a code by mail.`, w.o.Org, strings.TrimPrefix(w.place(), "https://"), w.place(), w.phone())
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
		fmt.Fprintf(&b, "What happens next: %d of our staff look at it, then it is done.\n", i.Approvals)
	}
	if i.State != instructions.Executed && w.s.i.Doc.Cooling > 0 {
		fmt.Fprintf(&b, "Not before: %s. Until then you can stop it at %s.\n", exact(i.Ready), strings.TrimPrefix(w.place(), "https://"))
	}
	fmt.Fprintf(&b, "\nKeep this mail: it is signed. Did you not authorise this? Open %s and choose \"I did not ask for this\", or %s.", w.place(), w.phone())
	return b.String()
}

func exact(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

func (w words) authorised() string {
	return fmt.Sprintf(`Something was authorised in your name at %s, on %s. A receipt with the whole text waits for you at

%s

If it was you, you need do nothing. If it was not, choose "I did not ask for this" there, or %s, at once.`, w.o.Org, exact(w.s.i.ProvedAt), w.place(), w.phone())
}

func (w words) reach(token string) string {
	return fmt.Sprintf(`Somebody wants %s to write to this address from now on. If that is you, open this page and press its button:

%s/address/%s

If it is not you, do nothing: nothing is changed then. To tell us, %s.`, w.o.Org, w.o.BaseURL, token, w.phone())
}

func (w words) isDone() string {
	return fmt.Sprintf(`What was authorised in your name at %s was done on %s. The receipt waits for you at

%s

If you did not authorise anything, %s, at once.`, w.o.Org, exact(w.s.i.Ended), w.place(), w.phone())
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
	if w.s.i.State == instructions.Executed {
		what = "It was carried out before; our security people look at it."
	}
	return fmt.Sprintf(`Somebody said in your name that they did not ask for an instruction at %s. %s

If it was you: thank you, you need do nothing. Look through your sessions, passkeys and keys at

%s

and end what you do not know. If it was not you, %s.`, w.o.Org, what, w.place(), w.phone())
}

// DueEvent asks the system named in an instruction's type to do it.
const DueEvent = "instruction.due"

// An Event is what the organisation's systems are told.
type Event struct {
	ID       string // the same however often it is told
	Name     string
	About    string // the case
	Endpoint string // of one system; empty: of all that want the event
	Payload  []byte
}

// Claims are what a token says (JWS, signed with the key at /.well-known/jwks.json).
type Claims struct {
	Issuer      string            `json:"iss"`
	Subject     string            `json:"sub"` // contact id
	ID          string            `json:"jti"` // instruction id
	Issued      int64             `json:"iat"` // Unix seconds
	Audience    string            `json:"aud"` // always "postern.instructions"
	Expires     int64             `json:"exp"` // a day later: then ask for the state, and a new token
	Type        string            `json:"type"`
	TypeVersion int64             `json:"type_version"`
	Reference   string            `json:"reference"`
	State       string            `json:"state"`
	Text        string            `json:"text"`
	Values      map[string]string `json:"values"`
	Bind        string            `json:"bind"` // SHA-256(reference, NUL, text), hex
	Proof       string            `json:"proof,omitempty"`
	ProvedAt    int64             `json:"proved_at,omitempty"`
	Approvers   int64             `json:"approvals"`
	NotBefore   int64             `json:"nbf,omitempty"` // not to be done before
}

func (f *Flow) claims(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction) (*Claims, error) {
	c := &Claims{Issuer: f.Words().BaseURL, Subject: string(i.Contact), ID: string(i.ID), Issued: tx.Now.Unix(), Audience: "postern.instructions", Expires: tx.Now.Add(24 * time.Hour).Unix(), Type: i.Type, TypeVersion: i.Doc.Version, Reference: i.Doc.Ref,
		State: string(i.State), Text: i.Doc.Text, Values: i.Doc.Values, Bind: i.Bind}
	proof, err := f.Instructions.ProofOf(ctx, tx, i.ID)
	if err == nil {
		c.Proof, c.ProvedAt, c.NotBefore = instructions.KindOf(proof.Level), proof.At.Unix(), i.Ready.Unix()
	} else if !fail.Is(err, fail.NotFound) {
		return nil, err
	}
	by, err := f.Instructions.Approvers(ctx, tx, i.ID)
	c.Approvers = int64(len(by))
	return c, err
}

// tell queues an event for the organisation's systems, with a signed token once
// there is something to stand for.
func (f *Flow) tell(ctx context.Context, tx *db.Tx, s *subject, i *instructions.Instruction, name string) error {
	if f.Call == nil {
		return nil
	}
	c, err := f.claims(ctx, tx, s, i)
	if err != nil {
		return err
	}
	body := map[string]any{"type": name, "timestamp": tx.Now.UTC().Format(time.RFC3339), "data": map[string]any{"id": i.ID, "type": i.Type, "contact": i.Contact, "state": i.State, "reference": i.Doc.Ref}}
	if i.State == instructions.Approved && i.Due(tx.Now) == nil || i.State == instructions.Executed { // none before its wait is over
		token, err := f.Sign(c)
		if err != nil {
			return err
		}
		body["data"].(map[string]any)["token"] = token
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	e := Event{ID: string(i.ID) + "-" + strings.TrimPrefix(name, "instruction."), Name: name, About: string(i.Case), Payload: b}
	if name == DueEvent {
		e.Endpoint = i.Doc.Hook
	}
	return f.Call(ctx, tx, e)
}

// Token returns a signed token of an approved or executed instruction.
func (f *Flow) Token(ctx context.Context, id instructions.ID) (token string, err error) {
	s, err := f.read(ctx, "", id)
	if err != nil {
		return "", err
	}
	if s.i.State != instructions.Approved && s.i.State != instructions.Executed {
		return "", fail.New(fail.Conflict, "there is a token only of what is approved; this is %s", s.i.State)
	}
	var c *Claims
	if err := f.DB.View(ctx, func(tx *db.Tx) error { c, err = f.claims(ctx, tx, s, s.i); return err }); err != nil {
		return "", err
	}
	return f.Sign(c)
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
		Subject: "Receipt " + s.i.Doc.Ref, Date: now, MessageID: db.NewSecret() + "@" + domain, Text: words{f.Words(), s, proof}.receipt()}}
	sealed, err := pgp.Seal(out)
	if err != nil {
		return nil, fmt.Errorf("seal a receipt: %w", err)
	}
	return sealed.Raw, sealed.Check(out.Signer.Public(), nil)
}

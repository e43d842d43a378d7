// Package instructions keeps what customers want done to their accounts, and
// the proofs that they want it.
//
// An instruction is one canonical text (text.go): that text is shown, signed,
// hashed, read out and receipted, and it never changes. Whoever wants something
// else makes a new instruction, and its proofs begin again.
//
// Invariants, each also guarded by the database itself (db/guards):
//
//   - Nothing is proved without a proof row that is bound to this very text, by
//     this very person, and at least as strong as the type demands.
//   - One proof serves one instruction: what makes a proof (a signature, a
//     challenge, a code) is used up with it.
//   - Proved is not approved: policy may want one or two people, and never the
//     one who proposed it, nor the one who took the call that proved it.
//   - Nothing comes back from an end: executed, refused, frozen, expired, cancelled.
package instructions

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/fail"
	"postern/internal/policy"
)

// ID names an instruction.
type ID string

// Level is how sure a proof makes us.
type Level = policy.Level

const (
	Call      = policy.ByCall
	TOTP      = policy.ByTOTP
	Passkey   = policy.ByPasskey
	Signature = policy.BySignature
)

// Levels lists all, weakest first.
var Levels = []Level{Call, TOTP, Passkey, Signature}

var kinds = map[Level]string{Call: "call", TOTP: "totp", Passkey: "passkey", Signature: "signature"}

// KindOf is the kind of proof as it is stored.
func KindOf(l Level) string { return kinds[l] }

var levelWords = map[Level]string{Call: "a call-back code", TOTP: "a code of the authenticator app", Passkey: "a passkey", Signature: "a checked signature"}

// Words names the kind of proof for people.
func Words(l Level) string { return levelWords[l] }

// State of an instruction.
type State string

const (
	Proposed  State = "proposed" // waits for the customer's proof
	Proved    State = "proved"   // waits for the people that policy wants
	Approved  State = "approved" // waits for its time, and to be done
	Executed  State = "executed"
	Refused   State = "refused"   // by the people who decide, or after five wrong tries
	Frozen    State = "frozen"    // the customer says: I did not ask for this
	Expired   State = "expired"   // nobody proved or approved it in time
	Cancelled State = "cancelled" // by whoever proposed it
)

// States lists all, in the order they are come through.
var States = []State{Proposed, Proved, Approved, Executed, Refused, Frozen, Expired, Cancelled}

// MaxTries is how many wrong codes an instruction bears, over all reissues.
const MaxTries = 5

// An Instruction is one wish with everything that happened to it.
type Instruction struct {
	ID        ID
	Type      string
	Contact   contacts.ID
	Case      cases.ID
	KeyID     string
	Need      Level
	Approvals int64  // people who must say yes
	Proposer  string // "staff:ID", "contact:ID" or "api:ID"
	State     State
	Why       string // of an end, in a word or two
	Tries     int64
	Auto      bool      // the desk or a system does it, no person
	Stuck     bool      // that failed: a person must look
	Answered  time.Time // a new mail address answered: it is theirs
	Made      time.Time
	Expires   time.Time
	Ready     time.Time // approved: not to be done before
	ProvedAt  time.Time
	Approved  time.Time
	Ended     time.Time
	Bind      string // see Bind
	Version   int64

	Doc    Doc    // once opened
	Result string // once opened: what came of it, in words
	sealed []byte
	result []byte
}

// Doc is the sealed part: what is shown, and what it came from.
type Doc struct {
	Ref     string            `json:"ref"`
	Text    string            `json:"text"`
	Title   string            `json:"title"`
	Version int64             `json:"version"` // of the type
	Values  map[string]string `json:"values"`
	Payload string            `json:"payload,omitempty"` // what a value stands for, such as a whole key
	Quote   string            `json:"quote,omitempty"`   // the words it came from
	Message cases.MessageID   `json:"message,omitempty"` // and where they stand
	Cooling time.Duration     `json:"cooling"`
	Risky   bool              `json:"risky"`
	Hook    string            `json:"hook,omitempty"` // endpoint that does it; empty: by hand
	Does    string            `json:"does,omitempty"` // what the desk itself does

	Approver string `json:"approver,omitempty"` // see Type
}

// Bind is what every proof is bound to: SHA-256 over the one-time reference, a
// NUL, and the canonical text, in hex.
func Bind(ref, text string) string {
	h := sha256.Sum256([]byte(ref + "\x00" + text))
	return hex.EncodeToString(h[:])
}

// Challenge is SHA-256 over a nonce that is used once and the canonical text:
// what a passkey signs.
func Challenge(nonce []byte, text string) []byte {
	h := sha256.Sum256(append(append([]byte{}, nonce...), text...))
	return h[:]
}

// Open reports whether anything can still happen to it.
func (i *Instruction) Open() bool {
	return i.State == Proposed || i.State == Proved || i.State == Approved
}

// errRefused is the one answer to every proof that does not do. It does not say
// which part of it was wrong.
var errRefused = fail.New(fail.Denied, "that did not prove it. Nothing was changed. Look at the text again and try once more, or call us")

// ErrRefused is what a person is told whose proof was refused.
func ErrRefused() error { return errRefused }

// A Proof is what somebody brought, after it was checked for what it is.
type Proof struct {
	Contact  contacts.ID
	Level    Level
	Bind     string
	Once     string // what cannot be used twice: a hash of the signature, challenge or code
	Attested string // staff who took the call, if one did
	LetIn    string // staff without whom the person could not have brought it: who let them in, or vouched for the key, lately
	At       time.Time
	Evidence Evidence
}

// ProvedBy names what proved it. A comparison of a first key with our staff is named as
// that: it counts as much as a call, and is none.
func (i *Instruction) ProvedBy(p *StoredProof) string {
	if w := comparedWords[i.Doc.Values["compared"]]; w != "" && i.Doc.Does == DoesFirstKey {
		return w
	}
	return Words(p.Level)
}

// ProvedKind is ProvedBy for programs.
func (i *Instruction) ProvedKind(p *StoredProof) string {
	if comparedWords[i.Doc.Values["compared"]] != "" && i.Doc.Does == DoesFirstKey {
		return "compared"
	}
	return KindOf(p.Level)
}

var comparedWords = map[string]string{
	"call-back":  "our staff, who compared the fingerprint with you on the telephone",
	"in person":  "our staff, who compared the fingerprint with you in person",
	"letter":     "our staff, who compared the fingerprint with you by letter",
	"video call": "our staff, who compared the fingerprint with you in a video call",
}

// Evidence is kept with a proof, sealed: enough to check it again.
type Evidence struct {
	Fingerprint string          `json:"fingerprint,omitempty"`
	SignedAt    time.Time       `json:"signed_at,omitzero"`
	Message     cases.MessageID `json:"message,omitempty"`
	Signed      string          `json:"signed,omitempty"` // what was pasted
	Nonce       string          `json:"nonce,omitempty"`  // hex
	Answer      string          `json:"answer,omitempty"` // the authenticator's, as it came
	Credential  string          `json:"credential,omitempty"`
	Phone       string          `json:"phone,omitempty"` // id of the number called
	Session     string          `json:"session,omitempty"`
	Way         string          `json:"way,omitempty"`
}

// Accepts says why a proof does not do, or nothing; used tells that it served
// before. The word is for the audit log.
func (i *Instruction) Accepts(p *Proof, used bool, now time.Time) (word string) {
	switch {
	case i.State != Proposed:
		return "state " + string(i.State)
	case !now.Before(i.Expires):
		return "expired"
	case i.Tries >= MaxTries:
		return "no tries left"
	case p.Contact != i.Contact:
		return "another person"
	case p.Bind != i.Bind:
		return "another text"
	case p.Level < i.Need:
		return "too weak"
	case p.Once == "":
		return "not bound to one use"
	case used:
		return "used before"
	case p.Attested != "" && "staff:"+p.Attested == i.Proposer && i.Doc.Does != DoesFirstKey: // who compared it begins it: there is nothing else to propose
		return "attested by the proposer"
	case p.LetIn != "" && "staff:"+p.LetIn == i.Proposer:
		return "let in by the proposer"
	case p.LetIn != "" && p.LetIn == p.Attested:
		return "one member of staff on both sides"
	case p.LetIn != "" && p.Level > Call && i.Approvals == 0 && !Enrols(i.Doc.Does): // what is bound keeps who let in
		return "let in by staff, and nobody else looks"
	}
	return ""
}

// prove moves on after a proof that was accepted.
func (i *Instruction) prove(now time.Time) {
	i.State, i.ProvedAt, i.Ready = Proved, now, now.Add(i.Doc.Cooling)
}

// MayApprove says why this member of staff may not approve, or nil. by are those
// who did already; who took the call that proved it, or let the person in, may not.
func (i *Instruction) MayApprove(staff string, p *StoredProof, by []string, now time.Time) error {
	switch {
	case i.State != Proved:
		return fail.New(fail.Conflict, "it is %s and cannot be approved", i.State)
	case !now.Before(i.Expires):
		return fail.New(fail.Conflict, "its time is over; propose it again")
	case "staff:"+staff == i.Proposer:
		return fail.New(fail.Denied, "you proposed it, so somebody else must approve it")
	case staff == p.Attested:
		return fail.New(fail.Denied, "you took the call that proved it, so somebody else must approve it")
	case staff == p.LetIn:
		return fail.New(fail.Denied, "you let the customer in, or vouched for their key, so somebody else must approve it")
	}
	for _, s := range by {
		if s == staff {
			return fail.New(fail.Conflict, "you approved it already; another person must")
		}
	}
	return nil
}

// Approve moves on when enough people said yes.
func (i *Instruction) Approve(people int64, now time.Time) bool {
	if i.State != Proved || people < i.Approvals {
		return false
	}
	i.State, i.Approved = Approved, now
	return true
}

// Due says why it may not be done now, or nil.
func (i *Instruction) Due(now time.Time) error {
	if i.State != Approved {
		return fail.New(fail.Conflict, "it is %s and cannot be done", i.State)
	}
	if now.Before(i.Ready) {
		return fail.New(fail.Conflict, "it waits until %s, so that its owner can stop it", i.Ready.UTC().Format("2 January 2006, 15:04 MST"))
	}
	return nil
}

// Execute marks it as done.
func (i *Instruction) Execute(now time.Time) error {
	if err := i.Due(now); err != nil {
		return err
	}
	i.State, i.Ended = Executed, now
	return nil
}

// End ends it another way; why is a word or two.
func (i *Instruction) End(s State, why string, now time.Time) error {
	if !i.Open() {
		return fail.New(fail.Conflict, "it is %s already; nothing was changed", i.State)
	}
	if s == Expired && i.State == Approved {
		return fail.New(fail.Conflict, "it is approved and does not expire")
	}
	i.State, i.Why, i.Ended = s, why, now
	return nil
}

package instructions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"postern/internal/fail"
)

// A Type is a kind of instruction, set by the organisation. It is kept with a
// version: an instruction stays what it was when it was shown.
type Type struct {
	ID        string        `json:"id"` // "payment"
	Version   int64         `json:"version"`
	Title     string        `json:"title"` // "A payment"
	Fields    []Field       `json:"fields"`
	Level     Level         `json:"level"`              // assurance needed
	Signer    Level         `json:"signer"`             // of somebody with a checked key or a passkey
	Approvals int64         `json:"approvals"`          // people
	Approver  string        `json:"approver,omitempty"` // the role they need; empty: whoever works with customers
	Raise     []Raise       `json:"raise,omitempty"`
	Expiry    time.Duration `json:"expiry"`
	Cooling   time.Duration `json:"cooling"`
	Risky     bool          `json:"risky"`             // authenticators that are new do not count yet
	Customer  bool          `json:"customer"`          // the customer may begin it on the portal
	Hook      string        `json:"hook,omitempty"`    // endpoint that is called to do it; empty: by hand
	Does      string        `json:"does,omitempty"`    // what the desk itself does when it is done
	Closed    bool          `json:"closed,omitempty"`  // no new ones
	Shipped   bool          `json:"shipped,omitempty"` // came with the program
}

// A Field of a type.
type Field struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Kind     Kind     `json:"kind"`
	Choices  []string `json:"choices,omitempty"`
	Optional bool     `json:"optional,omitempty"`
}

// Raise asks for more when a field says so: an amount above a limit, or a choice.
type Raise struct {
	Field     string `json:"field"`
	Above     string `json:"above,omitempty"` // an amount with its currency; another currency counts as above
	Is        string `json:"is,omitempty"`
	Level     Level  `json:"level"`
	Approvals int64  `json:"approvals"`
}

func (r *Raise) applies(values map[string]string) bool {
	v := values[r.Field]
	if r.Above == "" {
		return v != "" && v == r.Is
	}
	n, cur, ok := cents(v)
	limit, want, ok2 := cents(r.Above)
	return v != "" && (!ok || !ok2 || cur != want || n > limit)
}

// Needs says what an instruction with these values needs: the strength of the
// proof and the number of people.
func (t *Type) Needs(values map[string]string) (Level, int64) {
	level, people := t.Level, t.Approvals
	for _, r := range t.Raise {
		if r.applies(values) {
			level, people = max(level, r.Level), max(people, r.Approvals)
		}
	}
	return level, people
}

// Fill brings the values into their normal form. A mistake is told by field.
func (t *Type) Fill(in map[string]string) (map[string]string, map[string]string) {
	out, wrong := map[string]string{}, map[string]string{}
	for i := range t.Fields {
		f := &t.Fields[i]
		v, err := f.Normal(in[f.Name])
		if err != nil {
			wrong[f.Name] = fail.Text(err)
		} else if v != "" {
			out[f.Name] = v
		}
	}
	return out, wrong
}

// Field returns a field by name, or nil.
func (t *Type) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

var slug = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)

// Check refuses a type that could not do what it says.
func (t *Type) Check() error {
	bad := func(format string, args ...any) error { return fail.New(fail.Invalid, format, args...) }
	switch {
	case !slug.MatchString(t.ID):
		return bad("the short name is small letters, digits and dashes, such as new-payee")
	case strings.TrimSpace(t.Title) == "" || len(t.Title) > 80 || hidden(t.Title) != 0:
		return bad("give it a title of at most 80 characters")
	case oneScript(strings.Join(strings.Fields(t.Title), "")) != nil:
		return bad("the title mixes alphabets: one of its letters only looks like another. Delete it and type it anew")
	case kinds[t.Level] == "" || kinds[t.Signer] == "" || t.Signer < t.Level:
		return bad("choose the proof it needs; of those who can sign it cannot be less")
	case t.Approver != "" && t.Approver != "triager" && t.Approver != "agent":
		return bad("agents or triagers approve; an admin does not read what customers want")
	case t.Approvals < 0 || t.Approvals > 3:
		return bad("between none and three people approve")
	case t.Expiry < time.Hour || t.Expiry > 90*24*time.Hour:
		return bad("it is open for an hour at least and 90 days at most")
	case t.Cooling < 0 || t.Cooling > 30*24*time.Hour:
		return bad("it waits for 30 days at most")
	case t.Does != "" && !t.Enrols() && (t.Approvals < 1 || t.Cooling < 24*time.Hour):
		return bad("this changes how a customer proves who they are: one of you at least approves it, and it waits 24 hours at least")
	case t.Does == DoesRecover && t.Approvals < 2:
		return bad("a recovery takes everything away that proves a customer: two of you at least approve it")
	case t.Enrols() && !t.Customer:
		return bad("customers begin this kind themselves; close it if nobody is to have one")
	case len(t.Fields) == 0 || len(t.Fields) > 12:
		return bad("it needs between one and twelve fields")
	}
	return t.checkFields()
}

func (t *Type) checkFields() error {
	seen, labels := map[string]bool{}, map[string]bool{}
	for _, f := range t.Fields {
		switch {
		case !slug.MatchString(f.Name) || seen[f.Name]:
			return fail.New(fail.Invalid, "field %q: each has a short name of its own, in small letters", f.Name)
		case f.Label == "" || len(f.Label) > 60 || strings.Contains(f.Label, ":") || hidden(f.Label) != 0 || reserved[f.Label]:
			return fail.New(fail.Invalid, "field %q: give it a label without a colon", f.Name)
		case labels[strings.ToLower(f.Label)]:
			return fail.New(fail.Invalid, "field %q: another field has this label; a text that says one thing twice says nothing", f.Name)
		case !known(f.Kind):
			return fail.New(fail.Invalid, "field %q: there is no kind %q", f.Name, f.Kind)
		case f.Kind == Choice && (len(f.Choices) < 2 || !plainChoices(f.Choices)):
			return fail.New(fail.Invalid, "field %q: give at least two choices, each in plain letters and short", f.Name)
		}
		seen[f.Name], labels[strings.ToLower(f.Label)] = true, true
	}
	for _, r := range t.Raise {
		f := t.Field(r.Field)
		if f == nil || (r.Above == "") == (r.Is == "") || r.Above != "" && f.Kind != Amount {
			return fail.New(fail.Invalid, "a rule for more names an amount field and a limit, or a field and what it says")
		}
		if r.Is != "" && f.Kind == Choice && !slices.Contains(f.Choices, r.Is) {
			return fail.New(fail.Invalid, "a rule asks for more when %s is %q, which is none of its choices", f.Label, r.Is)
		}
		if _, _, ok := cents(r.Above); r.Above != "" && !ok {
			return fail.New(fail.Invalid, "a limit is an amount such as 1000.00 EUR")
		}
	}
	return nil
}

// reserved are words that the form itself begins lines with.
var reserved = map[string]bool{"Letters": true, "Reference": true, "For": true, "What": true, "Proposed": true, "Open until": true}

func plainChoices(list []string) bool {
	for _, c := range list {
		if c == "" || len(c) > maxValue || c != oneLine(c) || hidden(c) != 0 || oneScript(c) != nil {
			return false
		}
	}
	return true
}

func known(k Kind) bool {
	for _, x := range Kinds {
		if x == k {
			return true
		}
	}
	return false
}

// What the desk itself can do when an instruction is done.
const (
	DoesAddress = "contact.address"
	DoesPhone   = "contact.phone"
	DoesKey     = "contact.key"
	DoesRecover = "contact.recover"

	// Begun by an act of their own, never by a form: what they made on our page, or
	// compared with us, becomes theirs.
	DoesPasskey  = "contact.passkey"
	DoesApp      = "contact.app"
	DoesFirstKey = "contact.first-key"
)

// Enrols reports whether it makes something theirs that they, and nobody before
// them, just made or compared. The strongest of what they hold proves it; who
// holds nothing, by the code that let them in.
func (t *Type) Enrols() bool { return Enrols(t.Does) }

// Enrols is Type.Enrols of what it does.
func Enrols(does string) bool {
	return does == DoesPasskey || does == DoesApp || does == DoesFirstKey
}

// Undoable reports whether what an instruction bound can be taken away again.
func Undoable(does string) bool { return Enrols(does) || does == DoesKey }

const (
	hours = time.Hour
	days  = 24 * time.Hour
)

// Shipped are the types that a desk begins with.
func Shipped() []Type {
	t := []Type{
		{ID: "payment", Title: "A payment", Level: TOTP, Signer: Passkey, Approvals: 0, Expiry: 5 * days, Customer: true, Risky: true,
			Fields: []Field{{Name: "amount", Label: "Amount", Kind: Amount}, {Name: "payee", Label: "Payee", Kind: Name}, {Name: "account", Label: "Account (IBAN)", Kind: IBAN},
				{Name: "purpose", Label: "Purpose", Kind: Text, Optional: true}, {Name: "day", Label: "On", Kind: Date, Optional: true}},
			Raise: []Raise{{Field: "amount", Above: "1000.00 EUR", Level: Passkey, Approvals: 1}, {Field: "amount", Above: "20000.00 EUR", Level: Passkey, Approvals: 2}}},
		{ID: "new-payee", Title: "A new payee", Level: Passkey, Signer: Passkey, Approvals: 1, Expiry: 5 * days, Cooling: 24 * hours, Customer: true, Risky: true,
			Fields: []Field{{Name: "payee", Label: "Payee", Kind: Name}, {Name: "account", Label: "Account (IBAN)", Kind: IBAN}}},
		{ID: "postal-address", Title: "A new postal address", Level: Call, Signer: Passkey, Approvals: 1, Expiry: 7 * days, Customer: true,
			Fields: []Field{{Name: "street", Label: "Street and number", Kind: Text}, {Name: "town", Label: "Postcode and town", Kind: Text}, {Name: "country", Label: "Country", Kind: Text, Optional: true},
				{Name: "from", Label: "From", Kind: Date, Optional: true}}},
		{ID: "limit", Title: "Another limit", Level: TOTP, Signer: Passkey, Approvals: 1, Expiry: 5 * days, Cooling: 24 * hours, Customer: true, Risky: true,
			Fields: []Field{{Name: "what", Label: "Limit for", Kind: Text}, {Name: "amount", Label: "New limit", Kind: Amount}}},
		{ID: "closing", Title: "Closing the account", Level: Passkey, Signer: Passkey, Approvals: 2, Expiry: 7 * days, Cooling: 72 * hours, Customer: true, Risky: true,
			Fields: []Field{{Name: "account", Label: "Account", Kind: Text}, {Name: "reason", Label: "Reason", Kind: Text, Optional: true}}},
		{ID: "name", Title: "Another name", Level: Call, Signer: Passkey, Approvals: 1, Expiry: 7 * days, Customer: true,
			Fields: []Field{{Name: "name", Label: "New name", Kind: Name}, {Name: "reason", Label: "Reason", Kind: Choice, Choices: []string{"Marriage", "Divorce", "Other"}}}},
		{ID: "card", Title: "A new card", Level: Call, Signer: Passkey, Approvals: 1, Expiry: 7 * days, Customer: true,
			Fields: []Field{{Name: "card", Label: "Card", Kind: Text}, {Name: "reason", Label: "Reason", Kind: Choice, Choices: []string{"Lost", "Stolen", "Damaged"}}}},
		{ID: "recovery", Title: "A way in again, after all passkeys and apps were lost", Level: Call, Signer: Call, Approvals: 2, Expiry: 7 * days, Cooling: 24 * hours, Customer: true, Does: DoesRecover,
			Fields: []Field{{Name: "reason", Label: "What happened", Kind: Choice, Choices: []string{"Lost", "Stolen", "New device"}}}},
		{ID: "mail-address", Title: "Another mail address", Level: Call, Signer: Passkey, Approvals: 1, Expiry: 5 * days, Cooling: 24 * hours, Customer: true, Risky: true, Does: DoesAddress,
			Fields: []Field{{Name: "address", Label: "Mail address", Kind: Mail}}},
		{ID: "phone", Title: "Another telephone number", Level: TOTP, Signer: Passkey, Approvals: 1, Expiry: 5 * days, Cooling: 72 * hours, Customer: true, Risky: true, Does: DoesPhone,
			Fields: []Field{{Name: "phone", Label: "Telephone", Kind: Phone}}},
		{ID: "key", Title: "Another key for signatures and encryption", Level: Call, Signer: Passkey, Approvals: 1, Expiry: 7 * days, Cooling: 24 * hours, Customer: true, Risky: true, Does: DoesKey,
			Fields: []Field{{Name: "key", Label: "Fingerprint", Kind: Key}}},
		{ID: "passkey", Title: "A passkey, to come in and to approve with", Level: Call, Signer: Call, Expiry: 24 * hours, Customer: true, Does: DoesPasskey,
			Fields: []Field{{Name: "passkey", Label: "Passkey", Kind: Text}}},
		{ID: "code-app", Title: "A code app, to come in and to approve with", Level: Call, Signer: Call, Expiry: 24 * hours, Customer: true, Does: DoesApp,
			Fields: []Field{{Name: "app", Label: "Code app", Kind: Text}}},
		{ID: "first-key", Title: "A first key for signatures and encryption", Level: Call, Signer: Call, Expiry: 24 * hours, Customer: true, Does: DoesFirstKey,
			Fields: []Field{{Name: "key", Label: "Fingerprint", Kind: Key}, {Name: "compared", Label: "Compared with you", Kind: Text}}},
	}
	for i := range t {
		t[i].Version, t[i].Shipped = 1, true
	}
	return t
}

// waitWords is a duration for people: "72 hours".
func waitWords(d time.Duration) string {
	if d%days == 0 && d > 3*days {
		return fmt.Sprintf("%d days", d/days)
	}
	return fmt.Sprintf("%d hours", d/hours)
}

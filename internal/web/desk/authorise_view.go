package desk

import "postern/internal/web"

// AuthorisationsPage is "authorisations".
type AuthorisationsPage struct {
	web.Staff
	Waiting []AuthorisationRow // for the customer, for staff, for being done
	Ended   []AuthorisationRow
}

// AuthorisationRow is an instruction in a list.
type AuthorisationRow struct {
	ID, Title, Who, Ref string // Ref of the case
	State               string // in words
	Yours               bool   // this member of staff can decide about it now
	At                  web.When
}

// AuthorisationPage is "authorisation".
type AuthorisationPage struct {
	web.Staff
	ID, Title, Who, Contact string
	Case, Ref               string // the case's id and reference
	State, Words            string
	Text                    string
	Quote                   string
	Need                    string // in words
	Tries                   int    // left
	Proposer                string
	Made, Until, Ready      web.When
	Proof, Attested         string // in words; who took the call
	Proved                  web.When
	Evidence                []Fact
	Bind                    string
	Approvers               []string
	Approvals               int
	Result                  string
	Phones                  []PhoneChoice
	Code                    *AccessCode
	MayCall                 bool // a call proves it, and this person may make it
	MayApprove              bool
	WhyNot                  string // they may not approve
	MayRefuse               bool
	MayDo                   bool // mark it as done by hand
	MayCancel               bool
	Waits                   bool // approved, and its wait is not over
	Note, Reason            string
}

// PhoneChoice is a number to call.
type PhoneChoice struct {
	ID, Shown string
	No        string // why it cannot serve
}

// ProposePage is "propose": an instruction out of a message.
type ProposePage struct {
	web.Staff
	Case, Ref, Message string
	Who                []Option
	Types              []Option
	Type, Title        string // empty: choose one first
	Fields             []ProposeField
	Quote              string
	Usually            string // "usually signs; this one is not"
}

// ProposeField is an input.
type ProposeField struct {
	Name, Label, Value, Error string
	Choices                   []string
	Long                      bool
}

// TypesPage is "types": the kinds of instructions.
type TypesPage struct {
	web.Staff
	Rows    []TypeRow
	Waiting []WaitingKind
}

// WaitingKind is a change that would demand less: it waits for another admin, or
// until From.
type WaitingKind struct {
	ID, Title, By string
	From          web.When
	Mine          bool   // who looks wants it
	Sum           string // of what waits, so that who agrees agrees to this
	Changes       []KindChange
}

// KindChange is one thing that it says otherwise, in lines.
type KindChange struct {
	What    string
	Was, Is []string
}

// TypeRow is one kind.
type TypeRow struct{ ID, Title, Level, Signer, People, Waits, Does, Closed string }

// TypePage is "type": one kind, to be changed. Fields and Raise are written a
// line each.
type TypePage struct {
	web.Staff
	New                     bool
	ID, Title               string
	Level, Signer, Approver []Option
	People, Expiry, Cooling string
	Fields, Raise           string
	Risky, Customer, Closed bool
	Hooks                   []Option
	Hook, Does              string
}

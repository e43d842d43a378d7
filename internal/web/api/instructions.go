package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/apikeys"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
)

// No operation here proves an instruction, approves it or does it. A key can say
// what its system would like a customer to authorise, and read what came of it:
// the proof is the customer's, the yes is a person's, and it is done by who was
// asked to by the desk.

// instruction says how far an instruction came. What is in it is for the key that
// proposed it; others find it in the token, once it is approved.
type instruction struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Contact   string    `json:"contact"`
	Case      string    `json:"case"`
	Proposer  string    `json:"proposer" enum:"staff contact api" about:"who proposed it: a member of staff, the customer, one of our systems"`
	State     string    `json:"state" enum:"proposed proved approved executed refused frozen expired cancelled" about:"frozen: the customer says that they did not ask for it"`
	Need      string    `json:"need" enum:"call totp passkey signature" about:"the weakest proof that is taken"`
	Approvals int       `json:"approvals" about:"how many people of ours must approve it after the proof"`
	Made      time.Time `json:"made"`
	Expires   time.Time `json:"expires" about:"until when it can be proved and approved"`
	Approved  int       `json:"approved" about:"how many did so far"`
	Proof     string    `json:"proof,omitempty" enum:"call totp passkey signature" about:"what proved it"`
	Proved    time.Time `json:"proved,omitzero"`
	Ready     time.Time `json:"ready,omitzero" about:"not to be done before"`
	Ended     time.Time `json:"ended,omitzero"`
	Why       string    `json:"why,omitempty" about:"of an end, in a word or two"`
	Result    string    `json:"result,omitempty" about:"what came of it, in words"`
	Text      string    `json:"text,omitempty" about:"what the customer is asked to authorise, word for word; for the key that proposed it"`
	Reference string    `json:"reference,omitempty" about:"the one-time reference in the text; for the key that proposed it"`
	Token     string    `json:"token,omitempty" about:"of what is approved or executed: all of it, signed by the desk (JWS, compact)"`
}

type instructionList struct {
	Instructions []instruction `json:"instructions"`
	Next         string        `json:"next,omitempty" about:"the cursor of the next page; absent on the last"`
}

type instructionType struct {
	ID     string      `json:"id"`
	Title  string      `json:"title"`
	Fields []typeField `json:"fields"`
}

type typeField struct {
	Name     string   `json:"name" about:"its name in values"`
	Label    string   `json:"label" about:"its name in the text"`
	Kind     string   `json:"kind" enum:"text name amount iban mail phone date choice key" about:"amount: 1250.00 EUR. date: 2026-12-01. phone: +49 30 1234567. key: a whole OpenPGP key in armour"`
	Choices  []string `json:"choices,omitempty" about:"of a choice"`
	Optional bool     `json:"optional"`
}

type typeList struct {
	Types []instructionType `json:"types"`
}

var stateQuery = query{"state", "Only those in this state.", 20}

// instructions are the operations on what customers authorise.
func (a *API) instructions() []operation {
	return []operation{
		does(operation{Method: http.MethodPost, Path: "/instructions", ID: "proposeInstruction", Summary: "Propose an instruction to a customer",
			About: "The customer is asked to prove that they want it; nothing is done without that. What is wrong with the values stands in fields, by name.",
			Scope: apikeys.InstructionsPropose, Status: http.StatusCreated, Fails: []kind{notFound, conflict}, Once: true}, a.propose),
		does(operation{Method: http.MethodGet, Path: "/instructions", ID: "listInstructions", Summary: "List instructions",
			About: "All of them, whoever proposed them, the newest first; without what is in them.", Scope: apikeys.InstructionsRead, Status: http.StatusOK, Fails: []kind{invalid},
			Query: []query{stateQuery, cursorQuery, limitQuery}}, a.listInstructions),
		does(operation{Method: http.MethodGet, Path: "/instructions/{id}", ID: "getInstruction", Summary: "How far an instruction came",
			About: "Of any instruction, whoever proposed it. Once it is approved, the token says all of it.", Scope: apikeys.InstructionsRead, Status: http.StatusOK, Fails: []kind{notFound}}, a.getInstruction),
		does(operation{Method: http.MethodPost, Path: "/instructions/{id}/cancel", ID: "cancelInstruction", Summary: "Take an instruction back",
			About: "Only by the key that proposed it, and only until the customer has proved it.", Scope: apikeys.InstructionsPropose, Status: http.StatusOK, Fails: []kind{notFound, conflict}}, a.cancelInstruction),
		does(operation{Method: http.MethodGet, Path: "/instruction-types", ID: "listInstructionTypes", Summary: "What can be proposed",
			About: "Each kind of instruction with the values that it takes.", Scope: apikeys.InstructionsPropose, Or: apikeys.InstructionsRead, Status: http.StatusOK}, a.listTypes),
	}
}

// showInstruction puts what needs no opening into the words of the API.
func showInstruction(i *instructions.Instruction) instruction {
	by, _, _ := strings.Cut(i.Proposer, ":")
	return instruction{ID: string(i.ID), Type: i.Type, Contact: string(i.Contact), Case: string(i.Case), Proposer: by, State: string(i.State), Need: instructions.KindOf(i.Need),
		Approvals: int(i.Approvals), Made: i.Made, Expires: i.Expires, Proved: i.ProvedAt, Ready: i.Ready, Ended: i.Ended, Why: i.Why}
}

// fillInstruction adds who proved and approved it.
func (a *API) fillInstruction(ctx context.Context, tx *db.Tx, i *instructions.Instruction) (instruction, error) {
	out := showInstruction(i)
	proof, err := a.Auth.Instructions.ProofOf(ctx, tx, i.ID)
	if err == nil {
		out.Proof = instructions.KindOf(proof.Level)
	} else if !fail.Is(err, fail.NotFound) {
		return out, err
	}
	people, err := a.Auth.Instructions.Approvers(ctx, tx, i.ID)
	out.Approved = len(people)
	return out, err
}

func (a *API) listInstructions(ctx context.Context, c *call, _ *nothing) (*instructionList, error) {
	n, err := limit(c)
	if err != nil {
		return nil, err
	}
	state := c.query[stateQuery.Name]
	if _, given := c.query[stateQuery.Name]; given && !slices.Contains(instructions.States, instructions.State(state)) {
		return nil, fail.New(fail.Invalid, "there is no such state of an instruction")
	}
	before, err := a.from(c, "instructions "+state)
	if err != nil {
		return nil, err
	}
	out := &instructionList{}
	return out, a.DB.View(ctx, func(tx *db.Tx) error {
		out.Instructions, out.Next = []instruction{}, ""
		list, err := a.Auth.Instructions.List(ctx, tx, instructions.State(state), instructions.ID(before), n+1)
		if err != nil {
			return err
		}
		if len(list) > n {
			list = list[:n]
			out.Next = a.cursor(c, "instructions "+state, string(list[n-1].ID))
		}
		for k := range list {
			i, err := a.fillInstruction(ctx, tx, &list[k])
			if err != nil {
				return err
			}
			out.Instructions = append(out.Instructions, i)
		}
		return nil
	})
}

func (a *API) getInstruction(ctx context.Context, c *call, _ *nothing) (*instruction, error) {
	return a.readInstruction(ctx, c, instructions.ID(c.id))
}

// readInstruction opens an instruction for a key. Its text and reference prove
// nothing, but before it is approved they are nobody's business but the
// proposer's.
func (a *API) readInstruction(ctx context.Context, c *call, id instructions.ID) (*instruction, error) {
	i, _, err := a.Auth.Read(ctx, "", id)
	if err != nil {
		return nil, err
	}
	var out instruction
	if err := a.DB.View(ctx, func(tx *db.Tx) error { out, err = a.fillInstruction(ctx, tx, i); return err }); err != nil {
		return nil, err
	}
	out.Result = i.Result
	if i.Proposer == c.key.Actor() {
		out.Text, out.Reference = i.Doc.Text, i.Doc.Ref
	}
	if i.State == instructions.Approved || i.State == instructions.Executed {
		if out.Token, err = a.Auth.Token(ctx, id); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func (a *API) cancelInstruction(ctx context.Context, c *call, _ *nothing) (*instruction, error) {
	id := instructions.ID(c.id)
	if err := a.Auth.Cancel(ctx, c.key.Actor(), id); err != nil {
		return nil, err
	}
	return a.readInstruction(ctx, c, id)
}

func (a *API) listTypes(ctx context.Context, _ *call, _ *nothing) (*typeList, error) {
	out := &typeList{}
	return out, a.DB.View(ctx, func(tx *db.Tx) error {
		out.Types = []instructionType{}
		all, err := instructions.Types(ctx, tx)
		for _, t := range all {
			if !t.Closed {
				out.Types = append(out.Types, showType(&t))
			}
		}
		return err
	})
}

func showType(t *instructions.Type) instructionType {
	out := instructionType{ID: t.ID, Title: t.Title, Fields: []typeField{}}
	for _, f := range t.Fields {
		out.Fields = append(out.Fields, typeField{f.Name, f.Label, string(f.Kind), f.Choices, f.Optional})
	}
	return out
}

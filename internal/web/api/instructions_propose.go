package api

import (
	"context"

	"postern/internal/authorise"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
)

type newInstruction struct {
	Contact string            `json:"contact,omitempty" max:"26" about:"the id of the contact; give this or address"`
	Address string            `json:"address,omitempty" max:"320" about:"an address of an existing contact. It says who"`
	Type    string            `json:"type" min:"1" max:"40" about:"one of the instruction types"`
	Values  map[string]string `json:"values" max:"12" about:"by the names of the type's fields"`
	Case    string            `json:"case,omitempty" max:"40" about:"the case that it grows out of: its id or its reference. The contact must be part of it. Without it, it gets a case of its own"`
}

// propose takes what a system would like a customer to authorise. What is kept
// under the name of the request holds nothing of the text: that is read again.
func (a *API) propose(ctx context.Context, c *call, in *newInstruction) (*instruction, error) {
	out, err := once(ctx, a, c, func() (func(*db.Tx) (*instruction, error), error) {
		p, err := a.proposal(ctx, c, in)
		if err != nil {
			return nil, err
		}
		d, wrong, err := a.Auth.Draft(ctx, p)
		if err != nil {
			return nil, err
		}
		if len(wrong) > 0 {
			return nil, refuseFields(wrong)
		}
		return func(tx *db.Tx) (*instruction, error) {
			if err := a.Auth.Keep(ctx, tx, d); err != nil {
				return nil, err
			}
			made := showInstruction(d.Instruction)
			return &made, nil
		}, nil
	})
	if err != nil {
		return nil, err
	}
	i, _, err := a.Auth.Read(ctx, "", instructions.ID(out.ID))
	if err != nil {
		return nil, err
	}
	c.location = root + "/instructions/" + out.ID
	out.Text, out.Reference = i.Doc.Text, i.Doc.Ref
	return out, nil
}

// proposal looks up the kind, the person and the case.
func (a *API) proposal(ctx context.Context, c *call, in *newInstruction) (*authorise.Proposal, error) {
	if (in.Contact == "") == (in.Address == "") {
		return nil, fail.New(fail.Invalid, `give "contact" or "address", and not both`)
	}
	p := &authorise.Proposal{Values: in.Values, Proposer: c.key.Actor()}
	return p, a.DB.View(ctx, func(tx *db.Tx) error {
		t, err := typeNamed(ctx, tx, in.Type)
		if err != nil {
			return err
		}
		if wrong := strangers(t, in.Values); len(wrong) > 0 {
			return refuseFields(wrong)
		}
		p.Type = t.ID
		if t.Does == instructions.DoesKey {
			p.Key = []byte(in.Values["key"])
		}
		p.Contact, p.Case, err = a.find(ctx, tx, in.Contact, in.Address, in.Case)
		return err
	})
}

// typeNamed finds a kind of instruction among those there are; what somebody
// wrote is not asked for in the database.
func typeNamed(ctx context.Context, tx *db.Tx, name string) (*instructions.Type, error) {
	all, err := instructions.Types(ctx, tx)
	for n := range all {
		if all[n].ID == name {
			return &all[n], nil
		}
	}
	if err != nil {
		return nil, err
	}
	return nil, fail.New(fail.NotFound, "there is no such kind of instruction")
}

// strangers are the values that the kind has no field for: what a system meant to
// say must not be missing from what its customer signs.
func strangers(t *instructions.Type, values map[string]string) map[string]string {
	wrong := map[string]string{}
	for name := range values {
		if t.Field(name) == nil {
			wrong[clip(name)] = "this kind of instruction has no such field"
		}
	}
	return wrong
}

package authorise

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/instructions"
)

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
		c.Proof, c.ProvedAt, c.NotBefore = i.ProvedKind(proof), proof.At.Unix(), i.Ready.Unix()
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

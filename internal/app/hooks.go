package app

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hooks"
	"postern/internal/instructions"
	"postern/internal/outbox"
	"postern/internal/safehttp"
)

// hooksClient reaches the organisation's systems, and inside its network only
// what the settings allow.
func hooksClient(cfg *config.Config) (*safehttp.Client, error) {
	o := safehttp.Options{}
	for _, s := range strings.FieldsFunc(cfg.HooksAllow, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fail.New(fail.Invalid, "setting hooks.allow: %q is not a network such as 10.1.0.0/16", s)
		}
		o.Allow = append(o.Allow, p)
	}
	if cfg.HooksCA != "" {
		pem, err := os.ReadFile(cfg.HooksCA)
		if err != nil {
			return nil, fail.Wrap(fail.Invalid, err, "setting hooks.ca_file cannot be read")
		}
		if o.RootCAs = x509.NewCertPool(); !o.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fail.New(fail.Invalid, "setting hooks.ca_file holds no certificate")
		}
	}
	return safehttp.New(o), nil
}

func (d *Desk) openHooks() error {
	client, err := hooksClient(d.cfg)
	if err != nil {
		return err
	}
	d.hooks = hooks.New(hooks.Options{DB: d.db, Vault: d.vault, Client: client, Node: d.cfg.Node, Log: d.log, OnDone: d.called, Still: d.stillDue, Observe: d.stats.hooks})
	return nil
}

// tell queues an event of an instruction for the systems that want it, or for
// the one that is to do it.
func (d *Desk) tell(ctx context.Context, tx *db.Tx, e authorise.Event) error {
	event := hooks.Event{ID: e.ID, Name: e.Name, Payload: e.Payload, About: e.About}
	if e.Endpoint == "" {
		_, err := d.hooks.Publish(ctx, tx, event)
		return err
	}
	return d.hooks.Send(ctx, tx, hooks.EndpointID(e.Endpoint), event)
}

// Events of mail hold ids only: whoever may read more asks for it with a key.
const (
	receivedEvent = "message.received"
	sentEvent     = "message.sent"
)

func (d *Desk) messageReceived(ctx context.Context, tx *db.Tx, m *cases.Message) error {
	return d.publish(ctx, tx, receivedEvent, string(m.ID)+"-received", string(m.Case),
		map[string]string{"case": string(m.Case), "message": string(m.ID), "contact": string(m.Contact)})
}

// messageSent names the event by the moment too: a delivery that failed, was tried
// again and failed again has two ends.
func (d *Desk) messageSent(ctx context.Context, tx *db.Tx, o *outbox.Delivery) error {
	return d.publish(ctx, tx, sentEvent, fmt.Sprintf("%s-%s-%d", o.ID, o.State, db.Micros(o.Done)), string(o.Case),
		map[string]string{"case": string(o.Case), "message": string(o.Message), "contact": string(o.Contact), "delivery": string(o.ID), "state": string(o.State)})
}

// publish queues an event for the systems that want it. Where none does, a mail
// costs no query.
func (d *Desk) publish(ctx context.Context, tx *db.Tx, name, id, about string, data map[string]string) error {
	if !d.hooks.Wants(name) {
		return nil
	}
	b, err := json.Marshal(map[string]any{"type": name, "timestamp": tx.Now.UTC().Format(time.RFC3339), "data": data})
	if err != nil {
		return err
	}
	_, err = d.hooks.Publish(ctx, tx, hooks.Event{ID: id, Name: name, Payload: b, About: about})
	return err
}

// called takes what came of the call that had an instruction done. It only asks
// for the step: that is taken in a transaction of its own.
func (d *Desk) called(ctx context.Context, tx *db.Tx, h hooks.Delivery) error {
	if h.Event != authorise.DueEvent {
		return nil
	}
	return d.jobs.Insert(ctx, tx, calledArgs{instructions.ID(strings.TrimSuffix(h.HookID, "-due")), h.ID})
}

// stillDue is asked before every attempt to have an instruction done: between two
// of them its owner may have stopped it, or a person done it by hand.
func (d *Desk) stillDue(ctx context.Context, tx *db.Tx, h hooks.Delivery) (why string, err error) {
	if h.Event != authorise.DueEvent {
		return "", nil
	}
	i, err := d.auth.Instructions.Get(ctx, tx, instructions.ID(strings.TrimSuffix(h.HookID, "-due")))
	if err != nil || i.State == instructions.Approved {
		return "", err
	}
	return "the instruction is " + string(i.State) + ", so it must not be done any more", nil
}

// takeAnswer moves an instruction on by what a system answered.
func (d *Desk) takeAnswer(ctx context.Context, a calledArgs) error {
	var h *hooks.Delivery
	err := d.db.View(ctx, func(tx *db.Tx) (err error) { h, err = d.hooks.Delivery(ctx, tx, a.Delivery); return err })
	if err != nil {
		return err
	}
	if h.State != hooks.Sent {
		return d.auth.Called(ctx, a.Instruction, false, h.Reason)
	}
	return d.auth.Called(ctx, a.Instruction, true, firstLine(h.Answer))
}

// firstLine is the beginning of what a system answered, for the receipt.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return -1
		}
		return r
	}, line)
	if len(line) > 120 {
		line = strings.ToValidUTF8(line[:120], "")
	}
	return line
}

// calledArgs: a system of ours answered the call to do an instruction, or never will.
type calledArgs struct {
	Instruction instructions.ID  `json:"instruction"`
	Delivery    hooks.DeliveryID `json:"delivery"`
}

func (calledArgs) Kind() string { return "instruction_called" }

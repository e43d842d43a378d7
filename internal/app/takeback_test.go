package app

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/outbox"
	"postern/internal/policy"
)

// A message that one person has and another does not: editing it writes to the
// one who does not.
func TestEditOfAPartlyHeldMessageWritesToTheRestOnly(t *testing.T) {
	p := openPages(t, "")
	item, c := p.waiting("about your account")
	other := p.d.contacts.New("Ben", "ben@other.example", "staff", p.d.db.Now())
	p.must(func(ctx context.Context, tx *db.Tx) error {
		if err := p.d.contacts.Add(ctx, tx, other); err != nil {
			return err
		}
		for i, to := range []contacts.ID{c.Contact, other.ID} {
			d := &outbox.Delivery{Case: c.ID, Message: item.Message, Contact: to, Kind: outbox.Reply, Mailbox: c.Mailbox, Address: "x@other.example", Shown: policy.Signed}
			if err := p.d.outbox.Queue(ctx, tx, d); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2 WHERE id = $1`, d.ID, []outbox.State{outbox.Captured, outbox.Held}[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/messages/"+string(item.Message)+"/edit", nil); w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var draft *cases.Draft
	p.must(func(ctx context.Context, tx *db.Tx) error {
		var who string
		key, err := p.d.vault.Get(ctx, tx, c.KeyID)
		if err != nil {
			return err
		}
		if list, err := db.Strings(ctx, tx, `SELECT staff_id FROM drafts`); err != nil || len(list) != 1 {
			t.Fatalf("%v %v", list, err)
		} else {
			who = list[0]
		}
		draft, err = cases.GetDraft(ctx, tx, key, c.ID, who)
		return err
	})
	if len(draft.To) != 1 || draft.To[0] != other.ID || !strings.Contains(draft.Text, "about your account") {
		t.Errorf("%+v", draft)
	}
}

// The reason for lowering protection is kept, and not in the clear.
func TestP12ReasonForLoweringIsKeptSealed(t *testing.T) {
	p := openPages(t, "")
	_, c := p.waiting("hello")
	post := func(form url.Values) {
		t.Helper()
		if w := p.do("agent", "POST", "/desk/cases/"+string(c.ID)+"/sensitive", form); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	post(url.Values{"to": {"sensitive"}})
	post(url.Values{"to": {"routine"}, "reason": {"canary: only opening hours"}})
	if w := p.do("agent", "GET", "/desk/cases/"+string(c.ID), nil); !strings.Contains(w.Body.String(), "canary: only opening hours") {
		t.Error("the case does not show the reason")
	}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		rows, err := audit.About(ctx, tx, string(c.ID), 20)
		n := 0
		for _, r := range rows {
			if strings.Contains(r.Detail, "canary") {
				t.Errorf("the log holds it in clear: %s", r.Detail)
			}
			if r.Act == "case.lowered" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d rows say that it was lowered", n)
		}
		return err
	})
}

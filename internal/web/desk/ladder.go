package desk

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
	"postern/internal/web"
)

// take serves POST /desk/cases/{id}/take: somebody who was called takes the case.
func (d *Desk) take(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id := r.Context(), cases.ID(r.PathValue("id"))
	err := d.db.Update(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := d.o.Ladder.Take(ctx, tx, c, me.ID()); err != nil {
			return err
		}
		return d.cases.Save(ctx, tx, c)
	})
	if err != nil {
		return err
	}
	return back(w, r, "/desk/cases/"+string(id))
}

// endCall serves POST /desk/cases/{id}/end-call: somebody who could answer for the rung
// ends the call for a reason, which is kept in the case.
func (d *Desk) endCall(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx, id, reason := r.Context(), cases.ID(r.PathValue("id")), strings.TrimSpace(r.FormValue("reason"))
	_, key, _, err := d.storedDraft(ctx, me, id)
	if err != nil {
		return err
	}
	m, parts, err := d.newNote(me, id, key, "The call was ended without an answer: "+reason)
	if err != nil {
		return err
	}
	return d.change(w, r, me, "case.call-ended", func(tx *db.Tx, c *cases.Case) (string, error) {
		if len(reason) < 5 {
			return "", fail.New(fail.Invalid, "say why nobody needs to answer: it is spam, it was settled by telephone, they cannot be reached")
		}
		if err := d.o.Ladder.End(ctx, tx, c, me.ID()); err != nil {
			return "", err
		}
		return "the reason is note " + string(m.ID), cases.AddMessage(ctx, tx, m, parts)
	})
}

// lift serves POST /desk/cases/{id}/lift: an agent hands a case up by themselves.
func (d *Desk) lift(w http.ResponseWriter, r *http.Request, me *visitor) error {
	return d.change(w, r, me, "case.handed-up", func(tx *db.Tx, c *cases.Case) (string, error) {
		if c.State == cases.Closed {
			return "", fail.New(fail.Conflict, "this case is closed; open it again first")
		}
		if c.Lifted {
			return "", fail.New(fail.Conflict, "somebody further up is called already")
		}
		return "by " + string(audit.Staff(me.ID())), d.o.Ladder.Up(r.Context(), tx, c, ladder.ByHand)
	})
}

// fillCall shows the clock, and who was called.
func (d *Desk) fillCall(p *CasePage, f *file) {
	c := f.c
	if !c.Due.IsZero() {
		p.Due, p.Late = p.When(c.Due), c.Due.Before(p.Now)
	}
	for _, s := range f.steps {
		p.Steps = append(p.Steps, Rise{At: p.When(s.At), To: upperFirst(ladder.Name(s.Rung)), Why: s.Why.Words(), By: d.nameOf(s.By)})
	}
	if f.call != nil {
		p.Call = &Called{To: ladder.Name(f.call.Rung), Why: f.call.Why.Words(), By: d.nameOf(f.call.By), May: f.call.May, End: f.call.End}
		p.Alarm = ""
	}
	p.MayLift = c.State != cases.Closed && !c.Lifted && c.Rung < ladder.Executive
}

// openCall reads who was called to a case.
func (d *Desk) openCall(ctx context.Context, tx *db.Tx, me *visitor, f *file) (err error) {
	if d.o.Ladder == nil {
		return nil
	}
	if f.call, err = d.o.Ladder.CallOf(ctx, tx, f.c, me.person); err != nil {
		return err
	}
	f.steps, err = d.o.Ladder.Of(ctx, tx, f.c.ID)
	return err
}

// openFindings say what is still to be filled in.
func openFindings(open []string) (out []Finding) {
	for _, name := range open {
		out = append(out, Finding{ID: "open:" + name, Class: "stop", Icon: "pen", Title: fmt.Sprintf("{%s} is still open.", name), Text: "Write what belongs there, or take it out."})
	}
	return out
}

// cannedFinding tells the agent what counts as canned before it is sent.
func cannedFinding(c centre.Canned, refused error) []Finding {
	const counts = "It counts as canned: if they write again, the case goes one rung up."
	f := Finding{ID: "canned", Class: "warn", Icon: "note", Text: counts}
	switch {
	case refused != nil:
		f.Class, f.Icon, f.Title, f.Text = "stop", "people", "A canned answer does not go out here.", "Write in your own words. If you send it all the same, nothing leaves, and the case goes one rung up."
	case c.Repeats:
		f.Title = "This repeats an earlier answer."
	case c.Is():
		f.Title = fmt.Sprintf("%d %% of this is prepared text.", int(c.Share*100))
	default:
		return nil
	}
	return []Finding{f}
}

// Called is who was called to a case and has not answered.
type Called struct {
	To  string // "triagers"
	Why string
	By  string // who took it; empty: nobody yet
	May bool   // the viewer may take it
	End bool   // the viewer may end the call
}

// Rise is one step up that a case made.
type Rise struct {
	At          web.When
	To, Why, By string
}

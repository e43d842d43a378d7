package app

import (
	"context"
	"fmt"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/jobs"
	"postern/internal/ladder"
	"postern/internal/outbox"
	"postern/internal/staff"
)

// liftedEvent tells the organisation's systems that somebody is called: to a pager,
// to a chat.
const liftedEvent = "case.lifted"

// callArgs: tell the people of a rung that a case waits for them.
type callArgs struct {
	Case cases.ID `json:"case"`
	Step string   `json:"step"`
	To   []string `json:"to"`
}

func (callArgs) Kind() string { return "call_people" }

// overdueArgs: lift what nobody answered, or took, in the promised time.
type overdueArgs struct{}

func (overdueArgs) Kind() string { return "overdue" }

// surveyArgs: ask whether a case that was closed is solved.
type surveyArgs struct {
	Case  cases.ID `json:"case"`
	Group string   `json:"group"`
}

func (surveyArgs) Kind() string { return "ask_survey" }

func (d *Desk) openLadder() error {
	calendar, err := d.cfg.Calendar()
	if err != nil {
		return err
	}
	d.ladder = ladder.New(ladder.Options{DB: d.db, Cases: d.cases, Staff: d.staff, Call: d.call,
		Spoken: func(ctx context.Context, tx *db.Tx, c *cases.Case, a ladder.Answer) error {
			return d.security.Spoke(ctx, tx, c, a.By, a.Message)
		},
		Unspoken: d.security.Unspoke,
		Promises: ladder.Promises{Hours: calendar, Answer: time.Duration(d.cfg.Answer) * time.Hour, Take: time.Duration(d.cfg.Take) * time.Hour}})
	return nil
}

func (d *Desk) addLadderJobs() {
	jobs.AddWorker(d.jobs, d.callPeople)
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ overdueArgs) error { return d.ladder.Run(ctx) })
	d.jobs.Every(time.Minute, overdueArgs{})
	jobs.AddWorker(d.jobs, func(ctx context.Context, a surveyArgs) error { return d.outbox.AskSurvey(ctx, a.Case, a.Group) })
}

// caseClosed is told of every case that somebody closed, in its transaction.
func (d *Desk) caseClosed(ctx context.Context, tx *db.Tx, c *cases.Case, by *staff.Person) error {
	group := ""
	if rung := ladder.RungOf(by); rung >= 0 {
		group = string(ladder.Roles[rung])
	}
	return d.jobs.Insert(ctx, tx, surveyArgs{c.ID, group})
}

// call is told of every step up, in its transaction: the systems are told by webhook,
// the people by mail. In the desk they see it at once.
func (d *Desk) call(ctx context.Context, tx *db.Tx, c *cases.Case, step *ladder.Climb, people []staff.Person) error {
	a := callArgs{Case: c.ID, Step: step.ID}
	for _, p := range people {
		a.To = append(a.To, string(p.ID))
	}
	err := d.publish(ctx, tx, liftedEvent, step.ID+"-lifted", string(c.ID), map[string]string{"case": string(c.ID), "reference": string(c.Ref), "rung": string(ladder.Roles[step.Rung]),
		"why": string(step.Why), "take_by": step.Due.UTC().Format(time.RFC3339), "url": d.cfg.StaffURL + "/desk/cases/" + string(c.ID)})
	if err != nil || len(a.To) == 0 {
		return err
	}
	return d.jobs.Insert(ctx, tx, a)
}

// callsAnHour is how many single cases one rung is written to about in an hour. What
// comes beyond stands in the desk like all of them, and one more mail says so: whoever
// floods us must not flood them.
const callsAnHour = 30

// callPeople writes to them. The letter holds a reference and a reason of ours, and no
// word of the customer's. It may run twice: the letter is named by the step.
func (d *Desk) callPeople(ctx context.Context, a callArgs) error {
	var c *cases.Case
	var step ladder.Climb
	var to []string
	var lately int64
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		to = nil
		if c, err = d.cases.Get(ctx, tx, a.Case); err != nil {
			return err
		}
		steps, err := d.ladder.Of(ctx, tx, a.Case)
		if err != nil {
			return err
		}
		for _, s := range steps {
			if s.ID == a.Step {
				step = s
			}
		}
		if lately, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM climbs WHERE at > $1 AND (at < $2 OR at = $2 AND id <= $4) AND rung = $3`, db.Micros(step.At.Add(-time.Hour)), db.Micros(step.At), step.Rung, step.ID); err != nil {
			return err
		}
		for _, id := range a.To {
			p, err := d.staff.Get(ctx, tx, staff.ID(id))
			if err != nil {
				return err
			}
			if !p.Disabled {
				to = append(to, p.Email)
			}
		}
		return nil
	})
	if err != nil || len(to) == 0 || step.ID == "" {
		return err
	}
	if lately > callsAnHour {
		return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: cases.MessageID(fmt.Sprintf("calls-%d-%d", step.Rung, step.At.Unix()/3600)), Kind: outbox.Call, To: to, Subject: "Many cases wait for you",
			Text: fmt.Sprintf("More than %d cases were handed up to the %s within an hour, and you are one of them. About the others of this hour no mail comes; all of them stand here, with their clocks:\n\n%s/desk/inbox/lifted", callsAnHour, ladder.Name(step.Rung), d.cfg.URL)})
	}
	return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: cases.MessageID(step.ID), Kind: outbox.Call, Case: c.ID, To: to,
		Subject: fmt.Sprintf("Case %s waits for you", c.Ref),
		Text: fmt.Sprintf("%s.\n\nCase %s was handed up to the %s, and you are one of them. Take it by %s; after that the next rung is called.\n\n%s/desk/cases/%s\n\nNo prepared text goes out in this case until one of you has answered in own words.",
			step.Why.Words(), c.Ref, ladder.Name(step.Rung), step.Due.In(d.zone).Format("Monday, 2 January, 15:04 MST"), d.cfg.URL, c.ID)})
}

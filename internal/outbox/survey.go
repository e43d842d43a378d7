package outbox

import (
	"context"
	"time"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/policy"
	"postern/internal/vault"
)

// surveyDelay is how long after closing somebody is asked; a case that is opened again
// before is not asked about.
const surveyDelay = 30 * time.Minute

// AskSurvey asks whether a closed case was solved: by mail, where there is an address,
// else on the case page. Who never wrote, or got no answer, is not asked; nor who was
// asked within the week. It may run twice.
func (o *Outbox) AskSurvey(ctx context.Context, id cases.ID, group string) error {
	var c *cases.Case
	var key *vault.Key
	var address string
	err := o.d.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = o.cases.Get(ctx, tx, id); err != nil {
			return err
		}
		if key, err = o.v.Get(ctx, tx, c.KeyID); err != nil {
			return err
		}
		person, err := o.book.Get(ctx, tx, c.Contact)
		if err == nil {
			address = person.MailTo()
		}
		return err
	})
	if fail.Is(err, fail.NotFound) {
		return nil // the person or the content is gone
	}
	if err != nil || c.State != cases.Closed || c.Heard.IsZero() {
		return err
	}
	x := &centre.Survey{ID: db.NewID(), Case: id, Contact: c.Contact, Topic: c.Topic, Group: group}
	m := o.surveyMessage(c, x)
	parts, err := cases.Seal(m, key)
	if err != nil {
		return err
	}
	err = o.d.Update(ctx, func(tx *db.Tx) error {
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM answers WHERE case_id = $1`, id)
		if err != nil || n == 0 {
			return err
		}
		if err := o.centre.AskSurvey(ctx, tx, x); err != nil || address == "" { // without one the case page asks
			return err
		}
		if err := cases.AddMessage(ctx, tx, m, parts); err != nil {
			return err
		}
		return o.Queue(ctx, tx, &Delivery{Case: id, Message: m.ID, Contact: c.Contact, Kind: Survey, Mailbox: c.Mailbox, Address: address, Shown: policy.Signed, Due: tx.Now.Add(surveyDelay)})
	})
	if fail.Is(err, fail.Conflict) {
		return nil
	}
	return err
}

// surveyMessage has the survey's id, and no link: that is put into the mail alone, so
// that nobody here answers in their place.
func (o *Outbox) surveyMessage(c *cases.Case, x *centre.Survey) *cases.Message {
	say := c.Lang.Must
	text := say("mail.survey.closed", string(c.Ref)) + "\n\n" + say("mail.survey.unsolved")
	return &cases.Message{ID: cases.MessageID(x.ID), Case: c.ID, Kind: cases.Out, Door: "auto", Contact: c.Contact, At: o.d.Now(), Doc: cases.Doc{Subject: say("mail.survey.subject"), Text: text}}
}

// surveyLink is the line of the mail that leads to the survey.
func (o *Outbox) surveyLink(l *letter) string {
	return l.c.Lang.Must("mail.survey.ask", o.words().BaseURL+"/survey/"+o.centre.SurveyToken(string(l.m.ID)))
}

// dropSurvey forgets a question that was never asked, so that it can be asked later.
func (o *Outbox) dropSurvey(ctx context.Context, l *letter) error {
	return o.d.Update(ctx, func(tx *db.Tx) error { return centre.DropSurvey(ctx, tx, string(l.m.ID)) })
}

// overtaken reports whether there is nothing more to ask.
func (l *letter) overtaken() bool { return l.d.Kind == Survey && l.c.State != cases.Closed }

// crowded says how long a survey waits, because another automatic mail went to the same
// address in the last 24 hours; 0: it may go.
func (o *Outbox) crowded(ctx context.Context, l *letter) (wait time.Duration, err error) {
	if l.d.Kind != Survey || l.d.RawBlob != "" {
		return 0, nil
	}
	var last []time.Time
	err = o.d.Read(ctx, db.Into(&last, func(t *time.Time, row func(...any) error) error { return row(db.Time(t)) }, `SELECT at FROM auto_answers WHERE lookup = $1`, o.autoLookup(l.d.Address)))
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return max(0, last[0].Add(autoEvery).Sub(o.d.Now())), nil
}

package app

import (
	"context"
	"fmt"
	"time"

	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/jobs"
	"postern/internal/ladder"
	"postern/internal/outbox"
	"postern/internal/security"
	"postern/internal/staff"
)

// reportEvent tells the organisation's systems what happened with a report.
const reportEvent = "report.needs-a-person"

// wordArgs: tell people here about a report.
type wordArgs struct {
	ID   string        `json:"id"`
	Case cases.ID      `json:"case"`
	Word security.Word `json:"word"`
	To   []string      `json:"to"`
}

func (wordArgs) Kind() string { return "report_word" }

// progressArgs: tell who reported how far it has come.
type progressArgs struct {
	ID   string        `json:"id"`
	Case cases.ID      `json:"case"`
	Word security.Word `json:"word"`
}

func (progressArgs) Kind() string { return "report_progress" }

// strikeArgs: do what the clocks of reports say.
type strikeArgs struct{}

func (strikeArgs) Kind() string { return "report_clocks" }

// doorArgs: tell people here that a door of ours is broken.
type doorArgs struct {
	ID     string   `json:"id"`
	About  string   `json:"about,omitempty"` // probe or host
	Target string   `json:"target"`
	Canary string   `json:"canary,omitempty"` // instead: the door that one was lost behind
	Why    string   `json:"why,omitempty"`
	To     []string `json:"to"`
}

func (doorArgs) Kind() string { return "door_broken" }

func (d *Desk) openSecurity() error {
	promises, err := d.cfg.Reports()
	if err != nil {
		return err
	}
	d.security = security.New(security.Options{DB: d.db, Vault: d.vault, Cases: d.cases, Staff: d.staff, Promises: promises,
		Tell: d.tellSecurity, Write: d.writeReporter, Reach: d.reach,
		Miss: func(ctx context.Context, tx *db.Tx, c *cases.Case) error {
			return d.ladder.Up(ctx, tx, c, ladder.Missed)
		}})
	return nil
}

// reach reports whether who wrote can read what is protected. Who gave no address reads
// the case page, which is.
func (d *Desk) reach(ctx context.Context, tx *db.Tx, c *cases.Case) (bool, error) {
	who, err := d.contacts.Get(ctx, tx, c.Contact)
	if fail.Is(err, fail.NotFound) { // new with this very message
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key, _ := who.VerifiedKey(tx.Now)
	n, err := d.staff.Passkeys().Count(ctx, tx, "contact", string(c.Contact))
	return who.MailTo() == "" || key != nil || n > 0 || len(who.Phones) > 0, err
}

func (d *Desk) addSecurityJobs() {
	jobs.AddWorker(d.jobs, d.sendWord)
	jobs.AddWorker(d.jobs, d.sendProgress)
	jobs.AddWorker(d.jobs, func(ctx context.Context, a doorArgs) error {
		text := "A page without which nobody can tell us of a security hole does not answer as it must:\n\n" + a.Target + "\n\nIt was asked twice. Look at it now."
		switch {
		case a.Canary != "":
			text = "Each week this desk makes up a security report and sends it to itself, by mail and by the form. The one by " + a.Canary + " is lost: " + a.Why + ".\n\nA real one may be lost in the same way. Look at it now: " + d.cfg.StaffURL + "/desk/security"
		case a.Why != "":
			text = a.Target + ": " + a.Why + ".\n\n" + d.cfg.StaffURL + "/desk/security#hosts"
		}
		return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: cases.MessageID(a.ID), Kind: outbox.Call, To: a.To, Subject: "A door of ours is broken", Text: text})
	})
	jobs.AddWorker(d.jobs, func(ctx context.Context, _ strikeArgs) error { return d.security.Run(ctx) })
	d.jobs.Every(time.Minute, strikeArgs{})
}

// tellSecurity queues a word to the people it names, in the transaction of what
// happened; the systems hear of it by webhook, such as a pager.
func (d *Desk) tellSecurity(ctx context.Context, tx *db.Tx, c *cases.Case, w security.Word) error {
	a := wordArgs{ID: db.NewID(), Case: c.ID, Word: w}
	for _, p := range w.To {
		if !p.Disabled {
			a.To = append(a.To, string(p.ID))
		}
	}
	a.Word.To = nil
	err := d.publish(ctx, tx, reportEvent, a.ID+"-word", string(c.ID), map[string]string{"case": string(c.ID), "reference": string(c.Ref), "what": string(w.What), "clock": string(w.Clock),
		"url": d.cfg.StaffURL + "/desk/security/" + string(c.ID)})
	if err != nil || len(a.To) == 0 {
		return err
	}
	return d.jobs.Insert(ctx, tx, a)
}

var clockWords = map[security.ClockName]string{
	security.ClockLook: "Somebody qualified was to look at it by now", security.ClockFirst: "They were promised a person's first word by now", security.ClockAssess: "It was to be assessed by now",
	security.ClockUpdate: "They were to hear from us again by now", security.ClockFix: "It was to be fixed by now", security.ClockAsk: "They were to be asked to retest by now",
	security.ClockRetest: "Nobody has retested it; our own retest suffices now", security.ClockReward: "The reward was to be decided by now", security.ClockPublish: "It was to be published by now",
	security.ClockInfo: "They did not answer, and it cannot be closed yet: something else of it is open, such as a duty by law", security.ClockExit: "It cannot be closed yet, though the time for it has come: something else of it is open",
	security.ClockAppeal: "Their appeal was to be answered by now", security.ClockRisk: "The time for which the risk was accepted is over",
}

// wordFor is what people here read about a report: nothing that somebody else wrote.
func wordFor(w security.Word) string {
	switch w.What {
	case security.WordFlagged:
		return "It may tell of a security hole. Somebody qualified says what it is; until then no prepared text goes out, and it cannot be closed"
	case security.WordLaw:
		return "The law wants a word soon: " + w.Law
	case security.WordRed:
		return "A probe is red: what was fixed is back. The report is open again"
	case security.WordBlind:
		return "A probe could not look, three times in a row. Whether it is still mended, nobody knows: see what keeps it out"
	case security.WordFrozen:
		return "They demand money for silence. The reward stands still. Let whoever answers for the law here into the circle of the report, and answer nothing before they have read it"
	case security.WordAppeal:
		return "They appeal against how it was closed. Somebody else than who closed it answers"
	case security.WordAnswered:
		return "They answered what we asked"
	case security.WordWrote:
		return "They wrote about a report that is over. Read it: if it is back, take the report up again"
	}
	return clockWords[w.Clock]
}

// sendWord writes to them. It may run twice: the letter is named.
func (d *Desk) sendWord(ctx context.Context, a wordArgs) error {
	var c *cases.Case
	var to []string
	var lately int64
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		to = nil
		if c, err = d.cases.Get(ctx, tx, a.Case); err != nil {
			return err
		}
		if lately, err = db.Count(ctx, tx, `SELECT COUNT(*) FROM report_events WHERE act IN ('report.flagged', 'report.struck', 'report.due', 'report.wrote', 'report.answered', 'report.appealed', 'report.retested') AND at > $1`, db.Micros(tx.Now.Add(-time.Hour))); err != nil {
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
	if err != nil || len(to) == 0 {
		return err
	}
	// Who floods us must not flood them; what the law wants, and what is back, is told all
	// the same.
	if lately > callsAnHour && a.Word.What != security.WordLaw && a.Word.What != security.WordRed {
		return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: cases.MessageID(fmt.Sprintf("reports-%d", d.db.Now().Unix()/3600)), Kind: outbox.Call, To: to, Subject: "Much happens on the security desk",
			Text: fmt.Sprintf("More than %d things happened within an hour that somebody must look at. About the others of this hour no mail comes; all of them stand here, with their clocks:\n\n%s/desk/security", callsAnHour, d.cfg.URL)})
	}
	return d.outbox.TellHouse(ctx, &outbox.HouseLetter{ID: cases.MessageID(a.ID), Kind: outbox.Call, Case: c.ID, To: to, Subject: fmt.Sprintf("Security: case %s", c.Ref),
		Text: fmt.Sprintf("%s.\n\n%s/desk/security/%s", wordFor(a.Word), d.cfg.URL, c.ID)})
}

// writeReporter queues a word of the desk's own to who reported.
func (d *Desk) writeReporter(ctx context.Context, tx *db.Tx, c *cases.Case, w security.Word) error {
	if c.Contact == "" {
		return nil
	}
	return d.jobs.Insert(ctx, tx, progressArgs{ID: db.NewID(), Case: c.ID, Word: w})
}

// sendProgress says how far it has come, and nothing of what it is.
func (d *Desk) sendProgress(ctx context.Context, a progressArgs) error {
	text := "mail.report.moved"
	switch a.Word.What {
	case security.WordDecided:
		text = "mail.report.decided"
	case security.WordChanged:
		text = "mail.report.changed"
	case security.WordRemind:
		text = "mail.report.remind"
	case security.WordClosed:
		text = "mail.report.closed"
	case security.WordReopened:
		text = "mail.report.reopened"
	}
	p := &outbox.Progress{ID: cases.MessageID(a.ID), Case: a.Case, Text: text, State: "report.state." + string(a.Word.State)}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		c, err := d.cases.Get(ctx, tx, a.Case)
		if err != nil {
			return err
		}
		k, err := d.vault.Get(ctx, tx, c.KeyID)
		if err != nil {
			return err
		}
		r, err := d.security.Get(ctx, tx, k, a.Case)
		if err != nil || r.OnPage() { // there they read it
			return err
		}
		p.Kind, p.Lines = r.Says(a.Word)
		if r.Owner != "" && !r.State.IsExit() && r.State != security.Closed {
			p.Who = "yourcase.who." + d.roleOf(r.Owner)
		}
		if x := r.NextForThem(); x != nil && x.Paused.IsZero() {
			p.Next, p.By = "report.next."+string(x.Name), x.Target.In(d.zone)
		}
		return nil
	})
	if err != nil && !fail.Is(err, fail.NotFound) {
		return err
	}
	return d.outbox.TellProgress(ctx, p)
}

package centre

import (
	"context"
	"crypto/hmac"
	"encoding/base32"
	"strings"
	"time"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

// A Survey asks, once a case is closed, whether it was solved: one question, one
// comment. Whoever has its link answers it.
type Survey struct {
	ID       string
	Case     cases.ID
	Contact  contacts.ID
	Topic    string
	Reply    string // canned reply that the case ended with; empty: none
	Group    string // role of who closed it
	Asked    time.Time
	Score    int64 // 1 to 5; 0: not said
	Unsolved bool  // "it is not solved"
	Answered time.Time
}

// Scores are the lowest and the highest.
const (
	LowestScore  = 1
	HighestScore = 5
	lowScore     = 2
)

// surveyLife is how long a survey can be answered.
const surveyLife = 90 * 24 * time.Hour

// surveyEvery is how often one person is asked.
const surveyEvery = 7 * 24 * time.Hour

// Low reports whether it is at the lower end: then somebody must look.
func (s *Survey) Low() bool { return s.Unsolved || s.Score >= LowestScore && s.Score <= lowScore }

const surveyColumns = `id, case_id, contact_id, topic, reply_id, staff_group, asked_at, score, unsolved, answered_at`

func scanSurvey(s *Survey, row func(...any) error) error {
	return row(&s.ID, &s.Case, &s.Contact, &s.Topic, &s.Reply, &s.Group, db.Time(&s.Asked), &s.Score, &s.Unsolved, db.Time(&s.Answered))
}

// AskSurvey notes that somebody is asked about a case. If they were asked about any
// within the week, it is a Conflict, and they are not.
func (s *Store) AskSurvey(ctx context.Context, tx *db.Tx, x *Survey) error {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM surveys WHERE contact_id = $1 AND asked_at > $2`, x.Contact, db.Micros(tx.Now.Add(-surveyEvery)))
	if err != nil {
		return err
	}
	if n > 0 {
		return fail.New(fail.Conflict, "they were asked about a case a few days ago")
	}
	x.Asked, x.Reply = tx.Now, ""
	used, err := db.Strings(ctx, tx, `SELECT reply_id FROM answers WHERE case_id = $1 AND reply_id <> '' ORDER BY at DESC LIMIT 1`, x.Case)
	if err != nil {
		return err
	}
	if len(used) > 0 {
		x.Reply = used[0]
	}
	_, err = tx.Exec(ctx, `INSERT INTO surveys (id, case_id, contact_id, topic, reply_id, staff_group, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		x.ID, x.Case, x.Contact, x.Topic, x.Reply, x.Group, db.Micros(x.Asked))
	return err
}

var surveyWords = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// SurveyToken is what the link to a survey ends with.
func (s *Store) SurveyToken(id string) string {
	return id + "-" + surveyWords.EncodeToString(s.v.MAC("survey", id)[:15])
}

// SurveyOf returns the survey that a link leads to. A made-up link, or one whose time
// is over, is NotFound.
func (s *Store) SurveyOf(ctx context.Context, tx *db.Tx, token string) (*Survey, error) {
	gone := fail.New(fail.NotFound, "this survey is not there any more, or its link was cut short; reply to our mail instead")
	id, _, ok := strings.Cut(token, "-")
	if !ok || len(token) > 100 || !hmac.Equal([]byte(token), []byte(s.SurveyToken(id))) {
		return nil, gone
	}
	x, err := db.One(ctx, tx, scanSurvey, `SELECT `+surveyColumns+` FROM surveys WHERE id = $1`, id)
	if fail.Is(err, fail.NotFound) || err == nil && tx.Now.Sub(x.Asked) > surveyLife {
		return nil, gone
	}
	return x, err
}

// SurveyOfCase is the newest survey about a case; nil if nobody was asked.
func (s *Store) SurveyOfCase(ctx context.Context, tx *db.Tx, c cases.ID) (*Survey, error) {
	list, err := db.List(ctx, tx, scanSurvey, `SELECT `+surveyColumns+` FROM surveys WHERE case_id = $1 ORDER BY asked_at DESC LIMIT 1`, c)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// DropSurvey forgets a survey that nobody got.
func DropSurvey(ctx context.Context, tx *db.Tx, id string) error {
	return tx.Put(ctx, `DELETE FROM surveys WHERE id = $1 AND answered_at = 0`, id)
}

// AnswerSurvey keeps what they said; said again, the last word counts.
func (s *Store) AnswerSurvey(ctx context.Context, tx *db.Tx, x *Survey) error {
	return db.Change(ctx, tx, `UPDATE surveys SET score = $2, unsolved = $3, answered_at = $4 WHERE id = $1`, x.ID, x.Score, x.Unsolved, db.Micros(tx.Now))
}

package intake

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/ladder"
)

// FromSurvey files what somebody answered in a survey: score and comment are a
// message of the case. A low score, "not solved" and a comment that asks open the case
// and lift it; a friendly word moves nothing.
func (in *Intake) FromSurvey(ctx context.Context, token string, score int64, unsolved bool, comment string) (cases.Ref, error) {
	if score != 0 && (score < centre.LowestScore || score > centre.HighestScore) {
		return "", fail.New(fail.Invalid, "choose one of the five")
	}
	comment, err := fit(comment)
	if err != nil {
		return "", err
	}
	if score == 0 && !unsolved && comment == "" {
		return "", fail.New(fail.Invalid, "choose one of the five, or write something")
	}
	var x *centre.Survey
	if err := in.d.View(ctx, func(tx *db.Tx) (err error) { x, err = in.centre.SurveyOf(ctx, tx, token); return err }); err != nil {
		return "", err
	}
	x.Score, x.Unsolved = score, unsolved
	r := &written{c: x.Case, door: "survey", by: x.Contact, act: "opinion.given", text: surveyText(x, comment), how: fmt.Sprintf("score %d, solved %v", score, !unsolved),
		evidence: cases.Evidence{Survey: true, Checked: in.d.Now()}, quiet: true, also: func(ctx context.Context, tx *db.Tx) error { return in.centre.AnswerSurvey(ctx, tx, x) }}
	switch {
	case x.Low():
		r.quiet, r.lift = false, ladder.LowScore
	case in.asks(comment):
		r.quiet, r.lift = false, ladder.Comment
	}
	return in.answer(ctx, r)
}

func surveyText(x *centre.Survey, comment string) string {
	var lines []string
	if x.Score > 0 {
		lines = append(lines, fmt.Sprintf("Score: %d of %d", x.Score, centre.HighestScore))
	}
	if x.Unsolved {
		lines = append(lines, "It is not solved.")
	}
	if comment != "" {
		lines = append(lines, "", comment)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// asking are words of a comment that wants an answer. It errs towards yes.
var asking = regexp.MustCompile(`(?i)\?|(^|[^\pL])(please|still|but |however|not (solved|answered|true|correct)|never|nobody|no one|wrong|call me|call back|contact|escalat|complain|manager|supervisor|person|human|bitte|immer noch|aber |jedoch|nicht (gelöst|beantwortet|richtig)|nie |niemand|falsch|rückruf|zurückruf|beschwer|vorgesetzt|mensch)`)

// asks reports whether a comment asks for something, or may be a security report.
func (in *Intake) asks(comment string) bool {
	return comment != "" && (asking.MatchString(comment) || in.suspicious(comment))
}

package public

import (
	"context"
	"net/http"
	"strconv"

	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/web"
)

// survey serves /survey/{token}. Opening the link says nothing yet: a scanner may do
// that.
func (s *Site) survey(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	p := SurveyPage{Public: s.page(r), Token: r.PathValue("token")}
	if err := s.fillSurvey(ctx, &p); err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return web.Render(w, r, Templates, "survey", p)
	}
	r.Body = http.MaxBytesReader(w, r.Body, 500_000)
	if err := r.ParseForm(); err != nil {
		return fail.New(fail.Invalid, "%s", p.Lang.Must("form.text.long"))
	}
	score, _ := strconv.ParseInt(r.PostFormValue("score"), 10, 64) // nonsense is no score
	unsolved := r.PostFormValue("do") == "unsolved"
	p.Comment = r.PostFormValue("comment")
	wrong := func(field, key string) error {
		p.Errors = web.Errors{{Field: field, Text: p.Lang.Must(key) + "."}}
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, Templates, "survey", p)
	}
	switch {
	case len(p.Comment) > centre.MaxText:
		return wrong("comment", "form.text.long")
	case !unsolved && score == 0 && p.Comment == "", score < 0, score > centre.HighestScore:
		return wrong("score", "survey.choose")
	}
	if err := s.countReply(r, p.Lang); err != nil {
		return err
	}
	ref, err := s.Intake.FromSurvey(ctx, p.Token, score, unsolved, p.Comment)
	if err != nil {
		return err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		c, err := s.Cases.ByRef(ctx, tx, ref)
		if err == nil {
			p.Open = c.State != "closed"
		}
		return err
	})
	if err != nil {
		return err
	}
	p.Done = true
	return web.Render(w, r, Templates, "survey", p)
}

// fillSurvey reads what is asked. A made-up link is NotFound.
func (s *Site) fillSurvey(ctx context.Context, p *SurveyPage) error {
	for n := centre.LowestScore; n <= centre.HighestScore; n++ {
		p.Scores = append(p.Scores, Score{N: n, Words: p.Lang.Must("survey." + strconv.Itoa(n))})
	}
	return s.DB.View(ctx, func(tx *db.Tx) error {
		x, err := s.Centre.SurveyOf(ctx, tx, p.Token)
		if err != nil {
			return err
		}
		c, err := s.Cases.Get(ctx, tx, x.Case)
		if err == nil {
			p.Ref, p.Again = string(c.Ref), !x.Answered.IsZero()
		}
		return err
	})
}

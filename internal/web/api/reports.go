package api

import (
	"cmp"
	"context"
	"net/http"

	"postern/internal/apikeys"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/lang"
)

type newReport struct {
	Text        string    `json:"text" min:"1" max:"100000" about:"what was seen, in the words of who saw it"`
	Affected    string    `json:"affected,omitempty" max:"2000" about:"what is affected"`
	Name        string    `json:"name,omitempty" max:"120" about:"who saw it, if they like to say"`
	Address     string    `json:"address,omitempty" max:"254" about:"where they are answered; without it the answer waits on the page that reference and code open. It proves nobody"`
	Language    string    `json:"language,omitempty" enum:"en de" about:"in which they are answered; en if not given"`
	Attachments []newFile `json:"attachments,omitempty" max:"20" about:"10 MiB together at most"`
}

type takenReport struct {
	Case string `json:"case"`
	Ref  string `json:"ref" about:"the reference, as people see it"`
	Code string `json:"code" about:"opens the page of the report, with the reference. Hand both to who reported, and keep neither: there is no other way for them to come back"`
	Page string `json:"page" about:"where they enter both"`
}

// reports are the operations on security reports.
func (a *API) reports() []operation {
	return []operation{
		does(operation{Method: http.MethodPost, Path: "/reports", ID: "reportSecurityProblem", Summary: "Hand in a security report",
			About: "For systems that take reports elsewhere: a scanner, a bounty platform, another form. It goes the way of the report form: it waits for somebody qualified at once, and only a person's own word answers it.",
			Scope: apikeys.ReportsSend, Status: http.StatusCreated, Once: true, MaxBody: maxMessage}, a.report),
	}
}

func (a *API) report(ctx context.Context, c *call, in *newReport) (out *takenReport, err error) {
	for range 3 { // who reports may become known by another door meanwhile
		if out, err = a.fileReport(ctx, c, in); !fail.Is(err, fail.Conflict) {
			break
		}
	}
	return out, err
}

func (a *API) fileReport(ctx context.Context, c *call, in *newReport) (*takenReport, error) {
	return once(ctx, a, c, func() (func(*db.Tx) (*takenReport, error), error) {
		files, err := filesOf(in.Attachments)
		if err != nil {
			return nil, err
		}
		file, err := a.Intake.PrepareReport(ctx, &intake.SystemReport{By: c.key.Actor(), Text: in.Text, Affected: in.Affected, Name: in.Name, Address: in.Address, Lang: lang.Lang(cmp.Or(in.Language, string(lang.English))), Files: files})
		if err != nil {
			return nil, err
		}
		return func(tx *db.Tx) (*takenReport, error) {
			r, err := file(ctx, tx)
			if err != nil {
				return nil, err
			}
			return &takenReport{Case: string(r.Case.ID), Ref: string(r.Case.Ref), Code: r.Code, Page: a.BaseURL + "/case"}, nil
		}, nil
	})
}

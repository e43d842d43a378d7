package public

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/advisory"
	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/publications"
	"postern/internal/security"
	"postern/internal/web"
)

// ReportFace is how a security report stands, as who told us may see it.
type ReportFace struct {
	State       string // key of the catalogue behind "report.state."
	Role        string // of who owns it; empty: nobody does yet
	Severity    string
	Reason      string // why it ended, where it was no finding
	Next        web.When
	NextWhat    string // key of what is due then
	Paused      bool
	Questions   []Question
	Retest      bool // they may say whether it is gone
	Appeal      bool // they may appeal
	Appealed    string
	Answer      string      // to their appeal
	Offered     string      // the reward that waits for their word
	Reward      string      // key of how it stands
	RewardWhy   string      // why there is none, or less than the table has
	Advisory    string      // where it is published
	Parts       []cases.Ref // that are worked by themselves; the same code opens them
	Fixed       web.When
	Changes     []string // why a promised day moved
	Unpublished string   // why nothing is published
	Credit      bool     // they may say whether they want to be thanked
	Name        string   // under which they are
}

// Face is the part of the case page about its report.
func (p CasePage) Face() ReportPart { return ReportPart{p.Public, p.Ref, p.Report} }

// ReportPart is "report-face".
type ReportPart struct {
	web.Public
	Ref string
	*ReportFace
}

// Asks reports whether a question waits for their answer.
func (f *ReportFace) Asks() bool {
	return slices.ContainsFunc(f.Questions, func(q Question) bool { return q.Open })
}

// Question is one of those they were asked.
type Question struct {
	N            int
	Text, Answer string
	Open         bool
}

// reportFace reads how the report of a case stands; nil: it is none, or nobody has said
// that it is one.
func (s *Site) reportFace(ctx context.Context, tx *db.Tx, p web.Public, h *held) (*ReportFace, error) {
	if s.Security == nil || h.c.Security == cases.NoReport {
		return nil, nil
	}
	r, err := s.Security.Get(ctx, tx, h.key, h.c.ID)
	if fail.Is(err, fail.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !r.OnPage() { // somebody else made it, by mail, in the case of this receipt
		return &ReportFace{State: "report.state." + string(r.State)}, nil
	}
	f := &ReportFace{State: "report.state." + string(r.State), Retest: r.State == security.Retest, Fixed: p.When(r.Target), Name: r.Disclosure.Credit}
	if r.Owner != "" {
		f.Role = s.RoleOf(r.Owner)
	}
	if r.Severity != "" && r.State != security.Assessing {
		f.Severity = "report.severity." + string(r.Severity)
	}
	if c := r.NextForThem(); c != nil {
		f.Next, f.NextWhat, f.Paused = p.When(c.Target), "report.next."+string(c.Name), !c.Paused.IsZero()
	}
	for n, q := range r.Questions {
		f.Questions = append(f.Questions, Question{N: n, Text: q.Text, Answer: q.Answer, Open: q.Answered.IsZero()})
	}
	if r.State.IsExit() {
		f.Reason, f.Appeal = r.Reason, r.Appeal == nil && s.DB.Now().Before(r.Exited.Add(security.AppealWindow))
	}
	if r.Appeal != nil {
		f.Appealed = "report.appeal.waits"
		if !r.Appeal.Done.IsZero() {
			f.Appealed, f.Answer = "report.appeal.answered", r.Appeal.Answer
		}
	}
	for _, c := range slices.Concat(r.Changes, r.Disclosure.Changes) {
		f.Changes = append(f.Changes, c.Why)
	}
	f.Unpublished = r.Disclosure.Not
	s.rewardFace(f, r)
	linked, err := cases.Links(ctx, tx, cases.Viewer{All: true}, h.c.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range linked {
		if l.Why == security.SplitLink {
			f.Parts = append(f.Parts, l.Ref)
		}
	}
	list, err := publications.OfCase(ctx, tx, h.c.ID)
	for _, a := range list {
		if !a.Published.IsZero() {
			f.Advisory = advisory.PagePath + "/" + a.ID
		}
	}
	return f, err
}

func (s *Site) rewardFace(f *ReportFace, r *security.Report) {
	switch r.Reward.State {
	case security.Undecided, security.Proposed, security.Approved:
	default:
		if r.LessThanPromised(&s.Security.Promises().Rewards) {
			f.RewardWhy = r.Reward.Why
		}
	}
	switch r.Reward.State {
	case security.Offered:
		f.Offered = r.Reward.Thing
		if r.Reward.Cents > 0 {
			f.Offered = security.Money(r.Reward.Cents, r.Reward.Currency)
		}
	case security.Accepted, security.Paid, security.Donated, security.Declined, security.NoReward:
		f.Reward = "report.reward." + string(r.Reward.State)
	}
	switch r.State {
	case security.Fixing, security.FixReady, security.Retest, security.Resolved, security.Disclosed, security.Closed:
		f.Credit = !r.Unanswered
	}
}

// reportReply serves POST /case/{ref}/report: what who told us says to their report.
func (s *Site) reportReply(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 256<<10)
	h, done, err := s.hold(w, r)
	if done {
		return err
	}
	p := s.page(r)
	if err := s.countReply(r, p.Lang); err != nil {
		return err
	}
	act, f := s.reporterAct(r, h.c.Contact)
	err = s.DB.Update(r.Context(), func(tx *db.Tx) error {
		return s.Security.FromReporter(r.Context(), tx, h.c.ID, act, func(x *security.Report) error {
			if !x.OnPage() {
				return fail.New(fail.Conflict, "this report was made by mail; answer it by mail")
			}
			return f(x, tx)
		})
	})
	if fail.Is(err, fail.Invalid) || fail.Is(err, fail.Conflict) {
		return s.showCase(w, r, http.StatusUnprocessableEntity, h, "", web.Errors{{Field: "report", Text: p.Lang.Said(fail.Text(err)) + "."}})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/case/"+string(h.c.Ref)+"?sent=1", http.StatusSeeOther)
	return nil
}

func (s *Site) reporterAct(r *http.Request, who contacts.ID) (act string, f func(x *security.Report, tx *db.Tx) error) {
	text := short(r.FormValue("words"))
	switch do := r.FormValue("do"); do {
	case "answer":
		return "report.answered", func(x *security.Report, tx *db.Tx) error {
			any := false
			for n := range x.Questions {
				if a := short(r.FormValue("answer-" + strconv.Itoa(n))); a != "" && x.Questions[n].Answered.IsZero() {
					if err := x.Answer(n, a, tx.Now); err != nil {
						return err
					}
					any = true
				}
			}
			if !any {
				return fail.New(fail.Invalid, "write an answer; “I do not know” is one")
			}
			return nil
		}
	case "gone", "there":
		return "report.retested", func(x *security.Report, tx *db.Tx) error {
			return x.SayRetest("reporter", "", do == "gone", text, tx.Now)
		}
	case "appeal":
		return "report.appealed", func(x *security.Report, tx *db.Tx) error { return x.Appeals(s.Security.Promises(), text, tx.Now) }
	case "donated":
		return "report.rewarded", func(x *security.Report, tx *db.Tx) error {
			return x.GiveAway(&s.Security.Promises().Rewards, strings.TrimSpace(r.FormValue("cause")), security.Actor{Kind: security.ByReporter}, tx.Now)
		}
	case "accepted", "declined":
		return "report.rewarded", func(x *security.Report, tx *db.Tx) error {
			return x.MoveReward(&s.Security.Promises().Rewards, security.RewardState(do), security.Actor{Kind: security.ByReporter}, tx.Now)
		}
	case "credit":
		return "report.credit", func(x *security.Report, tx *db.Tx) error {
			if err := x.SetCredit(r.FormValue("name"), tx.Now); err != nil {
				return err
			}
			return keepCredit(r.Context(), tx, x, who)
		}
	}
	return "", func(*security.Report, *db.Tx) error { return fail.New(fail.Invalid, "choose what you want to say") }
}

// keepCredit records their wish, or takes it back.
func keepCredit(ctx context.Context, tx *db.Tx, x *security.Report, who contacts.ID) error {
	by := audit.Contact(string(who))
	if x.Disclosure.Credit != "" {
		return publications.Consent(ctx, tx, by, publications.Credit{Case: x.Case, Name: x.Disclosure.Credit})
	}
	c, err := publications.CreditOf(ctx, tx, x.Case)
	if err != nil || c == nil || !c.Withdrawn.IsZero() {
		return err
	}
	return publications.WithdrawCredit(ctx, tx, by, x.Case)
}

// short cuts what is written into one field of a report.
func short(s string) string {
	const most = 10_000
	if s = strings.TrimSpace(s); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

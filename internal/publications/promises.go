package publications

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"postern/internal/fail"
	"postern/internal/lang"
)

// Promises are the times that somebody who reports can rely on. The policy's numbers
// come from here, never from its text.
type Promises struct {
	FirstReply   int `json:"first_reply"`   // working days until a person answers
	Assessment   int `json:"assessment"`    // working days until they hear how it is judged
	Update       int `json:"update"`        // days, at most, between two words of ours
	FixCritical  int `json:"fix_critical"`  // days
	FixHigh      int `json:"fix_high"`      // days
	FixOther     int `json:"fix_other"`     // days, the longest there is
	Reward       int `json:"reward"`        // working days
	Disclosure   int `json:"disclosure"`    // days that we ask for
	Silence      int `json:"silence"`       // days without an answer, after which nobody need wait
	AppealTime   int `json:"appeal_time"`   // days in which to object
	AppealAnswer int `json:"appeal_answer"` // working days

	Currency string      `json:"currency,omitempty"`
	Rewards  []RewardRow `json:"rewards,omitempty"` // none: no money
}

// A RewardRow says what is paid where something is affected: amounts as they are
// written, for what is critical, high, medium, low.
type RewardRow struct {
	Asset   string    `json:"asset"` // "*": all the rest
	Amounts [4]string `json:"amounts"`
}

// DefaultPromises are those of a new desk.
var DefaultPromises = Promises{FirstReply: 1, Assessment: 5, Update: 14, FixCritical: 3, FixHigh: 14, FixOther: 90, Reward: 5, Disclosure: 90, Silence: 45, AppealTime: 30, AppealAnswer: 3}

// A Place is what can be put into a policy's text, and is filled in when it is read.
type Place struct {
	Name   string // with its braces
	Needed bool   // a text without it is refused
}

// places in the order of the desk's page; the two doors first.
var places = []Place{{"{report_form}", true}, {"{security_mail}", true}, {"{first_reply}", true}, {"{assessment}", true}, {"{update}", true}, {"{fix_critical}", true}, {"{fix_high}", true},
	{"{fix_other}", true}, {"{disclosure}", true}, {"{appeal_answer}", true}, {"{appeal_time}", false}, {"{silence}", false}, {"{reward}", false}, {"{rewards}", true}, {"{keys}", false}, {"{thanks}", false}, {"{org}", false}}

// Places lists what can be put into a policy.
func Places() []Place { return slices.Clone(places) }

var placeWords = regexp.MustCompile(`\{[^{}\n]{0,40}\}`)

// checkPlaces: the doors and the promises are there, and nothing that nobody fills in.
func checkPlaces(text string) error {
	found := placeWords.FindAllString(text, -1)
	for _, p := range found {
		if !slices.ContainsFunc(places, func(x Place) bool { return x.Name == p }) {
			return fail.New(fail.Invalid, "%s is not known; what can be filled in is listed below the text", p)
		}
	}
	for _, p := range places {
		switch {
		case !p.Needed || slices.Contains(found, p.Name):
		case p.Name == "{report_form}" || p.Name == "{security_mail}":
			return fail.New(fail.Invalid, "both doors must stand in it: %s is missing", p.Name)
		default:
			return fail.New(fail.Invalid, "the promise %s is missing; its number comes from the settings, so that it is true", p.Name)
		}
	}
	return nil
}

// fill puts everything in, as Markdown.
func (s *Store) fill(text string, l lang.Lang, p Promises) string {
	work := func(n int) string { return counted(l, "workday", n) }
	days := func(n int) string { return counted(l, "day", n) }
	page := func(path string) string {
		u := s.URL + path
		return "[" + plain(strings.TrimPrefix(u, "https://")) + "](" + u + ")"
	}
	mail := s.SecurityMail()
	return strings.NewReplacer("{report_form}", page(ReportPath), "{security_mail}", "["+plain(mail)+"]("+(&url.URL{Scheme: "mailto", Opaque: mail}).String()+")",
		"{keys}", page(KeysPath), "{thanks}", page(ThanksPath), "{org}", plain(s.org()),
		"{first_reply}", work(p.FirstReply), "{assessment}", work(p.Assessment), "{update}", days(p.Update),
		"{fix_critical}", days(p.FixCritical), "{fix_high}", days(p.FixHigh), "{fix_other}", days(p.FixOther), "{reward}", work(p.Reward), "{rewards}", rewardTable(&p, l),
		"{disclosure}", days(p.Disclosure), "{silence}", days(p.Silence), "{appeal_time}", days(p.AppealTime), "{appeal_answer}", work(p.AppealAnswer)).Replace(text)
}

// rewardTable is the table of rewards, or that there is no money, as Markdown.
func rewardTable(p *Promises, l lang.Lang) string {
	if len(p.Rewards) == 0 {
		return l.Must("policy.rewards.none")
	}
	out, rule := "| "+l.Must("policy.rewards.asset", p.Currency), "|---"
	for _, r := range p.Rewards { // a column each: a telephone has room for few
		name := plain(r.Asset)
		if r.Asset == "*" {
			name = l.Must("policy.rewards.rest")
		}
		out += " | " + name
		rule += "|---"
	}
	out += " |\n" + rule + "|\n"
	for i, s := range []string{"critical", "high", "medium", "low"} {
		out += "| " + l.Must("report.severity."+s)
		for _, r := range p.Rewards {
			out += " | " + plain(r.Amounts[i])
		}
		out += " |\n"
	}
	return out
}

// counted says so many days; in German as they stand behind "innerhalb von" or "nach".
func counted(l lang.Lang, unit string, n int) string {
	if n == 1 {
		return l.Must("policy." + unit + ".one")
	}
	return l.Must("policy."+unit+".many", n)
}

// marked are what Markdown would read as marks (CommonMark, 2.4).
var marked = regexp.MustCompile("[!-/:-@\\[-`{-~]")

// plain is a text of ours that Markdown takes as it stands.
func plain(s string) string {
	return marked.ReplaceAllString(strings.Join(strings.Fields(s), " "), `\$0`)
}

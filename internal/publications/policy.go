package publications

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"reflect"
	"strings"
	"time"
	"unicode"

	"postern/internal/audit"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/links"
)

//go:embed texts
var shipped embed.FS

// Why a version was made, where nobody of staff made it.
const (
	FirstVersion    = "first"    // the text that the desk comes with
	PromisesChanged = "promises" // the settings changed, and with them the numbers
)

// A Policy is one version of the security policy. Versions do not change: each keeps
// the promises that held for it.
type Policy struct {
	Version  int64                `json:"-"`
	By       string               `json:"-"`
	At       time.Time            `json:"-"`
	Why      string               `json:"why,omitempty"`   // FirstVersion, PromisesChanged; else empty
	Notes    map[lang.Lang]string `json:"notes,omitempty"` // what changed, in words
	Texts    map[lang.Lang]string `json:"texts"`           // Markdown, with places
	Promises Promises             `json:"promises"`
}

// In is the text in a language, else in English, else in any; l is the one it is in.
func (p *Policy) In(l lang.Lang) (string, lang.Lang) {
	for _, l := range append([]lang.Lang{l, lang.English}, lang.All...) {
		if p.Texts[l] != "" {
			return p.Texts[l], l
		}
	}
	return "", lang.English
}

// Note is what changed, in the words that come nearest to a language.
func (p *Policy) Note(l lang.Lang) (string, lang.Lang) {
	if p.Why != "" {
		return l.Must("policy.why." + p.Why), l
	}
	for _, l := range append([]lang.Lang{l, lang.English}, lang.All...) {
		if p.Notes[l] != "" {
			return p.Notes[l], l
		}
	}
	return "", l
}

// PolicyHTML is the policy as it reads in a language, with the promises that held for
// it.
func (s *Store) PolicyHTML(p *Policy, l lang.Lang) (template.HTML, lang.Lang, error) {
	text, in := p.In(l)
	h, err := centre.ArticleIn{Text: s.fill(text, in, p.Promises)}.HTML()
	return h, in, err
}

// Limits of a policy.
const (
	maxPolicy = 60_000
	maxNote   = 300
)

// windowMark stands for the time that we ask for while a text is judged.
const windowMark = 7_654_321

// CheckPolicy says what keeps a text from being the policy, and at which field of the
// desk's page.
func (s *Store) CheckPolicy(p *Policy) (field string, err error) {
	texts, notes := map[lang.Lang]string{}, map[lang.Lang]string{}
	for _, l := range lang.All {
		text, note := strings.TrimSpace(strings.ReplaceAll(p.Texts[l], "\r\n", "\n")), strings.Join(strings.Fields(p.Notes[l]), " ")
		if text == "" && note == "" {
			continue
		}
		if err := s.checkText(text, l, p.Promises); err != nil {
			return "text-" + string(l), err
		}
		if note == "" || len([]rune(note)) > maxNote {
			return "note-" + string(l), fail.New(fail.Invalid, "say what changed, in up to 300 letters: everybody can read it in the list of changes")
		}
		texts[l], notes[l] = text, note
	}
	if len(texts) == 0 {
		return "text-" + string(lang.English), fail.New(fail.Invalid, "write it in at least one language")
	}
	p.Texts, p.Notes = texts, notes
	return "", nil
}

func (s *Store) checkText(text string, l lang.Lang, promises Promises) error {
	switch {
	case text == "":
		return fail.New(fail.Invalid, "write the text")
	case len(text) > maxPolicy:
		return fail.New(fail.Invalid, "the text is longer than 60,000 characters; nobody reads that")
	case strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}):
		return fail.New(fail.Invalid, "the text holds letters that cannot be seen")
	}
	if link := links.InClear(text); link != "" {
		return fail.New(fail.Invalid, "the link %s leads over plain HTTP; write the https address", link)
	}
	if err := checkPlaces(text); err != nil {
		return err
	}
	promises.Disclosure = windowMark // so that no other promise passes for it
	h, err := centre.ArticleIn{Text: s.fill(text, l, promises)}.HTML()
	if err != nil {
		return err
	}
	if !strings.Contains(string(h), `href="`+s.URL+ReportPath+`"`) || !strings.Contains(string(h), `href="mailto:`) {
		return fail.New(fail.Invalid, "the two doors stand in it, but not where they can be followed; take {report_form} and {security_mail} out of the code or the comment they are in")
	}
	if bad := demandsSilence(string(h), counted(l, "day", promises.Disclosure)); bad != "" {
		bad = strings.ReplaceAll(bad, counted(l, "day", windowMark), "{disclosure}")
		return fail.New(fail.Invalid, "“%s” can be read as a demand to be silent, or to sign that. Nobody who reports signs anything or waits for ever: name the time with {disclosure}, or write such as “We never ask for a non-disclosure agreement”", bad)
	}
	return nil
}

const policyColumns = `version, doc, actor, made_at`

type policyRow struct {
	Policy
	doc string
}

func scanPolicy(r *policyRow, row func(...any) error) error {
	return row(&r.Version, &r.doc, &r.By, db.Time(&r.At))
}

func (r *policyRow) open() (*Policy, error) {
	p := r.Policy
	if err := json.Unmarshal([]byte(r.doc), &p); err != nil {
		return nil, fmt.Errorf("read version %d of the policy: %w", r.Version, err)
	}
	return &p, nil
}

// Begin makes the first version of a new desk, and a further one when the promised
// times changed: no number on the page is one that nobody keeps, and none changes
// without a line in the list of changes.
func (s *Store) Begin(ctx context.Context) error {
	p, err := s.Policy(ctx)
	switch {
	case fail.Is(err, fail.NotFound):
		if p, err = firstPolicy(); err != nil {
			return err
		}
	case err != nil:
		return err
	case reflect.DeepEqual(p.Promises, s.promises()):
		return nil
	default:
		p.Why, p.Notes = PromisesChanged, nil
		for l, text := range p.Texts {
			p.Texts[l] = withRewards(text)
		}
	}
	p.Promises = s.promises()
	err = s.addPolicy(ctx, audit.System, p, p.Version)
	if fail.Is(err, fail.Conflict) {
		return nil // another node was first
	}
	return err
}

// formerly are the sentences of texts that desks came with before there was a table of
// rewards.
var formerly = strings.NewReplacer("We pay no money for reports. Should that change, a table stands here, and it holds for everybody who reports from then on.", rewardsPlace,
	"Wir zahlen kein Geld für Meldungen. Sollte sich das ändern, steht hier eine Tabelle, und sie gilt für alle, die von da an melden.", rewardsPlace)

const rewardsPlace = "\n\n{rewards}\n\n"

// withRewards makes sure that a text says what is paid: what the settings say must stand
// on the page.
func withRewards(text string) string {
	if text = formerly.Replace(text); strings.Contains(text, "{rewards}") {
		return text
	}
	return strings.TrimRight(text, "\n") + rewardsPlace
}

func firstPolicy() (*Policy, error) {
	p := &Policy{Why: FirstVersion, Texts: map[lang.Lang]string{}}
	for _, l := range lang.All {
		b, err := shipped.ReadFile("texts/policy." + string(l) + ".md")
		if err != nil {
			return nil, err
		}
		p.Texts[l] = string(b)
	}
	return p, nil
}

// Policy is the newest version.
func (s *Store) Policy(ctx context.Context) (*Policy, error) {
	return s.policy(ctx, `SELECT `+policyColumns+` FROM security_policies ORDER BY version DESC LIMIT 1`)
}

// PolicyVersion is one version, old or new.
func (s *Store) PolicyVersion(ctx context.Context, version int64) (*Policy, error) {
	return s.policy(ctx, `SELECT `+policyColumns+` FROM security_policies WHERE version = $1`, version)
}

func (s *Store) policy(ctx context.Context, query string, args ...any) (*Policy, error) {
	var r *policyRow
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		r, err = db.One(ctx, tx, scanPolicy, query, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.open()
}

// PolicyVersions lists what the policy was, newest first.
func (s *Store) PolicyVersions(ctx context.Context, tx *db.Tx) ([]Policy, error) {
	rows, err := db.List(ctx, tx, scanPolicy, `SELECT `+policyColumns+` FROM security_policies ORDER BY version DESC`)
	if err != nil {
		return nil, err
	}
	var out []Policy
	for n := range rows {
		p, err := rows[n].open()
		if err != nil {
			return nil, err
		}
		out = append(out, *p)
	}
	return out, nil
}

// SavePolicy makes a text the policy. p.Version is the version that it was made of:
// somebody else's change in between is a Conflict. What is wrong is Invalid at a field.
func (s *Store) SavePolicy(ctx context.Context, actor string, p *Policy) (field string, err error) {
	p.Why, p.Promises = "", s.promises()
	if field, err := s.CheckPolicy(p); err != nil {
		return field, err
	}
	return "", s.addPolicy(ctx, actor, p, p.Version)
}

func (s *Store) addPolicy(ctx context.Context, actor string, p *Policy, from int64) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keep the policy: %w", err)
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		newest, err := db.Count(ctx, tx, `SELECT COALESCE(MAX(version), 0) FROM security_policies`)
		if err != nil {
			return err
		}
		if newest != from {
			return fail.New(fail.Conflict, "somebody else changed it in the meantime; nothing was saved")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO security_policies (version, doc, actor, made_at) VALUES ($1, $2, $3, $4)`, newest+1, string(doc), actor, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "policy.saved", About: "security-policy", Detail: fmt.Sprintf("version %d", newest+1)})
	})
}

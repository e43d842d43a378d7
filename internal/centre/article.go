package centre

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/text/unicode/norm"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
)

// An Article answers, on the public pages, what is asked often.
type Article struct {
	ID        string                  `json:"-"` // of its first title; stands in its address
	Version   int64                   `json:"-"`
	By        string                  `json:"-"`
	At        time.Time               `json:"-"`
	Topic     string                  `json:"topic,omitempty"`
	Published bool                    `json:"published,omitempty"`
	Texts     map[lang.Lang]ArticleIn `json:"texts"`
}

// ArticleIn is an article in one language, in Markdown.
type ArticleIn struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// In is the article in a language, else in English, else in any; l is the one it is in.
func (a *Article) In(l lang.Lang) (ArticleIn, lang.Lang) {
	for _, l := range append([]lang.Lang{l, lang.English}, lang.All...) {
		if x := a.Texts[l]; x.Title != "" {
			return x, l
		}
	}
	return ArticleIn{}, lang.English
}

// Limits of an article.
const (
	maxTitle   = 120
	maxArticle = 60_000
)

func (a *Article) check() (field string, err error) {
	texts := map[lang.Lang]ArticleIn{}
	for _, l := range lang.All {
		x := a.Texts[l]
		x.Title, x.Text = strings.Join(strings.Fields(x.Title), " "), strings.TrimSpace(strings.ReplaceAll(x.Text, "\r\n", "\n"))
		switch {
		case x.Title == "" && x.Text == "":
			continue
		case x.Title == "" || len([]rune(x.Title)) > maxTitle:
			return "title-" + string(l), fail.New(fail.Invalid, "give it a title of up to 120 letters")
		case x.Text == "":
			return "text-" + string(l), fail.New(fail.Invalid, "write the text")
		case len(x.Text) > maxArticle:
			return "text-" + string(l), fail.New(fail.Invalid, "the text is longer than 60,000 characters; make two articles of it")
		}
		texts[l] = x
	}
	if a.Texts = texts; len(texts) == 0 {
		return "title-" + string(lang.English), fail.New(fail.Invalid, "write it in at least one language")
	}
	return "", nil
}

// markdown omits raw HTML and dangerous addresses; that is goldmark's default.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(lower{}, 100))))

// lower puts headings below the page's own, and makes pictures words: a page loads
// nothing from elsewhere.
type lower struct{}

func (lower) Transform(doc *ast.Document, r text.Reader, _ parser.Context) {
	var pictures []*ast.Image
	var headings []*ast.Heading
	top := 6
	ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			headings, top = append(headings, n), min(top, n.Level)
		case *ast.Image:
			pictures = append(pictures, n)
		case *extast.TableHeader:
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				c.SetAttributeString("scope", "col")
			}
		}
		return ast.WalkContinue, nil
	})
	last := 1 // no level is left out, whatever was written
	for _, h := range headings {
		last = min(h.Level-top+2, last+1, 6)
		h.Level = last
	}
	for _, p := range pictures {
		words := ast.NewEmphasis(1)
		for c := p.FirstChild(); c != nil; {
			next := c.NextSibling()
			words.AppendChild(words, c)
			c = next
		}
		p.Parent().ReplaceChild(p.Parent(), p, words)
	}
}

// HTML renders the text.
func (x ArticleIn) HTML() (template.HTML, error) {
	var b bytes.Buffer
	if err := markdown.Convert([]byte(x.Text), &b); err != nil {
		return "", fmt.Errorf("render an article: %w", err)
	}
	return template.HTML(b.String()), nil // goldmark escapes what is not Markdown
}

// Shelf is all articles as they stand, findable.
type Shelf struct {
	list  []Article // newest versions, by title
	words []entry
}

// entry is an article in one language, by its words.
type entry struct {
	n     int // in list
	lang  lang.Lang
	title map[string]bool
	text  map[string]bool
}

// All lists the articles, drafts too, by title.
func (s *Shelf) All() []Article {
	if s == nil {
		return nil
	}
	return s.list
}

// Get returns an article; nil if there is none.
func (s *Shelf) Get(id string) *Article {
	if s == nil {
		return nil
	}
	if i := slices.IndexFunc(s.list, func(a Article) bool { return a.ID == id }); i >= 0 {
		return &s.list[i]
	}
	return nil
}

// About lists the published articles on a topic; "" lists all.
func (s *Shelf) About(topic string) (out []*Article) {
	if s == nil {
		return nil
	}
	for i := range s.list {
		if a := &s.list[i]; a.Published && (topic == "" || a.Topic == topic) {
			out = append(out, a)
		}
	}
	return out
}

// words that say nothing of what a text is about, in both languages.
var idle = func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(`the a an and or of to in on at is are was be i you we it my your our for with how what when where why can do does did not no have has this that from by if me please
		der die das den dem des ein eine einen einem einer und oder von zu im in am an auf ist sind war ich sie wir es mein meine ihr ihre unser für mit wie was wann wo warum kann können nicht kein keine haben hat dieser diese dies aus bei wenn mir bitte`) {
		out[fold(w)] = true
	}
	return out
}()

// fold takes case and marks away: Straße and strasse, für and fur find each other.
func fold(w string) string {
	w = strings.ReplaceAll(strings.ToLower(w), "ß", "ss")
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(w))
}

func setOfWords(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) }) {
		if w = fold(w); len(w) > 1 && !idle[w] {
			out[w] = true
		}
	}
	return out
}

// Find searches the published articles, the best first, at most limit. A word finds
// words that begin like it; a title counts more, and so does the visitor's language.
func (s *Shelf) Find(l lang.Lang, query string, limit int) []*Article {
	if s == nil {
		return nil
	}
	if len(query) > 4000 {
		query = query[:4000]
	}
	want := setOfWords(query)
	score := map[int]int{}
	for _, e := range s.words {
		n := 0
		for w := range want {
			switch {
			case e.title[w]:
				n += 8
			case begins(e.title, w):
				n += 5
			case e.text[w]:
				n += 2
			case begins(e.text, w):
				n++
			}
		}
		if n > 0 && e.lang == l {
			n++
		}
		score[e.n] = max(score[e.n], n)
	}
	least := 2
	if len(want) > 8 { // a whole message has some word in common with any text
		least = 8
	}
	var found []int
	for n, points := range score {
		if points >= least {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b int) int { return cmp.Or(cmp.Compare(score[b], score[a]), cmp.Compare(a, b)) })
	var out []*Article
	for _, n := range found[:min(len(found), limit)] {
		out = append(out, &s.list[n])
	}
	return out
}

// begins reports whether a word of the set begins like w, or w like it: card, cards.
func begins(set map[string]bool, w string) bool {
	if len(w) < 4 {
		return false
	}
	for x := range set {
		if strings.HasPrefix(x, w) || len(x) >= 4 && strings.HasPrefix(w, x) {
			return true
		}
	}
	return false
}

// Shelf is the articles as they stand.
func (s *Store) Shelf() *Shelf {
	if s == nil {
		return nil
	}
	return s.shelf.Load()
}

type articleRow struct {
	Article
	doc string
}

func scanArticle(r *articleRow, row func(...any) error) error {
	return row(&r.ID, &r.Version, &r.doc, &r.By, db.Time(&r.At))
}

func (r *articleRow) open() (Article, error) {
	a := r.Article
	if err := json.Unmarshal([]byte(r.doc), &a); err != nil {
		return a, fmt.Errorf("read article %s: %w", r.ID, err)
	}
	return a, nil
}

func (s *Store) loadArticles(ctx context.Context) error {
	var rows []articleRow
	err := s.d.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = db.List(ctx, tx, scanArticle, `SELECT id, version, doc, actor, made_at FROM articles a WHERE version = (SELECT MAX(version) FROM articles WHERE id = a.id)`)
		return err
	})
	if err != nil {
		return err
	}
	shelf := &Shelf{}
	var bad error
	for n := range rows {
		a, err := rows[n].open()
		if err != nil {
			bad = fail.Wrap(fail.Invalid, err, "a stored article cannot be read")
			continue
		}
		shelf.list = append(shelf.list, a)
	}
	slices.SortFunc(shelf.list, func(a, b Article) int {
		x, _ := a.In(lang.English)
		y, _ := b.In(lang.English)
		return cmp.Or(strings.Compare(strings.ToLower(x.Title), strings.ToLower(y.Title)), strings.Compare(a.ID, b.ID))
	})
	for n, a := range shelf.list {
		if !a.Published {
			continue
		}
		for l, x := range a.Texts {
			shelf.words = append(shelf.words, entry{n, l, setOfWords(x.Title), setOfWords(x.Text)})
		}
	}
	s.shelf.Store(shelf)
	return bad
}

var articleID = regexp.MustCompile(`^[a-z0-9-]{1,60}$`)

// SaveArticle keeps a new version of an article, or a new one (version 0). What is wrong
// is Invalid at a field; somebody else's change in between is a Conflict.
func (s *Store) SaveArticle(ctx context.Context, actor string, a *Article) (field string, err error) {
	if field, err := a.check(); err != nil {
		return field, err
	}
	for _, l := range lang.All {
		x := a.Texts[l]
		if err := s.misleads(ctx, x.Title+"\n"+x.Text); err != nil {
			return "text-" + string(l), err
		}
	}
	if a.Topic != "" && s.Tree().Topic(a.Topic) == nil {
		return "topic", fail.New(fail.Invalid, "there is no such topic")
	}
	if err := s.loadArticles(ctx); err != nil {
		return "", err
	}
	if a.ID == "" {
		x, _ := a.In(lang.English)
		a.ID = strings.Trim(slug(x.Title), "-")
		for n := 2; s.Shelf().Get(a.ID) != nil || a.ID == "" || a.ID == "new"; n++ {
			a.ID = strings.Trim(fmt.Sprintf("%s-%d", slug(x.Title), n), "-")
		}
	}
	if a.ID = a.ID[:min(len(a.ID), 60)]; !articleID.MatchString(a.ID) {
		return "title-en", fail.New(fail.Invalid, "give it a title with some plain letters")
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("keep an article: %w", err)
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		newest, err := db.Count(ctx, tx, `SELECT COALESCE(MAX(version), 0) FROM articles WHERE id = $1`, a.ID)
		if err != nil {
			return err
		}
		if newest != a.Version {
			return fail.New(fail.Conflict, "somebody else changed it in the meantime; nothing was saved")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO articles (id, version, doc, actor, made_at) VALUES ($1, $2, $3, $4, $5)`, a.ID, newest+1, string(doc), actor, db.Micros(tx.Now)); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "article.saved", About: a.ID, Detail: fmt.Sprintf("version %d", newest+1)})
	})
	if err != nil {
		return "", err
	}
	return "", s.loadArticles(ctx)
}

// ArticleVersions lists what an article was, newest first.
func (s *Store) ArticleVersions(ctx context.Context, tx *db.Tx, id string) ([]Article, error) {
	rows, err := db.List(ctx, tx, scanArticle, `SELECT id, version, doc, actor, made_at FROM articles WHERE id = $1 ORDER BY version DESC`, id)
	if err != nil {
		return nil, err
	}
	var out []Article
	for n := range rows {
		a, err := rows[n].open()
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// votesADay is how often one network says of one article whether it helped.
const votesADay = 3

// Vote notes whether an article helped. More than a few from one network count no
// further, and nobody is told.
func (s *Store) Vote(ctx context.Context, a *Article, yes bool, network string) error {
	err := s.d.Update(ctx, func(tx *db.Tx) error {
		if err := s.count(ctx, tx, "vote-"+a.ID, network, votesADay); err != nil {
			return err
		}
		column := "no"
		if yes {
			column = "yes"
		}
		return tx.Put(ctx, `INSERT INTO article_votes (id, version, day, `+column+`) VALUES ($1, $2, $3, 1)
			ON CONFLICT (id, version, day) DO UPDATE SET `+column+` = article_votes.`+column+` + 1`, a.ID, a.Version, tx.Now.Unix()/86400)
	})
	if fail.Is(err, fail.TooMany) {
		return nil
	}
	return err
}

// Votes is how often an article helped, and did not.
type Votes struct{ Yes, No int64 }

// AllVotes counts by article, over all of its versions.
func AllVotes(ctx context.Context, tx *db.Tx) (map[string]Votes, error) {
	type row struct {
		id string
		v  Votes
	}
	list, err := db.List(ctx, tx, func(r *row, scan func(...any) error) error { return scan(&r.id, &r.v.Yes, &r.v.No) },
		`SELECT id, CAST(SUM(yes) AS BIGINT), CAST(SUM(no) AS BIGINT) FROM article_votes GROUP BY id`)
	out := map[string]Votes{}
	for _, r := range list {
		out[r.id] = r.v
	}
	return out, err
}

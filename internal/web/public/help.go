package public

import (
	"net/http"
	"strings"

	"postern/internal/centre"
	"postern/internal/fail"
	"postern/internal/web"
)

// help serves GET /help: what was searched for, or all there is. Whatever is found,
// the page ends with the two doors.
func (s *Site) help(w http.ResponseWriter, r *http.Request) error {
	p := HelpPage{Public: s.page(r), Query: strings.TrimSpace(r.FormValue("q"))}
	if len(p.Query) > 200 {
		p.Query = strings.ToValidUTF8(p.Query[:200], "")
	}
	p.Topics = s.Centre.Tree().List(p.Lang)
	list := s.Centre.Shelf().About("")
	if p.Query != "" {
		list = s.Centre.Shelf().Find(p.Lang, p.Query, 12)
	}
	p.Articles = s.leaves(p.Public, list)
	return web.Render(w, r, Templates, "help", p)
}

// leaves are articles as a list shows them.
func (s *Site) leaves(p web.Public, list []*centre.Article) (out []Leaf) {
	for _, a := range list {
		x, l := a.In(p.Lang)
		out = append(out, Leaf{URL: "/help/" + a.ID, Title: x.Title, Lang: string(l), First: firstWords(x.Text)})
	}
	return out
}

// firstWords is the beginning of an article, without its marks.
func firstWords(markdown string) string {
	for para := range strings.SplitSeq(markdown, "\n\n") {
		para = strings.Join(strings.Fields(para), " ")
		if para == "" || strings.ContainsAny(para[:1], "#|-*>!`1[") {
			continue
		}
		para = strings.NewReplacer("**", "", "*", "", "`", "").Replace(para)
		if r := []rune(para); len(r) > 140 {
			return strings.TrimRight(string(r[:140]), " ,;:") + "…"
		}
		return para
	}
	return ""
}

// article serves GET /help/{id}, and POST with its answer to "did this help?".
func (s *Site) article(w http.ResponseWriter, r *http.Request) error {
	p := ArticlePage{Public: s.page(r)}
	a := s.Centre.Shelf().Get(r.PathValue("id"))
	if a == nil || !a.Published {
		return fail.New(fail.NotFound, "%s", p.Lang.Must("help.gone"))
	}
	x, l := a.In(p.Lang)
	p.ID, p.Title, p.In, p.Changed, p.Topic = a.ID, x.Title, string(l), p.When(a.At), a.Topic
	if p.Topic == "" {
		p.Topic = centre.SomethingElse
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 1024)
		p.Said = r.PostFormValue("helped")
		if p.Said != "yes" && p.Said != "no" {
			return fail.New(fail.Invalid, "%s", p.Lang.Must("help.choose"))
		}
		if err := s.Centre.Vote(r.Context(), a, p.Said == "yes", web.Network(r)); err != nil {
			return err
		}
		return web.Render(w, r, Templates, "article-said", p)
	}
	var err error
	if p.Body, err = x.HTML(); err != nil {
		return err
	}
	return web.Render(w, r, Templates, "article", p)
}

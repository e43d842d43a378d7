package desk

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/lang"
	"postern/internal/web"
)

// articles serves GET /desk/articles: every article, and whether it helped.
func (d *Desk) articles(w http.ResponseWriter, r *http.Request, me *visitor) error {
	ctx := r.Context()
	p := ArticlesPage{Staff: d.chrome(me, "articles")}
	var votes map[string]centre.Votes
	err := d.db.View(ctx, func(tx *db.Tx) (err error) {
		if votes, err = centre.AllVotes(ctx, tx); err != nil {
			return err
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	for _, a := range d.o.Centre.Shelf().All() {
		x, _ := a.In(lang.English)
		row := ArticleRow{ID: a.ID, Title: x.Title, Published: a.Published, Changed: p.When(a.At), Votes: votes[a.ID]}
		for _, l := range lang.All {
			if a.Texts[l].Title != "" {
				row.Langs = append(row.Langs, l.Name())
			}
		}
		if a.Topic != "" {
			row.Topic, _ = d.topicOptions(&cases.Case{Topic: a.Topic})
		}
		p.Rows = append(p.Rows, row)
	}
	return web.Render(w, r, Templates, "articles", p)
}

// articlePage serves GET /desk/articles/{id}; the id "new" is a blank one.
func (d *Desk) articlePage(w http.ResponseWriter, r *http.Request, me *visitor) error {
	a := &centre.Article{}
	if id := r.PathValue("id"); id != "new" {
		if a = d.o.Centre.Shelf().Get(id); a == nil {
			return fail.New(fail.NotFound, "there is no such article")
		}
	}
	return d.showArticle(w, r, me, http.StatusOK, a, nil)
}

// saveArticle serves POST /desk/articles/{id}. With do=preview nothing is kept.
func (d *Desk) saveArticle(w http.ResponseWriter, r *http.Request, me *visitor) error {
	r.Body = http.MaxBytesReader(w, r.Body, 600_000)
	if err := r.ParseForm(); err != nil {
		return fail.New(fail.Invalid, "the texts are longer than 60,000 characters; make two articles of them")
	}
	a := &centre.Article{Topic: r.FormValue("topic"), Published: r.FormValue("published") != "", Texts: map[lang.Lang]centre.ArticleIn{}}
	if id := r.PathValue("id"); id != "new" {
		if d.o.Centre.Shelf().Get(id) == nil {
			return fail.New(fail.NotFound, "there is no such article")
		}
		a.ID = id
		a.Version, _ = strconv.ParseInt(r.FormValue("version"), 10, 64) // nonsense is version 0, and conflicts
	}
	for _, l := range lang.All {
		a.Texts[l] = centre.ArticleIn{Title: r.FormValue("title-" + string(l)), Text: r.FormValue("text-" + string(l))}
	}
	if r.FormValue("do") == "preview" {
		return d.showArticle(w, r, me, http.StatusOK, a, nil)
	}
	field, err := d.o.Centre.SaveArticle(r.Context(), audit.Staff(me.ID()), a)
	if k := fail.KindOf(err); err != nil && k != fail.Invalid && k != fail.Conflict {
		return err
	}
	if err != nil {
		return d.showArticle(w, r, me, web.StatusOf(err), a, web.Errors{{Field: cmp.Or(field, "title-en"), Text: upperFirst(fail.Text(err)) + "."}})
	}
	return back(w, r, "/desk/articles")
}

func (d *Desk) showArticle(w http.ResponseWriter, r *http.Request, me *visitor, status int, a *centre.Article, errs web.Errors) error {
	ctx := r.Context()
	x, _ := a.In(lang.English)
	p := ArticlePage{Staff: d.chrome(me, "articles"), ID: cmp.Or(a.ID, "new"), Title: x.Title, Version: a.Version, Published: a.Published}
	p.Errors = errs
	_, topics := d.topicOptions(&cases.Case{Topic: a.Topic})
	p.Topics = slices.DeleteFunc(topics, func(o Option) bool { return centre.IsDoor(o.ID) })
	for _, l := range lang.All {
		x := a.Texts[l]
		t := ArticleText{Lang: string(l), Name: l.Name(), Title: x.Title, Text: x.Text, Wrong: errs.Of("title-" + string(l)), WrongText: errs.Of("text-" + string(l))}
		if x.Text != "" {
			var err error
			if t.Preview, err = x.HTML(); err != nil {
				return err
			}
		}
		p.Texts = append(p.Texts, t)
	}
	err := d.db.View(ctx, func(tx *db.Tx) error {
		p.Versions = nil
		if a.ID != "" {
			list, err := d.o.Centre.ArticleVersions(ctx, tx, a.ID)
			if err != nil {
				return err
			}
			for _, v := range list {
				x, _ := v.In(lang.English)
				p.Versions = append(p.Versions, ReplyVersion{N: v.Version, At: p.When(v.At), By: d.nameOf(strings.TrimPrefix(v.By, audit.Staff(""))), Text: x.Title + "\n\n" + x.Text})
			}
		}
		return d.fillChrome(ctx, tx, me, &p.Staff, "")
	})
	if err != nil {
		return err
	}
	return web.RenderStatus(w, r, status, Templates, "article-edit", p)
}

package publications

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/advisory"
	"postern/internal/cases"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/gpgtest"
	"postern/internal/lang"
)

// desk is what the desk's pages do with advisories, each in a transaction.
type desk struct {
	*lab
	t *testing.T
}

func (d desk) update(f func(tx *db.Tx) error) error { return d.DB.Update(d.t.Context(), f) }

func (d desk) save(r *Record) error {
	return d.update(func(tx *db.Tx) error { return Save(d.t.Context(), tx, "staff:noor", r) })
}

func (d desk) publish(id string) (r *Record, err error) {
	err = d.update(func(tx *db.Tx) (err error) {
		r, err = d.Publish(d.t.Context(), tx, "staff:noor", id)
		return err
	})
	return r, err
}

func (d desk) inForce(id string) (r *Record) {
	d.t.Helper()
	err := d.DB.View(d.t.Context(), func(tx *db.Tx) (err error) { r, err = PublishedAs(d.t.Context(), tx, id); return err })
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d desk) newest(id string) (r *Record) {
	d.t.Helper()
	err := d.DB.View(d.t.Context(), func(tx *db.Tx) (err error) { r, err = Get(d.t.Context(), tx, id); return err })
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d desk) must(f func(tx *db.Tx) error) {
	d.t.Helper()
	if err := d.update(f); err != nil {
		d.t.Fatal(err)
	}
}

func draft(id cases.ID) *Record {
	return &Record{Case: id, Advisory: advisory.Advisory{Texts: map[lang.Lang]advisory.Text{lang.English: {Title: "Names in clear", Wrong: "They went over HTTP.", Done: "They do not."}},
		Products: []advisory.Product{{Name: "Address page", Affected: []string{"2026-11-01"}}}}}
}

func eachDesk(t *testing.T, f func(d desk)) {
	for name, open := range dbtest.URLs() {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, open, "support@northmere.example")
			l.Org = func() string { return "Northmere Savings" }
			f(desk{l, t})
		})
	}
}

func TestWhatWasPublishedDoesNotChange(t *testing.T) {
	eachDesk(t, func(d desk) {
		t, ctx := d.t, d.t.Context()
		r := draft("c-1")
		if err := d.save(r); err != nil || r.ID != "SA-2026-0001" || r.Version != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		second := draft("c-2")
		if err := d.save(second); err != nil || second.ID != "SA-2026-0002" {
			t.Fatalf("%s, %v", second.ID, err)
		}
		stale := *r
		d.now = d.now.Add(day)
		r.Texts[lang.English] = advisory.Text{Title: "Names in clear", Wrong: "Names and addresses went over HTTP.", Done: "They do not."}
		if err := d.save(r); err != nil || r.Version != 1 {
			t.Fatalf("a draft written further: version %d, %v", r.Version, err)
		}
		if err := d.save(&stale); !fail.Is(err, fail.Conflict) {
			t.Errorf("over somebody else's change: %v", err)
		}
		err := d.DB.View(ctx, func(tx *db.Tx) error { _, err := PublishedAs(ctx, tx, r.ID); return err })
		if !fail.Is(err, fail.NotFound) {
			t.Errorf("a draft is read: %v", err)
		}
		if _, err := d.publish(r.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.publish(r.ID); !fail.Is(err, fail.Conflict) {
			t.Errorf("published twice: %v", err)
		}
		first := d.inForce(r.ID)
		if first.Version != 1 || len(first.Revisions) != 1 || first.Revisions[0].Summary != "First published." || !first.Published.Equal(d.now) {
			t.Errorf("%+v", first)
		}
		next := *first
		next.Texts = map[lang.Lang]advisory.Text{lang.English: {Title: "Names in clear, again", Wrong: "x", Done: "y"}}
		d.now = d.now.Add(day)
		if err := d.save(&next); err != nil || next.Version != 2 {
			t.Fatalf("what follows a published version: %d, %v", next.Version, err)
		}
		if got := d.inForce(r.ID); got.Version != 1 || got.Texts[lang.English].Title != "Names in clear" {
			t.Errorf("a draft changed what is published: %+v", got)
		}
		if _, err := d.publish(r.ID); !fail.Is(err, fail.Invalid) {
			t.Errorf("a new version without a word about what is new: %v", err)
		}
		next.Change = "There was more."
		if err := d.save(&next); err != nil {
			t.Fatal(err)
		}
		if _, err := d.publish(r.ID); err != nil {
			t.Fatal(err)
		}
		var all []Record
		d.must(func(tx *db.Tx) (err error) { all, err = Versions(ctx, tx, r.ID); return err })
		if len(all) != 2 || all[1].Texts[lang.English].Title != "Names in clear" || len(all[1].Revisions) != 1 || len(all[0].Revisions) != 2 || all[0].Revisions[1].Summary != "There was more." {
			t.Errorf("versions %+v", all)
		}
		d.must(func(tx *db.Tx) error {
			n, err := tx.Exec(ctx, `UPDATE advisories SET doc = doc WHERE id = $1 AND version = 1 AND published_at = 0`, r.ID)
			list, _ := Published(ctx, tx)
			mine, _ := OfCase(ctx, tx, "c-2")
			every, _ := AllAdvisories(ctx, tx)
			if n != 0 || len(list) != 1 || len(mine) != 1 || mine[0].ID != second.ID || len(every) != 2 {
				t.Errorf("%d, %d, %d, %d", n, len(list), len(mine), len(every))
			}
			return err
		})
	})
}

func TestOnlyWhatIsFitIsPublished(t *testing.T) {
	eachDesk(t, func(d desk) {
		for name, change := range map[string]func(*Record){
			"no text": func(r *Record) { r.Texts = nil }, "amber": func(r *Record) { r.TLP = "AMBER" }, "a range": func(r *Record) { r.Products[0].Affected = []string{"< 2"} },
			"unknown weakness": func(r *Record) { r.CWE = "CWE-1" }, "a change of two lines too long": func(r *Record) { r.Change = strings.Repeat("a ", 200) },
		} {
			r := draft("c-1")
			change(r)
			if err := d.save(r); err != nil {
				t.Errorf("%s: an unfinished draft is not kept: %v", name, err)
			}
			if _, err := d.publish(r.ID); !fail.Is(err, fail.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		huge := draft("c-1")
		huge.Texts[lang.English] = advisory.Text{Title: "x", Wrong: strings.Repeat("a", maxDoc), Done: "y"}
		if err := d.save(huge); !fail.Is(err, fail.Invalid) {
			t.Errorf("a huge one: %v", err)
		}
		if _, err := d.publish("SA-1999-0001"); !fail.Is(err, fail.NotFound) {
			t.Errorf("one that never was: %v", err)
		}
	})
}

// TestAWithdrawnNameStandsInNoAdvisory: with the consent a name is in the document;
// without it, in a version more, and in no row.
func TestAWithdrawnNameStandsInNoAdvisory(t *testing.T) {
	eachDesk(t, func(d desk) {
		t, ctx := d.t, d.t.Context()
		consent := func(name string) {
			d.must(func(tx *db.Tx) error { return Consent(ctx, tx, "contact:x", Credit{Case: "c-1", Name: name}) })
		}
		r := draft("c-1")
		if err := d.save(r); err != nil {
			t.Fatal(err)
		}
		consent("Ada Brandt")
		if p, err := d.publish(r.ID); err != nil || len(p.Thanks) != 0 {
			t.Fatalf("thanked before it was shown: %v, %v", p, err)
		}
		d.must(func(tx *db.Tx) error { return ShowCredit(ctx, tx, "staff:noor", "c-1") })
		if got := d.inForce(r.ID); len(got.Thanks) != 0 {
			t.Error("a published version got a name")
		}
		next := d.newest(r.ID)
		next.Change = "Thanks."
		if err := d.save(next); err != nil {
			t.Fatal(err)
		}
		if p, err := d.publish(r.ID); err != nil || len(p.Thanks) != 1 {
			t.Fatalf("%v, %v", p, err)
		}
		path := "white/" + d.inForce(r.ID).Path()
		document := func() string {
			f, err := d.CSAF(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			return string(f.Data)
		}
		if !strings.Contains(document(), "Ada Brandt") {
			t.Error("no thanks in the document")
		}
		draft := d.newest(r.ID)
		draft.Change = "Being written."
		if err := d.save(draft); err != nil {
			t.Fatal(err)
		}
		consent("ada")
		if got := document(); strings.Contains(got, "Ada Brandt") || !strings.Contains(got, `"ada"`) || !strings.Contains(got, `"version": "3"`) {
			t.Errorf("another name: %s", got)
		}
		d.must(func(tx *db.Tx) error { return WithdrawCredit(ctx, tx, "contact:x", "c-1") })
		if got := document(); strings.Contains(got, "ada\"") || strings.Contains(got, "acknowledgments") || !strings.Contains(got, `"version": "4"`) || !strings.Contains(got, "A name was taken out") {
			t.Errorf("withdrawn: %s", got)
		}
		if got := d.newest(r.ID); got.Version != 5 || got.Change != "Being written." || !got.Published.IsZero() {
			t.Errorf("the draft: %+v", got)
		}
		d.must(func(tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM advisories WHERE doc LIKE '%Brandt%' OR doc LIKE '%"ada"%'`)
			if n != 0 {
				t.Error("a row holds the name")
			}
			return err
		})
		if _, err := d.publish(r.ID); err != nil || len(d.inForce(r.ID).Thanks) != 0 {
			t.Errorf("published after that: %v", err)
		}
	})
}

// TestFilesForPrograms walks as a program does: from the metadata to the feed, to a
// document, its sums and its signature; what is not published is nowhere.
func TestFilesForPrograms(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example")
	l.Org = func() string { return "Northmere Savings" }
	d := desk{l, t}
	get := func(name string) string {
		f, err := d.CSAF(t.Context(), name)
		if err != nil {
			return err.Error()
		}
		return string(f.Data)
	}
	if got := get("white/index.txt"); got != "" {
		t.Errorf("an index of nothing: %q", got)
	}
	r, note, amber := draft("c-1"), draft("c-2"), draft("c-3")
	note.Products = nil
	for _, x := range []*Record{r, note, amber} {
		if err := d.save(x); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{r.ID, note.ID} {
		if _, err := d.publish(id); err != nil {
			t.Fatal(err)
		}
	}
	key := d.Mailboxes.All()[0].Secret.Public()
	if got := get("provider-metadata.json"); !strings.Contains(got, site+"/.well-known/csaf/white/csaf-feed-tlp-white.json") || !strings.Contains(got, string(key.Fingerprint())) {
		t.Error(got)
	}
	if got := get("white/csaf-feed-tlp-white.json"); !strings.Contains(got, site+"/.well-known/csaf/white/2026/sa-2026-0001.json.asc") || strings.Contains(got, "0002") || strings.Contains(got, "0003") {
		t.Error(got)
	}
	if got := get("white/index.txt"); got != "2026/sa-2026-0001.json\n" {
		t.Errorf("%q", got)
	}
	doc := get("white/2026/sa-2026-0001.json")
	g := gpgtest.New(t)
	g.Import(key.Armored())
	for _, beside := range []string{".sha256", ".sha512"} {
		if got := get("white/2026/sa-2026-0001.json" + beside); !strings.HasSuffix(got, "  sa-2026-0001.json\n") {
			t.Errorf("%s: %q", beside, got)
		}
	}
	sig := filepath.Join(t.TempDir(), "sig")
	if err := os.WriteFile(sig, []byte(get("white/2026/sa-2026-0001.json.asc")), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(data string) (gpgtest.Status, error) { // at the desk's time
		_, status, err := g.Run([]byte(data), "--faked-system-time", d.now.Format("20060102T150405!"), "--verify", sig, "-")
		return status, err
	}
	if status, err := verify(doc); err != nil || !status.Has("GOODSIG") {
		t.Errorf("gpg: %v, %s", err, status)
	}
	if status, err := verify(doc + " "); err == nil || !status.Has("BADSIG") {
		t.Errorf("gpg, of a changed document: %v, %s", err, status)
	}
	for _, none := range []string{"", "white", "white/2026/sa-2026-0002.json", "white/2026/sa-2026-0003.json", "white/2025/sa-2026-0001.json", "amber/index.txt", "white/2026/sa-2026-0001.json.md5", "../security.txt", "white/2026/../index.txt"} {
		if _, err := d.CSAF(t.Context(), none); !fail.Is(err, fail.NotFound) {
			t.Errorf("%q: %v", none, err)
		}
	}
	for folder, want := range map[string]string{"": "provider-metadata.json white/", "white/": "csaf-feed-tlp-white.json changes.csv index.txt 2026/", "white/2026/": "sa-2026-0001.json sa-2026-0001.json.asc sa-2026-0001.json.sha256 sa-2026-0001.json.sha512"} {
		if got, err := d.Listing(t.Context(), folder); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v", folder, got, err)
		}
	}
	for _, none := range []string{"red/", "white/2025/", "white/2026/x/", "/"} {
		if _, err := d.Listing(t.Context(), none); !fail.Is(err, fail.NotFound) {
			t.Errorf("%q is a folder: %v", none, err)
		}
	}
	if f, err := d.OSV(t.Context(), r.ID); err != nil || !strings.Contains(string(f.Data), r.ID) {
		t.Error(err)
	}
	for _, none := range []string{note.ID, amber.ID, "SA-1"} {
		if _, err := d.OSV(t.Context(), none); !fail.Is(err, fail.NotFound) {
			t.Errorf("OSV of %s: %v", none, err)
		}
	}
}

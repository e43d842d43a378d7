package centre

import (
	"strings"
	"testing"

	"postern/internal/lang"
)

func shelfOf(list ...Article) *Shelf {
	s := &Shelf{list: list}
	for n, a := range list {
		for l, x := range a.Texts {
			s.words = append(s.words, entry{n, l, setOfWords(x.Title), setOfWords(x.Text)})
		}
	}
	return s
}

func TestFindsWhatPeopleMean(t *testing.T) {
	s := shelfOf(Article{ID: "card", Published: true, Texts: map[lang.Lang]ArticleIn{lang.English: {"Card lost or stolen", "Block it at once. A replacement comes by post."}, lang.German: {"Karte verloren oder gestohlen", "Sperren Sie sie sofort. Der Ersatz kommt mit der Post in Ihre Straße."}}},
		Article{ID: "bill", Published: true, Texts: map[lang.Lang]ArticleIn{lang.English: {"A bill came twice", "Pay it once. The second is void."}}},
		Article{ID: "hours", Published: true, Texts: map[lang.Lang]ArticleIn{lang.English: {"When we are open", "Monday to Friday, nine to five."}}})
	for _, c := range []struct {
		l           lang.Lang
		query, want string
	}{
		{lang.English, "lost my card", "card"}, {lang.English, "CARDS", "card"}, {lang.English, "bill", "bill"}, {lang.English, "the bill that I lost", "bill card"},
		{lang.German, "karte", "card"}, {lang.German, "strasse", "card"}, {lang.German, "STRASSE", "card"}, {lang.English, "opening", "hours"}, {lang.English, "the of and", ""}, {lang.English, "", ""}, {lang.English, "zebra", ""},
		{lang.English, "Dear all, I have been waiting for three weeks now for a word about my complaint of last month, and nobody of you seems to read what is written there", ""},
	} {
		var got []string
		for _, a := range s.Find(c.l, c.query, 5) {
			got = append(got, a.ID)
		}
		if g := strings.Join(got, " "); g != c.want && !(c.want == "bill card" && g == "card bill") {
			t.Errorf("%q: %q, want %q", c.query, g, c.want)
		}
	}
}

// TestArticlesCarryNoMarkup: what an article says is text; nothing in it runs, loads or
// leads to a script.
func TestArticlesCarryNoMarkup(t *testing.T) {
	for _, text := range []string{"<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](https://evil.example/pixel.png)", "<img src=x onerror=alert(1)>", "[x](data:text/html,<script>)", "<https://a.example/\" onclick=\"x>",
		"```\n</code></pre><script>\n```", "[x](https://a.example \"t\\\" onmouseover=\\\"x\")", "<style>*{display:none}</style>", "<iframe src=//evil.example>"} {
		h, err := ArticleIn{Text: text}.HTML()
		if err != nil {
			t.Fatal(err)
		}
		low := strings.ToLower(string(h))
		for _, bad := range []string{"<script", "<img", "<style", "<iframe", "href=\"javascript", "href=\"data:", " onclick=\"", " onerror", "\" onmouseover"} {
			if strings.Contains(low, bad) {
				t.Errorf("%q holds %q: %s", text, bad, h)
			}
		}
	}
}

func TestHeadingsStandBelowThePages(t *testing.T) {
	for text, want := range map[string]string{"# A\n\n## B": "<h2>A</h2>\n<h3>B</h3>\n", "### A\n\n#### B\n\n### C": "<h2>A</h2>\n<h3>B</h3>\n<h2>C</h2>\n", "## A\n\n###### B": "<h2>A</h2>\n<h3>B</h3>\n", "## A\n\n# B": "<h2>A</h2>\n<h2>B</h2>\n"} {
		h, _ := ArticleIn{Text: text}.HTML()
		if string(h) != want {
			t.Errorf("%q: %s", text, h)
		}
	}
}

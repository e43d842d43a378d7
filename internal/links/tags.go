package links

import (
	"strings"

	"golang.org/x/net/html"
)

// tags finds the targets that HTML in the text has, with the words that are shown for
// them. Our pages leave HTML out and our mails are plain; whoever pastes it into a text
// that is sent on by another system is told all the same.
func (f *finder) tags() {
	z := html.NewTokenizer(strings.NewReader(f.text))
	z.SetMaxBuf(1 << 20)
	href, shown, open := "", strings.Builder{}, false
	flush := func() {
		if open {
			f.target(href, shown.String())
		}
		href, open = "", false
		shown.Reset()
	}
	for {
		switch z.Next() {
		case html.ErrorToken:
			flush()
			return
		case html.TextToken:
			if open && shown.Len() < maxLabel {
				shown.Write(z.Text())
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "a" {
				flush()
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "a" {
				flush()
			}
			for _, a := range t.Attr {
				switch a.Key {
				case "href":
					if href, open = a.Val, t.Data == "a"; !open {
						f.target(href, "")
					}
				case "src", "action", "formaction", "background", "poster", "cite", "data":
					f.target(a.Val, "")
				}
			}
		}
	}
}

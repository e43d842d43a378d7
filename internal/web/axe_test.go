package web_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axe string

// runAxe asks for what WCAG 2.0 to 2.2, A and AA, say. The HTML of a foreign mail
// in its frame is not ours to judge.
const runAxe = `axe.run({exclude: [['iframe']]}, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => v.id + ' (' + v.impact + '): ' + n.target.join(' ') + ': ' + n.failureSummary.split('\n').slice(0, 2).join(' '))))`

// Every page, as wide as a desk and as narrow as a telephone, light and dark; dark in
// English alone, since another language changes no colour.
func TestNoPageShutsAnybodyOut(t *testing.T) {
	url, ctx := serveFixtures(t), browser(t)
	for _, f := range fixtures() {
		if !wanted(f.file) {
			continue
		}
		translated := strings.HasSuffix(f.file, "-de") || strings.HasSuffix(f.file, "-en-xa")
		for _, v := range []struct {
			width int64
			theme string
		}{{1280, "light"}, {1280, "dark"}, {390, "light"}} {
			if translated && v.theme == "dark" {
				continue
			}
			over, err := look(ctx, url+"/page/"+f.file, v.width, v.theme)
			if err != nil {
				t.Fatal(err)
			}
			if over > 0 {
				t.Errorf("%s at %d is %d pixels too wide", f.file, v.width, over)
			}
			if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](axe+"; true")); err != nil {
				t.Fatal(err)
			}
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range found {
				t.Errorf("%s, %d %s: %s", f.file, v.width, v.theme, x)
			}
		}
	}
}

// A check that finds nothing must be able to find something.
func TestAxeFindsPlantedFaults(t *testing.T) {
	url, ctx := serveFixtures(t), browser(t)
	if _, err := look(ctx, url+"/page/"+fixtures()[0].file, 1280, "light"); err != nil {
		t.Fatal(err)
	}
	plant := `for (const tag of ['img', 'input', 'p']) document.body.append(document.createElement(tag));
		Object.assign(document.body.lastChild, {textContent: 'pale', style: 'color:#aaa;background:#fff'}); document.querySelector('body > img').src = '/x.png'; true`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](plant+"; "+axe+"; true")); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise))
	if err != nil || len(found) < 3 {
		t.Errorf("found %q, %v; want the three that were planted", found, err)
	}
}

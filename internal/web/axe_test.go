package web_test

import (
	"context"
	_ "embed"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axe string

// runAxe asks for what WCAG 2.0 to 2.2, A and AA, say. The HTML of a foreign mail
// in its frame is not ours to judge.
const runAxe = `axe.run({exclude: [['iframe']]}, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => v.id + ' (' + v.impact + '): ' + n.target.join(' ') + ': ' + n.failureSummary.split('\n').slice(0, 2).join(' '))))`

// Every page, as wide as a desk and as narrow as a telephone, light and dark. Two
// browsers share the pages; a page turns dark where it stands.
func TestNoPageShutsAnybodyOut(t *testing.T) {
	url, pages := serveFixtures(t), make(chan string)
	var done sync.WaitGroup
	for range 2 {
		ctx := browser(t)
		done.Go(func() {
			for file := range pages {
				for _, width := range []int64{1280, 390} {
					if err := shutsOut(t, ctx, url, file, width); err != nil {
						t.Errorf("%s at %d: %v", file, width, err)
					}
				}
			}
		})
	}
	for _, f := range fixtures() {
		if wanted(f.file) {
			pages <- f.file
		}
	}
	close(pages)
	done.Wait()
}

// shutsOut looks at one page, in light and in dark.
func shutsOut(t *testing.T, ctx context.Context, url, file string, width int64) error {
	over, err := look(ctx, url+"/page/"+file, width, "light")
	if err != nil {
		return err
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](axe+"; true")); err != nil {
		return err
	}
	for _, theme := range []string{"light", "dark"} {
		if theme == "dark" {
			if err := setTheme(ctx, theme); err != nil {
				return err
			}
			if over, err = tooWide(ctx, width); err != nil {
				return err
			}
		}
		if over > 0 {
			t.Errorf("%s at %d %s is %d pixels too wide", file, width, theme, over)
		}
		found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise))
		if err != nil {
			return err
		}
		for _, x := range found {
			t.Errorf("%s, %d %s: %s", file, width, theme, x)
		}
	}
	return nil
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

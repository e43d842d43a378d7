package browsertest

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Size makes the window so wide.
func (tab *Tab) Size(width int64) {
	tab.t.Helper()
	_, err := chromedp.Call(tab.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600})
	tab.must(err)
}

// Reach goes by the Tab key alone to what the selector names, and fails if that cannot
// be reached, or if the focus is ever where nobody sees it.
func (tab *Tab) Reach(sel string) {
	tab.t.Helper()
	for range 120 {
		tab.must(chromedp.Do(tab.ctx, chromedp.KeyEvent("\t")))
		s, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => { const e = document.activeElement; if (!e || e === document.body) return 'away';
			const r = e.getBoundingClientRect(); if (r.bottom < 0 || r.top > innerHeight) return 'hidden ' + e.outerHTML.slice(0, 120);
			return e.matches(%q) ? 'there' : 'on' })()`, sel)))
		tab.must(err)
		switch {
		case s == "there":
			return
		case len(s) > 6 && s[:6] == "hidden":
			tab.t.Fatalf("the focus is where nobody sees it: %s", s)
		}
	}
	tab.t.Fatalf("%s cannot be reached by the keyboard at %s:\n%s", sel, tab.URL(), tab.Text())
}

// Keys types where the focus is.
func (tab *Tab) Keys(text string) {
	tab.t.Helper()
	tab.must(chromedp.Do(tab.ctx, chromedp.KeyEvent(text)))
}

// Enter presses Enter, and waits for the page that follows.
func (tab *Tab) Enter() {
	tab.t.Helper()
	_, err := chromedp.RunResponse(tab.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return chromedp.KeyEvent("\r")(ctx, t)
	})
	tab.must(err)
}

// TooWide is by how many pixels the page is wider than the window.
func (tab *Tab) TooWide() int64 {
	tab.t.Helper()
	n, err := chromedp.Run(tab.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	tab.must(err)
	return n
}

// Value is what stands in a field.
func (tab *Tab) Value(sel string) string {
	tab.t.Helper()
	s, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).value`, sel)))
	tab.must(err)
	return s
}

// Vitals are what a page feels like: when its largest part was there, how much it jumped,
// and how long it took to answer a key, at most; times in milliseconds.
type Vitals struct{ LCP, CLS, INP float64 }

// Vitals measures the page that is shown, with one press of the Tab key.
func (tab *Tab) Vitals() Vitals {
	tab.t.Helper()
	watch := func(kind, options, of string) float64 {
		v, err := chromedp.Run(tab.ctx, chromedp.Evaluate[float64](`new Promise(done => { const list = [];
			new PerformanceObserver(l => list.push(...l.getEntries())).observe({type: '`+kind+`', buffered: true`+options+`});
			setTimeout(() => done(`+of+`), 300) })`, chromedp.EvalAwaitPromise))
		tab.must(err)
		return v
	}
	var v Vitals
	v.LCP = watch("largest-contentful-paint", "", "list.length ? list.at(-1).startTime : 0")
	v.CLS = watch("layout-shift", "", "list.reduce((n, e) => n + (e.hadRecentInput ? 0 : e.value), 0)")
	tab.Keys("\t")
	v.INP = watch("event", ", durationThreshold: 16", "list.reduce((n, e) => Math.max(n, e.duration), 16)") // shorter ones are not reported
	return v
}

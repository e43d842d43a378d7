package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"postern/internal/web"
	"postern/internal/web/desk"
)

// collect notes what the policy refused and what the scripts threw, from the first moment.
const collect = `window.refused = [];
document.addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective + ' ' + e.blockedURI));
window.addEventListener('error', e => refused.push(e.message));
window.addEventListener('unhandledrejection', e => refused.push(String(e.reason)));`

func watched(t *testing.T, ctx context.Context) {
	t.Helper()
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: collect}); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func js[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// until waits for a script to become true; a page has five seconds.
func until(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	for range 100 {
		if js[bool](t, ctx, script) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never true: %s; %s", script, js[string](t, ctx, `document.body.innerText.slice(0, 2000)`))
}

// TestPolicyFitsThePages opens every page under the real policy: nothing of
// ours is refused, nothing throws, and nothing is wider than a telephone.
func TestPolicyFitsThePages(t *testing.T) {
	url, ctx := serveFixtures(t), browser(t)
	watched(t, ctx)
	for _, f := range fixtures() {
		over, err := look(ctx, url+"/page/"+f.file, 390, "light")
		if err != nil {
			t.Fatal(err)
		}
		if over > 0 {
			t.Errorf("%s is %d pixels too wide at 390", f.file, over)
		}
		if refused := js[string](t, ctx, `refused.join('; ')`); refused != "" {
			t.Errorf("%s: %s", f.file, refused)
		}
		if wanted := js[string](t, ctx, `[...document.querySelectorAll('a.act, .btn, button, summary, .tabs a')].filter(e => { const r = e.getBoundingClientRect(); return r.width && !e.closest('.vh') && !e.matches('.vh, .tag') && r.height < 24 }).map(e => e.outerHTML.slice(0, 80)).join('; ')`); wanted != "" {
			t.Errorf("%s: too small to be hit: %s", f.file, wanted)
		}
	}
}

// TestComposerShowsHowItGoes types into the composer and sees the draft kept
// and the preview change, built from text alone.
func TestComposerShowsHowItGoes(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /static/{hash}/{name}", web.Static)
	mux.Handle("GET /", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		p := casePage()
		p.Compose.Findings, p.Compose.Todo, p.Compose.Send.Blocked = nil, "", false
		return web.Render(w, r, desk.Templates, "case", p)
	}))
	kept := make(chan string, 10)
	mux.Handle("POST /desk/cases/3/draft", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		kept <- r.FormValue("text")
		return web.JSON(w, desk.Saved{Saved: "8:21"})
	}))
	mux.Handle("POST /desk/cases/3/preview", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return web.JSON(w, desk.Preview{
			To:       []desk.Recipient{{ID: "c1", Protection: web.GoesByPortal("<b>now</b> sensitive"), Why: "Because."}},
			Findings: []desk.Finding{{ID: "f", Class: "warn", Icon: "alert", Title: "A <i>card</i> number", Text: "4242", Confirm: "I mean it"}},
			Send:     web.SendFor("portal", true), Shown: "portal", Todo: "Confirm it."})
	}))
	url := serve(t, mux)
	ctx := browser(t)
	watched(t, ctx)
	open(t, ctx, url)
	js[bool](t, ctx, `(() => { const x = document.getElementById('text'); x.value = 'My card is 4242'; x.dispatchEvent(new Event('input', {bubbles: true})); return true })()`)
	until(t, ctx, `document.querySelector('[data-saved]').textContent === 'Saved at 8:21'`)
	if got := <-kept; got != "My card is 4242" {
		t.Errorf("kept %q", got)
	}
	for _, want := range []string{
		`document.querySelector('[data-to=c1] .prot').innerText === 'Secure portal: <b>now</b> sensitive'`,
		`document.querySelector('[data-to=c1] .prot use').getAttribute('href').endsWith('#i-gate')`,
		`document.querySelector('[data-findings] strong').textContent === 'A <i>card</i> number'`,
		`document.querySelector('[data-findings] input').value === 'f'`,
		`document.querySelector('[data-send]').getAttribute('aria-disabled') === 'true'`,
		`document.querySelector('[data-todo]').textContent === 'Confirm it.'`,
		`document.querySelector('input[name=shown]').value === 'portal'`,
		`refused.length === 0`,
	} {
		if !js[bool](t, ctx, want) {
			t.Errorf("not so: %s (%s)", want, js[string](t, ctx, `refused.join()`))
		}
	}
}

// TestKeysOfTheDesk moves through the list by keys, and turns them off.
func TestKeysOfTheDesk(t *testing.T) {
	url, ctx := serveFixtures(t), browser(t)
	open(t, ctx, url+"/page/inbox")
	key := func(k string) {
		js[bool](t, ctx, fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true, cancelable: true}))`, k))
	}
	key("j")
	key("j")
	if got := js[string](t, ctx, `document.activeElement.textContent`); !strings.HasPrefix(got, "Jonas Feld") {
		t.Errorf("after j j: %q", got)
	}
	key("k")
	key("?")
	if !js[bool](t, ctx, `document.getElementById('keyhelp').open`) {
		t.Error("? shows no help")
	}
	js[bool](t, ctx, `document.getElementById('keyhelp-off').click(); document.getElementById('keyhelp').close(); document.activeElement.blur(); true`)
	key("j")
	if got := js[string](t, ctx, `document.activeElement.tagName`); got != "BODY" {
		t.Errorf("j still works: %s", got)
	}
}

// TestPasskeySaysWhatIsWrong presses the button where the server refuses.
func TestPasskeySaysWhatIsWrong(t *testing.T) {
	url, ctx := serveFixtures(t), browser(t)
	open(t, ctx, url+"/page/sign-in")
	js[bool](t, ctx, `document.querySelector('[data-passkey] button').click(); true`)
	until(t, ctx, `document.querySelector('[data-error]').textContent !== ''`)
}

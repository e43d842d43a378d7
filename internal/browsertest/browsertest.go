// Package browsertest drives a real Chromium, headless, for tests. It fails, and
// never skips, where there is none.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Browser is one Chromium.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Start starts Chromium. spki, the base64 SHA-256 of a certificate's public key,
// is trusted although the certificate is self-signed.
func Start(t testing.TB, spki string) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is not installed; install it with: apt-get install chromium")
	}
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(dir))
	if spki != "" {
		opts = append(opts, chromedp.Flag("ignore-certificate-errors-spki-list", spki))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop2 := chromedp.NewContext(ctx)
	t.Cleanup(func() { stop2(); stop(); os.RemoveAll(dir) })
	if err := chromedp.Do(ctx); err != nil { // starts it; tabs hang on it
		t.Fatal(err)
	}
	return &Browser{t, ctx}
}

// Tab is one page with cookies of its own.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	errors   []string // guarded by mu: what the console complained about
	requests []string // guarded by mu: every address asked for
}

// Option changes a tab before its first page.
type Option func(*Tab)

// NoJS turns scripts off.
func NoJS(tab *Tab) {
	_, err := chromedp.Call(tab.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	tab.must(err)
}

// Authenticator gives the tab a virtual passkey device that always says yes.
func Authenticator(tab *Tab) {
	_, err := chromedp.Call(tab.ctx, webauthn.Enable, webauthn.EnableParams{})
	tab.must(err)
	_, err = chromedp.Call(tab.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
		IsUserVerified: true, AutomaticPresenceSimulation: true}})
	tab.must(err)
}

// Tab opens a tab.
func (b *Browser) Tab(t testing.TB, opts ...Option) *Tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	ctx, stop2 := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(func() { stop2(); stop() })
	tab := &Tab{t: t, ctx: ctx}
	tab.must(chromedp.Do(ctx))
	// Both subscribe here, before the first page, and end with the tab.
	console, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if s := fmt.Sprint(m); strings.Contains(strings.ToLower(s), "error") || strings.Contains(s, "Content Security Policy") {
				tab.mu.Lock()
				tab.errors = append(tab.errors, s)
				tab.mu.Unlock()
			}
		}
	}()
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			tab.mu.Lock()
			tab.requests = append(tab.requests, e.Request.URL)
			tab.mu.Unlock()
		}
	}()
	for _, o := range opts {
		o(tab)
	}
	return tab
}

func (tab *Tab) must(err error) {
	tab.t.Helper()
	if err != nil {
		tab.t.Fatal(err)
	}
}

// Complaints are what the console said of errors and of the content policy.
func (tab *Tab) Complaints() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.errors...)
}

// Strangers are the requests that went to other places than those that begin
// with home; data: and blob: stay within the page.
func (tab *Tab) Strangers(home string) (out []string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, u := range tab.requests {
		if !strings.HasPrefix(u, home) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") && u != "about:blank" {
			out = append(out, u)
		}
	}
	return out
}

// Go opens an address.
func (tab *Tab) Go(url string) {
	tab.t.Helper()
	tab.must(chromedp.Do(tab.ctx, chromedp.Navigate(url)))
}

// Text is what the page shows, all of it; nothing while one page goes and the
// next has not come.
func (tab *Tab) Text() string {
	tab.t.Helper()
	s, err := tab.text()
	for i := 0; err != nil && i < 20; i++ {
		time.Sleep(50 * time.Millisecond)
		s, err = tab.text()
	}
	tab.must(err)
	return s
}

func (tab *Tab) text() (string, error) {
	return chromedp.Run(tab.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ''`))
}

// URL is where the tab is.
func (tab *Tab) URL() string {
	tab.t.Helper()
	s, err := chromedp.Run(tab.ctx, chromedp.Location())
	tab.must(err)
	return s
}

// Fill types a text into a field.
func (tab *Tab) Fill(sel, text string) {
	tab.t.Helper()
	_, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).value = ''`, sel)))
	tab.must(err)
	tab.must(chromedp.Do(tab.ctx, chromedp.SendKeys(sel, text)))
}

// Click clicks and waits for the page that follows.
func (tab *Tab) Click(sel string) {
	tab.t.Helper()
	_, err := chromedp.RunResponse(tab.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return chromedp.Click(sel)(ctx, t)
	})
	tab.must(err)
}

// Press clicks something that leads to no new page by itself.
func (tab *Tab) Press(sel string) {
	tab.t.Helper()
	tab.must(chromedp.Do(tab.ctx, chromedp.Click(sel)))
}

// Wait waits until the page shows the words.
func (tab *Tab) Wait(words string) {
	tab.t.Helper()
	for i := 0; i < 150; i++ {
		s, err := tab.text() // an error while the page changes
		if err == nil && strings.Contains(s, words) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	tab.t.Fatalf("the page never showed %q at %s:\n%s", words, tab.URL(), tab.Text())
}

// Shot writes a picture of the page at a width and a theme ("light", "dark")
// into dir, if dir is set.
func (tab *Tab) Shot(dir, name string, width int64, theme string) {
	tab.t.Helper()
	if dir == "" {
		return
	}
	size := func(h int64) {
		_, err := chromedp.Call(tab.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: h, DeviceScaleFactor: 1, Mobile: width < 600})
		tab.must(err)
	}
	size(900)
	// Panes scroll by themselves; the picture is as tall as the tallest wants.
	h, err := chromedp.Run(tab.ctx, chromedp.Evaluate[int64](`Math.max(document.documentElement.scrollHeight, ...[...document.querySelectorAll('.pane')].map(p => p.scrollHeight))`))
	tab.must(err)
	size(max(h, 900))
	_, err = chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	tab.must(err)
	time.Sleep(200 * time.Millisecond) // colours fade into one another when the theme changes
	png, err := chromedp.Run(tab.ctx, chromedp.FullScreenshot(100))
	tab.must(err)
	tab.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, theme)), png, 0o644))
}

// Fetch returns what an address of the page's own site answers to this tab.
func (tab *Tab) Fetch(url string) []byte {
	tab.t.Helper()
	s, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](fmt.Sprintf(`fetch(%q).then(r => r.text())`, url), chromedp.EvalAwaitPromise))
	tab.must(err)
	return []byte(s)
}

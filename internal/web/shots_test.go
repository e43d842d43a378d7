package web_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"postern/internal/web"
)

var shots = flag.String("shots", "", "folder for a picture of every page, at 1280 and 390, light and dark")

// serveFixtures shows every fixture under /page/{file}, with the real headers.
func serveFixtures(t *testing.T) string {
	mux := http.NewServeMux()
	mux.Handle("GET /static/{hash}/{name}", web.Static)
	mux.Handle("/", web.NotFound)
	for _, f := range fixtures() {
		mux.Handle("GET /page/"+f.file, web.Handler(func(w http.ResponseWriter, r *http.Request) error {
			return web.Render(w, r, f.set, f.name, f.page)
		}))
	}
	mux.Handle("GET /desk/cases/{id}/messages/{m}/html", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return web.RenderFrame(w, r, `<h2>Rent</h2><p>Please fill in the <a href="https://rent-forms.example">rent form</a>.</p><table border=1><tr><td>May</td><td>4,200</td></tr></table>`)
	}))
	return serve(t, mux)
}

// serve puts the mux on localhost, where browsers allow what they do under TLS.
func serve(t *testing.T, mux http.Handler) string {
	srv := httptest.NewServer(web.Headers(mux, web.Options{Org: org, Staff: true}))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
}

// browser starts Chromium once; each page gets a tab.
func browser(t *testing.T) context.Context {
	path := "/usr/bin/chromium"
	if _, err := os.Stat(path); err != nil {
		t.Fatal("Chromium is not installed; install it with: apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return ctx
}

// look opens a page at a width and a theme, as tall as all its panes need, and
// says by how many pixels it is too wide.
func look(ctx context.Context, url string, width int64, theme string) (over int, err error) {
	setSize := func(h int64) error {
		_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: h, DeviceScaleFactor: 1, Mobile: width < 600})
		return err
	}
	if err := setSize(900); err != nil {
		return 0, err
	}
	if err := setTheme(ctx, theme); err != nil {
		return 0, err
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		return 0, err
	}
	height, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`Math.max(document.documentElement.scrollHeight, ...[...document.querySelectorAll('.pane')].map(p => p.scrollHeight))`))
	if err != nil {
		return 0, err
	}
	if err := setSize(max(height, 700)); err != nil {
		return 0, err
	}
	return tooWide(ctx, width)
}

// setTheme also stills what moves: a colour on its way to another is none of ours.
func setTheme(ctx context.Context, theme string) error {
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	return err
}

// tooWide says by how many pixels the page sticks out: innerWidth grows with it, as a
// telephone zooms out to show it.
func tooWide(ctx context.Context, width int64) (int, error) {
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
	return wide - int(width), err
}

// TestShots writes pictures: go test ./internal/web -run TestShots -shots DIR [-only case,p-].
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("-shots names no folder")
	}
	if err := os.MkdirAll(*shots, 0o777); err != nil {
		t.Fatal(err)
	}
	url, ctx := serveFixtures(t), browser(t)
	for _, f := range fixtures() {
		if !wanted(f.file) {
			continue
		}
		for _, v := range []struct {
			width int64
			theme string
		}{{1280, "light"}, {1280, "dark"}, {390, "light"}, {390, "dark"}} {
			over, err := look(ctx, url+"/page/"+f.file, v.width, v.theme)
			if err != nil {
				t.Fatal(err)
			}
			if over > 0 {
				t.Errorf("%s at %d is %d pixels too wide", f.file, v.width, over)
			}
			time.Sleep(50 * time.Millisecond) // icons arrive
			png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s.png", f.file, v.width, v.theme)), png, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var only = flag.String("only", "", "beginnings of the pages to look at, with commas")

func wanted(file string) bool {
	if *only == "" {
		return true
	}
	for _, p := range strings.Split(*only, ",") {
		if strings.HasPrefix(file, p) {
			return true
		}
	}
	return false
}

package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"postern/internal/browsertest"
)

// counter counts what comes over the line.
type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// weight is what one page costs a browser that has nothing yet, in bytes as they come
// over the line.
type weight struct {
	html, css, js, all, requests int
	p95                          time.Duration
}

// fetch returns a page or a file, and its size on the line.
func (d *deskUnder) fetch(path string) (body string, size int, err error) {
	r, err := http.NewRequest(http.MethodGet, d.url+path, nil)
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := d.http.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("GET %s: %s", path, res.Status)
	}
	line := &counter{Reader: res.Body}
	var in io.Reader = line
	if res.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(line); err != nil {
			return "", 0, err
		}
	}
	b, err := io.ReadAll(in)
	return string(b), line.n, err
}

var (
	loads    = regexp.MustCompile(`(?:href|src)="(/static/[^"#]+)`)
	pictures = regexp.MustCompile(`url\(["']?([^"')]+)`)
)

func (d *deskUnder) weigh(path string) (w weight, err error) {
	page, size, err := d.fetch(path)
	if err != nil {
		return w, err
	}
	w.html, w.all, w.requests = size, size, 1
	seen := map[string]bool{}
	for _, m := range loads.FindAllStringSubmatch(page, -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		text, size, err := d.fetch(m[1])
		if err != nil {
			return w, err
		}
		w.all += size
		w.requests++
		switch {
		case strings.Contains(m[1], ".css"):
			w.css += size
			for _, p := range pictures.FindAllStringSubmatch(text, -1) {
				at := p[1]
				if !strings.HasPrefix(at, "/") {
					at = m[1][:strings.LastIndexByte(m[1], '/')+1] + at
				}
				if _, size, err := d.fetch(at); err == nil && !seen[at] && strings.Contains(page, "class=\"pub\"") {
					seen[at] = true
					w.all += size
					w.requests++
				}
			}
		case strings.Contains(m[1], ".js"):
			w.js += size
		}
	}
	var took []time.Duration
	for range 60 {
		start := time.Now()
		if _, _, err := d.fetch(path); err != nil {
			return w, err
		}
		took = append(took, time.Since(start))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	w.p95 = took[len(took)*95/100]
	return w, nil
}

// pages prints what each page costs, beside its budget (gzip, nothing cached).
func (l *lab) pages(d *deskUnder, staff []string) error {
	fmt.Println("\nPages, as they come over the line, nothing cached (budget: public 14 KB HTML, 15 CSS, 8 JS, 40 all, 5 requests; a case 120 all):")
	show := func(path string, limit int) error {
		w, err := d.weigh(path)
		if err != nil {
			return err
		}
		fmt.Printf("  %-40.40s %5.1f KB HTML %5.1f CSS %4.1f JS %5.1f all, %d requests, p95 %s\n", path, kb(w.html), kb(w.css), kb(w.js), kb(w.all), w.requests, ms(w.p95))
		name := path
		if limit > 40 {
			name = strings.Join(strings.Split(path, "/")[:3], "/")
		}
		l.most("P", name+", everything", kb(w.all), float64(limit), " KB")
		return nil
	}
	for _, path := range []string{"/", "/help", "/contact", "/contact/about/something-else", "/case", "/check", "/report", "/keys", "/my"} {
		if err := show(path, 40); err != nil {
			return err
		}
	}
	for _, path := range staff {
		if err := show(path, 120); err != nil {
			return err
		}
	}
	return l.feel(d)
}

// feel opens public pages in Chromium, cold, and prints what they feel like (budget: the
// largest part after 1 s, no jump above 0.02, an answer to a key within 100 ms).
func (l *lab) feel(d *deskUnder) error {
	if _, err := exec.LookPath("chromium"); err != nil {
		fmt.Println("\nChromium is not installed: how pages feel is not measured.")
		return nil
	}
	sum := sha256.Sum256(d.cert.RawSubjectPublicKeyInfo)
	fmt.Println("\nIn Chromium, nothing cached:")
	worst, seen := browsertest.Vitals{}, false
	testing.Benchmark(func(b *testing.B) { // gives the browser what a test gives it
		if seen {
			return
		}
		seen = true
		browser := browsertest.Start(b, base64.StdEncoding.EncodeToString(sum[:]))
		for _, path := range []string{"/", "/contact/about/something-else", "/check", "/case"} {
			tab := browser.Tab(b)
			tab.Go(d.url + path)
			v := tab.Vitals()
			fmt.Printf("  %-40.40s LCP %4.0f ms, CLS %.3f, INP %3.0f ms\n", path, v.LCP, v.CLS, v.INP)
			worst.LCP, worst.CLS, worst.INP = max(worst.LCP, v.LCP), max(worst.CLS, v.CLS), max(worst.INP, v.INP)
		}
	})
	if worst.LCP == 0 {
		return errors.New("the browser measured nothing; does Chromium start?")
	}
	l.most("P", "largest part of a public page there after", worst.LCP, 1000, " ms")
	l.most("P", "a public page jumps by", worst.CLS, 0.02, "")
	l.most("P", "a public page answers a key within", worst.INP, 100, " ms")
	return nil
}

func kb(n int) float64 { return float64(n) / 1000 }

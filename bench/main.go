// Command bench measures the desk beside its bound and GnuPG, in one run: only
// ratios of one run count. It prints one table; docs/PERFORMANCE.md keeps it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"postern/bench/load"
	"postern/internal/db/dbtest"
)

var (
	seconds = flag.Float64("seconds", 3, "about how long one measurement takes")
	only    = flag.String("db", "", "sqlite or postgres; empty: both")
	tries   = flag.Int("tries", 400, "how many wrong codes are tried, to see whether their time tells anything")
	many    = flag.Int("cases", 0, "measure a desk with so many cases, and nothing else")
)

func main() {
	flag.Parse()
	debug.SetGCPercent(400) // the load shares the cores with what it measures
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// lab is where everything of one run lives.
type lab struct {
	dir   string
	mails *mails
	ref   map[string]map[int]load.Result // by kind and connections

	postfix map[int]float64 // plain mails accepted a second, by connections

	sealRate float64 // sign+encrypt of 10 KB in this process
	verdicts []verdict
}

var connections = []int{1, 10, 50}

func run() error {
	dir, err := os.MkdirTemp("", "postern-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{dir: dir, ref: map[string]map[int]load.Result{}, postfix: map[int]float64{}}
	for name, pkg := range map[string]string{"postern": "./cmd/postern", "ref": "./bench/ref"} {
		c := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	if l.mails, err = newMails(); err != nil {
		return err
	}
	fmt.Printf("Bench of %s. 10 KB mails; se = signed and encrypted (Ed25519, Curve25519).\n", time.Now().UTC().Format("2006-01-02"))
	if *many == 0 {
		if err := l.recognise(); err != nil {
			return err
		}
		if err := l.crypto(); err != nil {
			return err
		}
		if err := l.bound(); err != nil {
			return err
		}
		if err := l.accept(); err != nil {
			return err
		}
	}
	for _, kind := range []string{"sqlite", "postgres"} {
		if *only != "" && *only != kind {
			continue
		}
		url := ""
		if kind == "postgres" {
			os.Setenv("POSTERN_TEST_PG_FSYNC", "1")
			if url, err = dbtest.Start(); err != nil {
				return err
			}
		}
		measure := func() error { return l.postern(kind, url) }
		if *many > 0 {
			measure = func() error { return l.crowd(kind, url, *many) }
		}
		if err := measure(); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	l.table()
	return nil
}

// bound runs the reference: nothing can do the desk's work faster here.
func (l *lab) bound() error {
	fmt.Println("\nThe bound (SMTP, decrypt and verify, two rows, group commit):")
	for _, kind := range []string{"se", "plain"} {
		l.ref[kind] = map[int]load.Result{}
		for _, n := range connections {
			p, err := startRef(l.dir, kind, l.mails)
			if err != nil {
				return err
			}
			r, _, err := l.measure(p.addr, kind, n, nil)
			cpu, rss := p.usage()
			p.stop()
			if err != nil {
				return err
			}
			l.ref[kind][n] = r
			fmt.Printf("  %-5s %2d connections  %7.0f mails/s   p50 %6s  p95 %6s   %5.2f ms CPU a mail   %4d MiB\n", kind, n, r.Rate(), ms(r.P50), ms(r.P95), cpu*1000/float64(r.N), rss>>20)
		}
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000) }

// measure sends mails for about the time asked for: a short run first says how
// many that are. done, if set, waits until all are handled completely; whole is
// how many a second were.
func (l *lab) measure(addr, kind string, n int, done func(sent int) error) (r load.Result, whole float64, err error) {
	probe, err := load.Run(addr, n, l.mails.take(kind, 20+10*n))
	if err != nil {
		return probe, 0, err
	}
	if done != nil {
		if err := done(probe.N); err != nil {
			return probe, 0, err
		}
	}
	want := int(probe.Rate() * *seconds)
	batch := l.mails.take(kind, min(max(want, 100), 12000))
	start := time.Now()
	r, err = load.Run(addr, n, batch)
	if err != nil || done == nil {
		return r, r.Rate(), err
	}
	err = done(r.N)
	return r, float64(r.N) / time.Since(start).Seconds(), err
}

package app

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"postern/internal/db"
)

// TestDemoGivesNewLinks: a line that is typed brings new links that work; the end
// of what is typed does not stop the demo, nor is it taken for a line.
func TestDemoGivesNewLinks(t *testing.T) {
	p := openPages(t, "")
	s := &scene{d: p.d, cfg: p.d.cfg}
	p.must(func(ctx context.Context, tx *db.Tx) error {
		list, err := p.d.staff.List(ctx, tx)
		for _, q := range list {
			s.people = append(s.people, demoPerson{Person: q, role: string(q.Roles[0])})
		}
		return err
	})
	in, keys := io.Pipe()
	out, screen := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.wait(ctx, &Env{Stdin: in, Stdout: screen, Stderr: screen})
		screen.Close()
		close(ended)
	}()
	lines, seen := bufio.NewScanner(out), map[string]bool{}
	link := regexp.MustCompile(`https://\S+(/desk/link/\S+)`)
	for range 2 {
		if _, err := io.WriteString(keys, "\n"); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(s.people) && lines.Scan(); {
			m := link.FindStringSubmatch(lines.Text())
			if m == nil {
				continue
			}
			n++
			if w := p.do("", "POST", m[1], url.Values{}); w.Code != http.StatusSeeOther || seen[m[1]] {
				t.Errorf("%s: %d", m[1], w.Code)
			}
			seen[m[1]] = true
		}
	}
	keys.Close()
	select {
	case <-ended:
		t.Fatal("the end of what is typed ended the demo")
	default:
	}
	stop()
	rest, err := io.ReadAll(out)
	if <-ended; err != nil || strings.Contains(string(rest), "link") {
		t.Errorf("links that nobody asked for: %q, %v", rest, err)
	}
	if len(seen) != 2*len(s.people) {
		t.Errorf("%d links", len(seen))
	}
}

// TestDemoWithoutATerminal: nothing is read, and the demo ends when it is told to.
func TestDemoWithoutATerminal(t *testing.T) {
	for _, in := range []io.Reader{nil, strings.NewReader("")} {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { new(scene).wait(ctx, &Env{Stdin: in, Stdout: io.Discard, Stderr: io.Discard}); close(ended) }()
		select {
		case <-ended:
			t.Error("it ended by itself")
		default:
		}
		stop()
		<-ended
	}
}

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"postern/bench/load"
	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// A large desk: so many cases, one message each, twenty to a contact; one in
// twenty open, one in twenty waiting, the others closed.
const (
	casesEach = 20
	chunk     = 400 // cases in one transaction
)

// crowd measures a desk with n cases: its start, memory, pages and what a mail
// costs, the last beside the same desk when it was empty.
func (l *lab) crowd(kind, url string, n int) error {
	d, err := newDesk(l.dir, url)
	if err != nil {
		return err
	}
	if _, err := d.start(); err != nil {
		return err
	}
	defer func() { d.stop() }()
	if err := d.setUp(); err != nil {
		return err
	}
	small, err := l.mailCost(d)
	if err != nil {
		return err
	}
	d.stop()
	began := time.Now()
	f, err := fill(d.data, url, n)
	if err != nil {
		return err
	}
	fmt.Printf("\nA desk with %d cases on %s, filled in %s:\n", n, kind, time.Since(began).Round(time.Second))
	again, err := d.start()
	if err != nil {
		return err
	}
	fmt.Printf("  first 220 and page %s after the start\n", ms(again))
	l.most("7", fmt.Sprintf("%s, start to first 220 and page, %d cases", kind, n), float64(again.Microseconds())/1000, 150, " ms")
	d.rest()
	idle := float64(d.memory("VmRSS")) / (1 << 20)
	fmt.Printf("  %.0f MiB idle\n", idle)
	l.most("6", fmt.Sprintf("%s, idle, %d cases: memory", kind, n), idle, 64, " MiB")
	for _, m := range []struct {
		what  string
		paths []string
		want  float64
		goal  string
	}{
		{"first page of the inbox", []string{"/desk/inbox/open"}, 5, "5"}, {"inbox, anywhere in the closed cases", f.marks, 5, "5"},
		{"a case with 20 messages", []string{"/desk/cases/" + string(f.long)}, 10, "5"}, {"a case", f.some, 10, "5"}, {"search for a name", []string{"/desk/search?q=customer+77"}, 0, ""},
	} {
		p95, err := d.page(m.paths, 300)
		if err != nil {
			return err
		}
		fmt.Printf("  %s: p95 %s\n", m.what, ms(p95))
		if m.goal != "" {
			l.most(m.goal, fmt.Sprintf("%s, %s, %d cases: p95", kind, m.what, n), float64(p95.Microseconds())/1000, m.want, " ms")
		}
	}
	large, err := l.mailCost(d)
	if err != nil {
		return err
	}
	fmt.Printf("  a plain mail costs %.2f ms CPU; %.2f in the empty desk\n", large, small)
	l.most("8", fmt.Sprintf("%s, CPU of a plain mail, %d cases, of that in an empty desk", kind, n), large/small, 1.6, "x")
	return nil
}

// mailCost is what a plain mail costs the desk, in milliseconds of CPU.
func (l *lab) mailCost(d *deskUnder) (float64, error) {
	k, err := d.key()
	if err != nil {
		return 0, err
	}
	l.mails.toDesk(k)
	wait := d.waiter()
	if _, err := load.Run(d.addr, 4, l.mails.take("plain", 200)); err != nil { // people and statements are known afterwards
		return 0, err
	}
	if err := wait(200); err != nil {
		return 0, err
	}
	d.rest()
	const n = 1500
	batch := l.mails.take("plain", n)
	d.mark()
	if _, err := load.Run(d.addr, 10, batch); err != nil {
		return 0, err
	}
	if err := wait(n); err != nil {
		return 0, err
	}
	cpu, _ := d.usage()
	return cpu * 1000 / n, nil
}

// page asks for pages over TLS, one after another, and returns the time that 95
// of 100 stayed within.
func (d *deskUnder) page(paths []string, n int) (time.Duration, error) {
	var took []time.Duration
	for i := range n + 20 {
		start := time.Now()
		body, err := d.get(paths[i%len(paths)])
		if err != nil {
			return 0, err
		}
		if !strings.Contains(body, "</html>") {
			return 0, fmt.Errorf("%s is no page", paths[i%len(paths)])
		}
		if i >= 20 { // the first few warm up
			took = append(took, time.Since(start))
		}
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	return took[len(took)*95/100], nil
}

// filled names what was put into the desk.
type filled struct {
	marks, some []string
	long        cases.ID
}

// fill writes cases into the database of a desk that is not running, as the desk
// would, without the mails they came in.
func fill(data, url string, n int) (*filled, error) {
	ctx := context.Background()
	text, err := os.ReadFile(filepath.Join(data, "master.key"))
	if err != nil {
		return nil, err
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	v, err := vault.New(master)
	if err != nil {
		return nil, err
	}
	if url == "" {
		url = filepath.Join(data, "postern.db")
	}
	d, err := db.Open(ctx, db.Options{URL: url})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	w := &filler{d: d, book: contacts.NewBook(v), store: cases.NewStore(v), out: &filled{}, at: time.Now().Add(-time.Duration(n) * 20 * time.Second)}
	for i := 0; i < n; i += chunk {
		if err := w.chunk(ctx, i, min(chunk, n-i)); err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

// filler makes one case after another.
type filler struct {
	d     *db.DB
	book  *contacts.Book
	store *cases.Store
	out   *filled
	at    time.Time
	who   *contacts.New
}

// entry is a case with what belongs to it.
type entry struct {
	who      *contacts.New // to be added first; nil: known
	c        *cases.Case
	messages []*cases.Message
	parts    []*cases.Parts
}

// chunk makes n cases and stores them.
func (w *filler) chunk(ctx context.Context, from, n int) error {
	var list []*entry
	for i := from; i < from+n; i++ {
		e, err := w.entry(i)
		if err != nil {
			return err
		}
		list = append(list, e)
	}
	for {
		err := w.d.Update(ctx, func(tx *db.Tx) error {
			for _, e := range list {
				e.c.Ref = cases.NewRef()
				if err := w.add(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if !fail.Is(err, fail.Conflict) { // a reference that is taken: intake tries again too
			return err
		}
	}
}

// entry makes the case with that number, and its contact if it is their first.
func (w *filler) entry(i int) (*entry, error) {
	e := &entry{}
	if i%casesEach == 0 {
		w.who = w.book.New(fmt.Sprintf("Customer %d", i/casesEach), fmt.Sprintf("crowd%d@home.example", i/casesEach), "mail", w.at)
		e.who = w.who
	}
	w.at = w.at.Add(20 * time.Second)
	state := cases.Closed
	switch i % 20 {
	case 3:
		state = cases.Open
	case 9:
		state = cases.Waiting
	}
	e.c = &cases.Case{ID: cases.ID(db.NewID()), Subject: fmt.Sprintf("Question %d about my account", i), Who: w.who.Title(), Contact: w.who.ID,
		KeyID: w.who.KeyID, Mailbox: box, State: state, Made: w.at, Last: w.at, Trust: "none"}
	n := 1
	if i == 0 {
		n, w.out.long = 20, e.c.ID
	}
	for range n {
		m := &cases.Message{ID: cases.MessageID(db.NewID()), Case: e.c.ID, Kind: cases.In, Door: "mail", Contact: w.who.ID, At: w.at,
			Doc:      cases.Doc{From: &cases.Person{Address: "crowd@home.example"}, Subject: e.c.Subject, MailID: db.NewSecret() + "@home.example", Text: strings.Repeat("Please look at my account again. ", 10)},
			Evidence: &cases.Evidence{Verdict: "N", Scheme: "none", Covers: "none", Encryption: "none", Disposition: "accept"}}
		p, err := cases.Seal(m, w.who.Key())
		if err != nil {
			return nil, err
		}
		e.messages, e.parts = append(e.messages, m), append(e.parts, p)
	}
	if rand.IntN(2000) == 0 {
		w.out.marks = append(w.out.marks, fmt.Sprintf("/desk/inbox/closed?after=%d.%s", db.Micros(w.at), e.c.ID))
		w.out.some = append(w.out.some, "/desk/cases/"+string(e.c.ID))
	}
	return e, nil
}

func (w *filler) add(ctx context.Context, tx *db.Tx, e *entry) error {
	if e.who != nil {
		if err := w.book.Add(ctx, tx, e.who); err != nil {
			return err
		}
	}
	if err := w.store.Add(ctx, tx, e.c); err != nil {
		return err
	}
	for i, m := range e.messages {
		if err := cases.AddMessage(ctx, tx, m, e.parts[i]); err != nil {
			return err
		}
		if err := w.store.AddMailID(ctx, tx, m.Doc.MailID, m, db.NewSecret()); err != nil {
			return err
		}
	}
	return nil
}

package probe

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/safehttp"
)

// A Hook hears of a turn, in the transaction that records it. It may run again with it.
type Hook func(ctx context.Context, tx *db.Tx, caseID string, p *Probe, r *Result) error

// Options is what a watch needs.
type Options struct {
	DB    *db.DB
	Fetch links.Fetch                                              // safehttp.Visitor.Get
	TXT   func(ctx context.Context, host string) ([]string, error) // nil: the system's resolver
	Judge func() *links.Judge                                      // which hosts are known; nil: none
	Wait  func(ctx context.Context, d time.Duration) error         // until a host may be asked again; nil: that long
	Red   Hook                                                     // a probe of a case turned red, once each time
	Green Hook                                                     // and back
	Alarm Hook                                                     // one that stands for itself turned red
	Calm  Hook                                                     // and back
	Blind Hook                                                     // one found nothing out for a while, of a case or not
	Lost  func(ctx context.Context, tx *db.Tx, host string) error  // a host begins not to show that it is ours, and when it is asked no more
}

// Watch asks what is due.
type Watch struct{ o Options }

const (
	apart     = 10 * time.Second // between two requests to one host
	patience  = 20 * time.Second // for one answer
	followFor = 4 * time.Minute  // for a link with its redirects, which wait for each other
	lease     = 10 * time.Minute
	batch     = 8 // probes at once
)

// NewWatch returns a watch; what is nil in the options says or does nothing.
func NewWatch(o Options) *Watch {
	if o.TXT == nil {
		o.TXT = net.DefaultResolver.LookupTXT
	}
	if o.Wait == nil {
		o.Wait = sleep
	}
	if o.Lost == nil {
		o.Lost = func(context.Context, *db.Tx, string) error { return nil }
	}
	quiet := func(context.Context, *db.Tx, string, *Probe, *Result) error { return nil }
	for _, h := range []*Hook{&o.Red, &o.Green, &o.Alarm, &o.Calm, &o.Blind} {
		if *h == nil {
			*h = quiet
		}
	}
	return &Watch{o}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run looks at everything that is due and returns; several may run at the same time, on
// several nodes. When ctx ends, what was not looked at is given back.
func (w *Watch) Run(ctx context.Context) error {
	if err := w.recheckHosts(ctx); err != nil {
		return err
	}
	owner := db.NewID()
	for ctx.Err() == nil {
		var list []Probe
		err := w.o.DB.Update(ctx, func(tx *db.Tx) (err error) { list, err = claim(ctx, tx, owner, batch); return err })
		if err != nil || len(list) == 0 {
			return err
		}
		var wg sync.WaitGroup
		errs := make([]error, len(list))
		for i := range list {
			wg.Go(func() { errs[i] = w.one(ctx, &list[i]) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// one looks at a claimed probe. What was found out is kept even if the time to run is
// over; what could not be, because it is, is no result.
func (w *Watch) one(ctx context.Context, p *Probe) error {
	r := w.look(ctx, p)
	after := context.WithoutCancel(ctx)
	if ctx.Err() != nil && r.State == Unknown {
		return w.o.DB.Update(after, func(tx *db.Tx) error { return release(after, tx, p) })
	}
	return w.o.DB.Update(after, func(tx *db.Tx) error { return w.record(after, tx, p.ID, p.owner, r) })
}

// record takes a result into the probe as it stands now, and tells of a turn. A run
// that lost its lease records nothing: another has looked meanwhile.
func (w *Watch) record(ctx context.Context, tx *db.Tx, id ID, owner string, r *Result) error {
	p, err := Get(ctx, tx, id)
	if err != nil || p.owner != owner || !p.Stopped.IsZero() {
		return err
	}
	turned := p.take(r.State, tx.Now)
	if err := keep(ctx, tx, p, r); err != nil || turned == none {
		return err
	}
	hook, act := w.o.Red, "probe.red"
	switch {
	case turned == blind:
		hook, act = w.o.Blind, "probe.blind"
	case turned == red && p.Case == "":
		hook = w.o.Alarm
	case turned == green && p.Case == "":
		hook, act = w.o.Calm, "probe.green"
	case turned == green:
		hook, act = w.o.Green, "probe.green"
	}
	if err := audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: act, About: p.about(), Detail: "probe " + string(p.ID) + ", evidence " + r.Hash}); err != nil {
		return err
	}
	return hook(ctx, tx, p.Case, p, r)
}

// fetch asks a confirmed host, when its turn has come; any other is outside.
func (w *Watch) fetch(ctx context.Context, address string) (*safehttp.Visit, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fail.New(fail.Invalid, "this is not an address")
	}
	if err := w.slot(ctx, strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), true); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.o.Fetch(ctx, address)
}

// slot waits until a host may be asked, and notes that it is. The note is in the
// database, so that nodes wait for each other.
func (w *Watch) slot(ctx context.Context, host string, confirmed bool) error {
	for {
		var wait time.Duration
		err := w.o.DB.Update(ctx, func(tx *db.Tx) error {
			wait = 0
			h, err := GetHost(ctx, tx, host)
			if fail.Is(err, fail.NotFound) || err == nil && confirmed && h.Confirmed.IsZero() {
				return links.ErrOutside
			}
			if err != nil {
				return err
			}
			if wait = h.asked.Add(apart).Sub(tx.Now); wait > 0 {
				return nil
			}
			return tx.Put(ctx, `UPDATE hosts SET asked_at = $2 WHERE host = $1`, host, db.Micros(tx.Now))
		})
		if err != nil || wait <= 0 {
			return err
		}
		if err := w.o.Wait(ctx, wait); err != nil {
			return err
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// floods is how many try passwords at once while mail comes.
const floods = 20

// flood measures the way in while many networks try passwords: each costs the desk a slow
// hash, as it must, and mail shall not wait for them.
func (l *lab) flood(d *deskUnder, kind string, wait func(int) error) error {
	ctx, stop := context.WithCancel(context.Background())
	var tried, judged atomic.Int64
	var wg sync.WaitGroup
	for range floods {
		wg.Go(func() {
			for ctx.Err() == nil {
				if d.wrongPassword(ctx, int(tried.Add(1))) == nil {
					judged.Add(1)
				}
			}
		})
	}
	start := time.Now()
	_, whole, err := l.measure(d.addr, "se", 50, wait)
	took := time.Since(start).Seconds()
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	if judged.Load() == 0 {
		return fmt.Errorf("no password was judged while mail came: that was no flood")
	}
	part := whole / l.ref["se"][50].Rate()
	fmt.Printf("  in  se    50 connections  %3.0f%% of the bound   %6.0f mails/s complete, while %d tried passwords from as many networks, %.0f a second judged\n", 100*part, whole, floods, float64(judged.Load())/took)
	l.least("10", kind+", in se, 50 connections, sign-ins flooding: of the bound", part, 0.35, "")
	return nil
}

// from is a client that comes from the n-th address of this machine.
func (d *deskUnder) from(n int) *http.Client {
	addr := &net.TCPAddr{IP: net.IPv4(127, byte(9+n/62500), byte(n/250%250), byte(1+n%250))}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: d.http.Transport.(*http.Transport).TLSClientConfig, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: addr}).DialContext(ctx, "tcp4", address)
		}}}
}

// wrongPassword tries one, from a network of its own and for an account of its own; nil:
// it was judged.
func (d *deskUnder) wrongPassword(ctx context.Context, n int) error {
	form := url.Values{"email": {fmt.Sprintf("guess%d@northmere.example", n)}, "password": {"not this one either"}, "code": {"000000"}}
	req, err := http.NewRequestWithContext(ctx, "POST", d.url+"/desk/sign-in?"+form.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := d.from(250 * n).Do(req) // a network of its own: /24
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusForbidden {
		return fmt.Errorf("a wrong password was answered %s", res.Status)
	}
	return nil
}

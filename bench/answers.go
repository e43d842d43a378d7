package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

// An agent's answers are measured twice: with each agent pausing, which is a busy
// day's load many times over, and with each sending the next at once.
const (
	agents = 10
	paced  = 300
	rushed = 1500
)

// answers measures the way out: an agent's POST, a start with much to do, and
// the drain into the sink.
func (l *lab) answers(d *deskUnder, kind string, bound float64) error {
	if err := d.setUp(); err != nil {
		return err
	}
	ids, err := d.verifiedCases()
	if err != nil {
		return err
	}
	if kind == "sqlite" || *only == kind {
		if err := l.pages(d, []string{"/desk/inbox", "/desk/cases/" + ids[0][0]}); err != nil {
			return err
		}
	}
	d.rest() // comparing a key has all mails of its owner looked at again
	d.sink.Reset()
	for _, round := range []struct {
		name  string
		n     int
		pause time.Duration
	}{{"100 a second", paced, 100 * time.Millisecond}, {"as fast as it goes", rushed, 0}} {
		took, rate, err := l.send(d, ids, round.n, round.pause)
		if err != nil {
			return err
		}
		p50, p95 := took[len(took)/2], took[len(took)*95/100]
		fmt.Printf("  out se: %d agents, %s: send answered p50 %s p95 %s, %.0f/s\n", agents, round.name, ms(p50), ms(p95), rate)
		l.most("4", fmt.Sprintf("%s, %d agents' send, %s: p95", kind, agents, round.name), float64(p95.Microseconds())/1000, 10, " ms")
	}
	last := time.Now()
	d.stop()
	again, err := d.start()
	if err != nil {
		return err
	}
	fmt.Printf("  started again on its few thousand cases: first 220 and page after %s\n", ms(again))
	l.most("7", kind+", start to first 220 and page, a few thousand cases", float64(again.Microseconds())/1000, 150, " ms")
	// Everything falls due while the desk is down, so that the drain is not paced
	// by when the answers were written.
	d.stop()
	time.Sleep(time.Until(last.Add(16 * time.Second)))
	left := paced + rushed - d.sink.Count()
	d.sink.Reset()
	if _, err := d.start(); err != nil {
		return err
	}
	return l.drain(d, kind, left, bound)
}

// otherWords is a text as long as the other, in words of its own: the desk refuses to
// send the same twice.
func otherWords(text string, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var b strings.Builder
	for b.Len() < len(text) {
		for range 3 + r.IntN(7) {
			b.WriteByte(byte('a' + r.IntN(26)))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// send posts n answers, spread over the agents, and returns how long each took
// and how many there were a second.
func (l *lab) send(d *deskUnder, ids [][2]string, n int, pause time.Duration) ([]time.Duration, float64, error) {
	took := make([]time.Duration, n)
	errs := make(chan error, agents)
	begin := time.Now()
	var wg sync.WaitGroup
	for w := range agents {
		wg.Go(func() {
			time.Sleep(pause * time.Duration(w) / agents)
			for i := w; i < n; i += agents {
				start, id := time.Now(), ids[i%len(ids)]
				if err := d.postOnly("/desk/cases/"+id[0]+"/send", url.Values{"text": {otherWords(l.mails.text, n<<20+i)}, "to": {id[1]}, "sensitive": {"1"}, "do": {"send"}}); err != nil {
					errs <- err
					return
				}
				took[i] = time.Since(start)
				time.Sleep(pause - took[i])
			}
		})
	}
	wg.Wait()
	seconds := time.Since(begin).Seconds()
	select {
	case err := <-errs:
		return nil, 0, err
	default:
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	return took, float64(n) / seconds, nil
}

// drain waits until the sink has taken everything.
func (l *lab) drain(d *deskUnder, kind string, n int, bound float64) error {
	for range 1200 {
		if d.sink.Count() >= n {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cpu, rss := d.usage() // since the process began
	rate := float64(d.sink.Count()) / d.sink.Seconds()
	if d.sink.Count() < n {
		return fmt.Errorf("only %d of %d answers left", d.sink.Count(), n)
	}
	fmt.Printf("  out se: %3.0f%% of the bound of one core   %.0f answers/s into the sink (%d at once due), %.2f ms CPU each, %d MiB peak\n",
		100*rate/bound, rate, n, cpu*1000/float64(n), rss>>20)
	l.least("3", fmt.Sprintf("%s, out se: of the bound of one core, all %d cores at work", kind, runtime.NumCPU()), rate/bound, 0.6, "")
	l.least("3", fmt.Sprintf("%s, out se: of the bound, per core", kind), rate/bound/float64(runtime.NumCPU()), 0.6, "")
	return nil
}

// rest waits until the desk has nothing left to do.
func (d *deskUnder) rest() {
	for range 60 {
		before := d.cpu()
		time.Sleep(time.Second)
		if d.cpu()-before < 0.05 {
			return
		}
	}
}

// setUp signs the first person in, through the link that the desk printed.
func (d *deskUnder) setUp() error {
	link := regexp.MustCompile(`/desk/setup/\S+`).FindString(d.said())
	return d.post(link, url.Values{"org": {"Northmere"}, "support": {box}, "name": {"Noor"}, "email": {"noor@northmere.example"}})
}

package hooks_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/hooks"
)

func TestRefusedTwiceThenTaken(t *testing.T) {
	each(t, func(s *desk) {
		tries := 0
		s.r.set(func(call) (int, string) { tries++; return map[bool]int{true: 503, false: 202}[tries <= 2], "" })
		s.start()
		s.publish("evt_1")
		for _, wait := range hooks.Steps()[:2] {
			s.until("deferred")
			if d := s.delivery(); d.Due.Sub(d.Tried) != wait || d.Reason != "it answered 503" {
				t.Errorf("due after %v, want %v; %s", d.Due.Sub(d.Tried), wait, d.Reason)
			}
			s.pass(wait)
		}
		s.until("sent")
		calls := s.r.got()
		if len(calls) != 3 {
			t.Fatalf("%d calls", len(calls))
		}
		for i, c := range calls {
			if c.id != "evt_1" || c.body != calls[0].body || !signedBy(c, s.secret) || i > 0 && c.at == calls[i-1].at {
				t.Errorf("call %d: %+v", i, c)
			}
		}
		if d := s.delivery(); d.Attempts != 3 || d.State != hooks.Sent {
			t.Errorf("recorded %+v", d)
		}
		if got := s.acts("order"); !slices.Equal(got, []string{"webhook.sent"}) {
			t.Errorf("on record: %v", got)
		}
	})
}

func TestWaitsAsLongAsItIsAsked(t *testing.T) {
	each(t, func(s *desk) {
		s.r.set(func(call) (int, string) { return 429, "" })
		s.start()
		for after, want := range map[string]time.Duration{"1": 5 * time.Second, "600": 10 * time.Minute, "999999": 24 * time.Hour, "-600": 5 * time.Second,
			"99999999999999999999": 5 * time.Second, "Wed, 25 Nov 2026 09:00:00 GMT": 5 * time.Second} {
			s.r.mu.Lock()
			s.r.after = after
			s.r.mu.Unlock()
			s.publish("evt_" + db.NewID())
			s.until("deferred")
			if d := s.delivery(); d.Due.Sub(d.Tried) != want {
				t.Errorf("asked to wait %s: waits %v, want %v", after, d.Due.Sub(d.Tried), want)
			}
		}
	})
}

func TestGivenUpAfterThreeDaysAndTriedAgainByHand(t *testing.T) {
	each(t, func(s *desk) {
		var told []string
		s.onDone(func(d hooks.Delivery) error { told = append(told, string(d.State)+": "+d.Reason); return nil })
		s.r.set(func(call) (int, string) { return 500, "" })
		s.start()
		s.publish("evt_1")
		for _, wait := range hooks.Steps() {
			s.until("deferred")
			s.pass(wait)
		}
		s.until("failed")
		if n := len(s.r.got()); n != 10 {
			t.Errorf("%d calls, want 10", n)
		}
		id := s.delivery().ID
		s.r.set(func(call) (int, string) { return 200, "" })
		s.must(func(tx *db.Tx) error { return s.Retry(t.Context(), tx, id, "agent") })
		s.until("sent")
		err := s.d.Update(t.Context(), func(tx *db.Tx) error { return s.Retry(t.Context(), tx, id, "agent") })
		if !fail.Is(err, fail.Conflict) {
			t.Errorf("a delivery that was taken is tried again: %v", err)
		}
		if c := s.r.got()[10]; c.id != "evt_1" || c.body != `{"n":"canary-payload"}` || !signedBy(c, s.secret) {
			t.Errorf("tried again: %+v", c)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !slices.Equal(told, []string{"failed: given up after 10 attempts; last: it answered 500", "sent: "}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestSameIDIsSentOnce(t *testing.T) {
	each(t, func(s *desk) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { s.publish("evt_1") })
		}
		wg.Wait()
		s.must(func(tx *db.Tx) error {
			return s.Send(t.Context(), tx, s.e.ID, hooks.Event{ID: "evt_1", Name: "message.sent", Payload: []byte(`{"another":true}`), About: "order"})
		})
		s.start()
		s.until("sent")
		s.publish("evt_1", "evt_2")
		s.until("sent")
		calls := s.r.got()
		if len(calls) != 2 || calls[0].id != "evt_1" || calls[1].id != "evt_2" {
			t.Errorf("calls: %+v", calls)
		}
	})
}

func TestEachEndpointGetsWhatItWants(t *testing.T) {
	each(t, func(s *desk) {
		var second *hooks.Endpoint
		s.must(func(tx *db.Tx) (err error) {
			second, _, err = s.Add(t.Context(), tx, s.r.URL+"/second", []string{"instruction.approved"}, "agent")
			return err
		})
		count := func(event string) (n int) {
			s.must(func(tx *db.Tx) (err error) {
				n, err = s.Publish(t.Context(), tx, hooks.Event{ID: "evt-" + event[:7], Name: event, About: "order"})
				return err
			})
			return n
		}
		if a, b, c := count("instruction.approved"), count("message.sent"), count("instruction.refused"); a != 2 || b != 1 || c != 0 {
			t.Errorf("queued %d, %d and %d times, want 2, 1, 0", a, b, c)
		}
		s.must(func(tx *db.Tx) error { return s.SetEnabled(t.Context(), tx, second.ID, false, "agent") })
		if n := count("message.sent"); n != 1 {
			t.Errorf("queued %d times", n)
		}
		err := s.d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := s.Publish(t.Context(), tx, hooks.Event{ID: "evt_9", Name: "message.sent"})
			return errors.Join(err, errors.New("the cause did not happen"))
		})
		if err == nil {
			t.Fatal("committed")
		}
		s.start()
		s.untilAll("sent", "sent", "failed") // failed: to the one that was switched off
		if n := len(s.r.got()); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	})
}

func TestGoneSwitchesOff(t *testing.T) {
	each(t, func(s *desk) {
		s.r.set(func(c call) (int, string) { return map[bool]int{true: 410, false: 500}[c.id == "evt_2"], "" })
		s.start()
		s.publish("evt_1")
		s.until("deferred")
		s.publish("evt_2")
		s.until("failed") // by 410
		s.until("failed") // what waited for days, at once
		if n := len(s.r.got()); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		s.must(func(tx *db.Tx) error {
			e, err := s.Get(t.Context(), tx, s.e.ID)
			if err == nil && (e.Enabled || !strings.Contains(e.Why, "410")) {
				t.Errorf("the endpoint is %+v", e)
			}
			n, err2 := s.Publish(t.Context(), tx, hooks.Event{ID: "evt_3", Name: "message.sent"})
			if n != 0 {
				t.Error("something was queued for an endpoint that is off")
			}
			return errors.Join(err, err2)
		})
		if got := s.acts(string(s.e.ID)); !slices.Equal(got, []string{"webhook.added", "webhook.disabled"}) {
			t.Errorf("on record: %v", got)
		}
	})
}

func TestSwitchedOffAndRemovedEndpoints(t *testing.T) {
	each(t, func(s *desk) {
		told := 0
		s.onDone(func(hooks.Delivery) error { told++; return nil })
		s.r.set(func(call) (int, string) { return 500, "" })
		s.start()
		s.publish("evt_1")
		s.until("deferred")
		ask := func(f func(tx *db.Tx) error) error { return s.d.Update(t.Context(), f) }
		set := func(on bool) {
			s.must(func(tx *db.Tx) error { return s.SetEnabled(t.Context(), tx, s.e.ID, on, "agent") })
		}
		retry := func() error {
			id := s.delivery().ID
			return ask(func(tx *db.Tx) error { return s.Retry(t.Context(), tx, id, "agent") })
		}
		set(false)
		s.until("failed")
		if d := s.delivery(); d.Reason != "the webhook is switched off" || d.Attempts != 1 {
			t.Errorf("recorded %+v", d)
		}
		if err := retry(); !fail.Is(err, fail.Conflict) {
			t.Errorf("tried again while off: %v", err)
		}
		if err := ask(func(tx *db.Tx) error {
			return s.Send(t.Context(), tx, s.e.ID, hooks.Event{ID: "x", Name: "message.sent"})
		}); !fail.Is(err, fail.Conflict) {
			t.Errorf("sent while off: %v", err)
		}
		set(true)
		if err := retry(); err != nil {
			t.Error(err)
		}
		s.until("deferred")
		s.must(func(tx *db.Tx) error { return s.Remove(t.Context(), tx, s.e.ID, "agent") })
		s.until("failed")
		if d := s.delivery(); d.Reason != "the webhook was removed" || d.Attempts != 1 {
			t.Errorf("recorded %+v", d)
		}
		if err := retry(); !fail.Is(err, fail.NotFound) {
			t.Errorf("tried again after removal: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if told != 2 || len(s.r.got()) != 2 {
			t.Errorf("told %d times, %d calls, want 2 and 2", told, len(s.r.got()))
		}
	})
}

func TestPrivateAddressIsNotSpokenTo(t *testing.T) {
	each(t, func(s *desk) {
		s.must(func(tx *db.Tx) error {
			e, _, err := s.Add(t.Context(), tx, "https://10.0.0.1/canary-url", []string{"message.received"}, "agent")
			if err != nil {
				return err
			}
			return s.Send(t.Context(), tx, e.ID, hooks.Event{ID: "evt_1", Name: "message.received", About: "order"})
		})
		s.start()
		s.until("deferred")
		if d := s.delivery(); d.Status != 0 || !strings.Contains(d.Reason, "a private network") || strings.Contains(d.Reason, "10.0") {
			t.Errorf("recorded %+v", d)
		}
	})
}

// The process ends between the answer and its record: the receiver sees the same
// id again, and knows it.
func TestCrashAfterSending(t *testing.T) {
	each(t, func(s *desk) {
		s.publish("evt_1")
		if _, err := s.SendAndDie(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
		again := s.node("a") // the same node, started again
		if err := again.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.until("sent")
		calls := s.r.got()
		if len(calls) != 2 || calls[0].id != "evt_1" || calls[1].id != "evt_1" || calls[0].body != calls[1].body || calls[0].at == calls[1].at {
			t.Errorf("calls: %+v", calls)
		}
		if d := s.delivery(); d.Attempts != 2 {
			t.Errorf("%d attempts", d.Attempts)
		}
	})
}

// A worker that slept past its lease records nothing over what another does by
// now, be it another node or its own successor.
func TestLateRecordIsDropped(t *testing.T) {
	each(t, func(s *desk) {
		for _, name := range []string{"b", "a"} {
			s.r.set(func(call) (int, string) { return 200, "" })
			s.publish("evt_" + name)
			late, err := s.SendAndDie(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			begun, release := s.r.hold(500)
			s.pass(db.Lease + time.Second)
			other := s.node(name)
			if err := other.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-begun
			if err := late(); err != nil {
				t.Fatal(err)
			}
			if d := s.delivery(); d.State != hooks.Sending || d.Attempts != 2 {
				t.Errorf("recorded %+v", d)
			}
			close(release)
			s.until("deferred")
			other.Stop()
		}
	})
}

// A worker that slept between taking a delivery and sending it finds that it has
// it no more: while another sends, and after.
func TestLateWorkerDoesNotSend(t *testing.T) {
	each(t, func(s *desk) {
		s.publish("evt_1")
		id, err := s.Claim(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun, release := s.r.hold(200)
		s.pass(db.Lease + time.Second)
		if err := s.node("b").Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-begun
		s.Deliver(t.Context(), id)
		close(release)
		s.until("sent")
		s.Deliver(t.Context(), id)
		if d := s.delivery(); len(s.r.got()) != 1 || d.Attempts != 1 || d.State != hooks.Sent {
			t.Errorf("%d calls; recorded %+v", len(s.r.got()), d)
		}
	})
}

func TestRecordThatFailsSendsAgain(t *testing.T) {
	each(t, func(s *desk) {
		times := 0
		s.onDone(func(hooks.Delivery) error {
			if times++; times == 1 {
				return fail.New(fail.Unavailable, "not now")
			}
			return nil
		})
		s.start()
		s.publish("evt_1")
		s.until("deferred")
		if d := s.delivery(); d.Due.Sub(d.Tried) != 5*time.Minute || !strings.Contains(d.Reason, "could not be kept") || d.Status != 0 {
			t.Errorf("put back as %+v", d)
		}
		s.pass(5 * time.Minute)
		s.until("sent")
		if calls := s.r.got(); len(calls) != 2 || calls[0].id != calls[1].id || calls[0].body != calls[1].body {
			t.Errorf("calls: %+v", calls)
		}
		if got := s.acts("order"); !slices.Equal(got, []string{"webhook.sent"}) {
			t.Errorf("on record: %v", got)
		}
	})
}

// Two nodes share one queue: nothing is sent by both.
func TestTwoWorkersDoNotSendTheSame(t *testing.T) {
	each(t, func(s *desk) {
		const n = 60
		var mu sync.Mutex
		now, both := map[string]int{}, 0
		s.r.set(func(c call) (int, string) {
			mu.Lock()
			if now[c.id]++; now[c.id] > 1 {
				both++
			}
			mu.Unlock()
			return 200, ""
		})
		other := s.node("b")
		var ids []string
		for i := range n {
			ids = append(ids, "evt_"+string(rune('A'+i/26))+string(rune('a'+i%26)))
		}
		s.start()
		if err := other.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < n; i += 6 {
			s.publish(ids[i : i+6]...)
		}
		for range n {
			s.until("sent")
		}
		if both != 0 || len(s.r.got()) != n {
			t.Errorf("%d were sent twice; %d calls, want %d", both, len(s.r.got()), n)
		}
	})
}

func TestStopWaitsForWhatIsUnderWay(t *testing.T) {
	each(t, func(s *desk) {
		begun, release := s.r.hold(200)
		s.start()
		s.start()
		s.publish("evt_1")
		<-begun
		stopped := make(chan struct{})
		go func() { s.Stop(); s.Stop(); close(stopped) }()
		select {
		case <-stopped:
			t.Error("stopped while a delivery was under way")
		default:
		}
		close(release)
		<-stopped
		if d := s.delivery(); d.State != hooks.Sent {
			t.Errorf("it is %s", d.State)
		}
	})
}

package portal_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/fail"
	"postern/internal/portal"
	"postern/internal/vault"
)

// desk is a portal with one item and a clock that the test moves.
type desk struct {
	*portal.Store
	t   *testing.T
	d   *db.DB
	now *time.Time
	new *portal.New
}

func each(t *testing.T, f func(*desk)) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	dbtest.EachAt(t, clock, func(t *testing.T, d *db.DB) {
		v, _ := vault.New(vault.NewMaster())
		s := &desk{portal.NewStore(v), t, d, &now, nil}
		n, err := s.New(portal.Item{Case: "case", Message: "m", Contact: "ann", Delivery: "d1"}, portal.Content{Text: "the balance is 12"}, now)
		if err != nil {
			t.Fatal(err)
		}
		s.new = n
		s.must(func(tx *db.Tx) error { return s.Place(t.Context(), tx, n) })
		f(s)
	})
}

func (s *desk) must(f func(*db.Tx) error) {
	s.t.Helper()
	if err := s.d.Update(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *desk) item() (i *portal.Item) {
	s.must(func(tx *db.Tx) (err error) { i, err = portal.Get(s.t.Context(), tx, s.new.ID); return err })
	return i
}

func (s *desk) code() string {
	code := portal.NewCode()
	s.must(func(tx *db.Tx) error { return s.IssueCode(s.t.Context(), tx, s.item0(tx), "agent", code) })
	return code
}

func (s *desk) item0(tx *db.Tx) *portal.Item {
	i, err := portal.Get(s.t.Context(), tx, s.new.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *desk) redeem(code string) (token string, refused error) {
	s.t.Helper()
	s.must(func(tx *db.Tx) (err error) {
		token, refused, err = s.Redeem(s.t.Context(), tx, s.item0(tx), code)
		return err
	})
	return token, refused
}

func (s *desk) read(token string) (text string, err error) {
	err = s.d.View(s.t.Context(), func(tx *db.Tx) error {
		ses, err := portal.FindSession(s.t.Context(), tx, token)
		if err != nil {
			return err
		}
		_, c, _, err := s.Read(s.t.Context(), tx, ses, s.new.ID)
		if err == nil {
			text = c.Text
		}
		return err
	})
	return text, err
}

func TestP4CodeOpensOnceForTenMinutes(t *testing.T) {
	each(t, func(s *desk) {
		code := s.code()
		if i := s.item(); !i.Released.IsZero() {
			t.Fatal("released before anything was proved")
		}
		token, refused := s.redeem(" " + strings.ReplaceAll(code, " ", "-") + " ")
		if refused != nil {
			t.Fatal(refused)
		}
		if text, err := s.read(token); err != nil || text != "the balance is 12" {
			t.Errorf("%q, %v", text, err)
		}
		if i := s.item(); i.Released.IsZero() || i.Factor != portal.AccessCode || i.Tries != 0 {
			t.Errorf("%+v", i)
		}
		if _, refused := s.redeem(code); refused == nil {
			t.Error("a used code opened it again")
		}
		late := s.code()
		*s.now = s.now.Add(portal.CodeLife)
		if _, refused := s.redeem(late); refused == nil {
			t.Error("a code of the eleventh minute opened it")
		}
		first := s.code()
		second := s.code()
		if _, refused := s.redeem(first); refused == nil {
			t.Error("a replaced code opened it")
		}
		if _, refused := s.redeem(second); refused != nil {
			t.Error(refused)
		}
	})
}

func TestP4FiveTriesOverAllReissues(t *testing.T) {
	each(t, func(s *desk) {
		for i := range 5 {
			if i == 3 {
				s.code()
			}
			if _, refused := s.redeem("0000 0000"); refused == nil {
				t.Fatal("a wrong code opened it")
			}
		}
		var err error
		s.must(func(tx *db.Tx) error {
			err = s.IssueCode(t.Context(), tx, s.item0(tx), "agent", portal.NewCode())
			return nil
		})
		if !fail.Is(err, fail.Conflict) {
			t.Errorf("a sixth chance was issued: %v", err)
		}
		if i := s.item(); i.Tries != 5 || i.Refused.IsZero() || !i.Released.IsZero() {
			t.Errorf("%+v", i)
		}
	})
}

func TestOneCodeRacedByFifty(t *testing.T) {
	each(t, func(s *desk) {
		code := s.code()
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				var refused error
				if err := s.d.Update(t.Context(), func(tx *db.Tx) (err error) {
					_, refused, err = s.Redeem(t.Context(), tx, s.item0(tx), code)
					return err
				}); err == nil && refused == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d won, want 1", won.Load())
		}
	})
}

func TestP4RecalledContentIsDestroyed(t *testing.T) {
	each(t, func(s *desk) {
		code := s.code()
		s.must(func(tx *db.Tx) error { return portal.Fetched(t.Context(), tx, s.new.ID) })
		s.must(func(tx *db.Tx) error { return portal.Recall(t.Context(), tx, s.item0(tx), "staff:a") })
		if _, refused := s.redeem(code); refused == nil {
			t.Error("a recalled item opened")
		}
		n := int64(-1)
		s.must(func(tx *db.Tx) (err error) {
			n, err = db.Count(t.Context(), tx, `SELECT COUNT(*) FROM data_keys WHERE wrapped IS NOT NULL`)
			return err
		})
		if n != 0 {
			t.Errorf("%d keys left", n)
		}
	})
}

func TestOpenedItemCannotBeRecalled(t *testing.T) {
	each(t, func(s *desk) {
		s.redeem(s.code())
		err := s.d.Update(t.Context(), func(tx *db.Tx) error { return portal.Recall(t.Context(), tx, s.item0(tx), "staff:a") })
		if !fail.Is(err, fail.Conflict) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSessionSeesItsOwnItemOnly(t *testing.T) {
	each(t, func(s *desk) {
		token, _ := s.redeem(s.code())
		other, _ := s.New(portal.Item{Case: "c2", Message: "m2", Contact: "bob", Delivery: "d2"}, portal.Content{Text: "bob's"}, *s.now)
		s.must(func(tx *db.Tx) error { return s.Place(t.Context(), tx, other) })
		err := s.d.View(t.Context(), func(tx *db.Tx) error {
			ses, err := portal.FindSession(t.Context(), tx, token)
			if err != nil {
				return err
			}
			_, _, _, err = s.Read(t.Context(), tx, ses, other.ID)
			return err
		})
		if !fail.Is(err, fail.NotFound) {
			t.Errorf("another's item: %v", err)
		}
		*s.now = s.now.Add(portal.SessionIdle)
		if _, err := s.read(token); !fail.Is(err, fail.NotFound) {
			t.Errorf("an idle session still reads: %v", err)
		}
	})
}

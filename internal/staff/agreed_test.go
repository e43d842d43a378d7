package staff

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

const own = "heron over tannery lane"

// agreed sets a customer's code and returns it as it is kept.
func (h *house) agreed(contact, code string) (c Agreed) {
	h.t.Helper()
	phc, err := h.AgreedCodes().Hash(h.t.Context(), code)
	if err != nil {
		h.t.Fatal(err)
	}
	h.must(func(ctx context.Context, tx *db.Tx) error {
		if err := h.AgreedCodes().Save(ctx, tx, contact, "noor", phc); err != nil {
			return err
		}
		c, err = h.AgreedCodes().Of(ctx, tx, contact)
		return err
	})
	return c
}

func (h *house) fits(c Agreed, typed string) bool {
	h.t.Helper()
	ok, err := h.AgreedCodes().Fits(h.t.Context(), c, typed, "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	return ok
}

func (h *house) use(contact string, c Agreed) (ok bool) {
	h.t.Helper()
	h.must(func(ctx context.Context, tx *db.Tx) (err error) {
		ok, err = h.AgreedCodes().Use(ctx, tx, contact, c)
		return err
	})
	return ok
}

func TestAgreedCodeIsFitOrRefused(t *testing.T) {
	each(t, func(h *house) {
		for _, bad := range []string{"", "elevenchars", "123456789012", "passwordpassword", "AdaBrandt1980", "   short     ", strings.Repeat("x", 300)} {
			if _, err := h.AgreedCodes().Hash(t.Context(), bad, "Ada Brandt", "ada@brandt.example"); !fail.Is(err, fail.Invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestAgreedCodeFitsItsOwnerAlone(t *testing.T) {
	each(t, func(h *house) {
		c := h.agreed("ada", own)
		if c.By != "noor" || !c.Made.Equal(h.now) || !c.Used.IsZero() {
			t.Errorf("kept: by %q, %s, %s", c.By, c.Made, c.Used)
		}
		for typed, want := range map[string]bool{own: true, "  " + own + "\n": true, "heron over tannery lan": false, strings.ToUpper(own): false, own + "x": false, "": false, strings.Repeat(own, 100): false} {
			if got := h.fits(c, typed); got != want {
				t.Errorf("%.40q: %v", typed, got)
			}
		}
		if h.fits(Agreed{}, own) {
			t.Error("it fits somebody without a code")
		}
		var stored []byte
		h.must(func(ctx context.Context, tx *db.Tx) error {
			list, err := db.List(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) }, `SELECT hash FROM agreed_codes`)
			stored = list[0]
			return err
		})
		if strings.Contains(string(stored), "argon2id") || strings.Contains(string(stored), "heron") || !strings.HasPrefix(c.phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("kept as %q, opened %q", stored, c.phc)
		}
	})
}

// A code that was replaced or removed while somebody typed it lets nobody in.
func TestAgreedCodeCountsWhileItStands(t *testing.T) {
	each(t, func(h *house) {
		old := h.agreed("ada", own)
		if !h.use("ada", old) || h.use("ben", old) {
			t.Error("used by nobody, or by another")
		}
		h.pass(time.Second)
		c := h.agreed("ada", "linden at the ferry stairs")
		if h.use("ada", old) || !h.use("ada", c) || h.fits(c, own) {
			t.Error("the replaced one counts")
		}
		h.must(func(ctx context.Context, tx *db.Tx) error { return h.AgreedCodes().Remove(ctx, tx, "ada") })
		if h.use("ada", c) {
			t.Error("the removed one counts")
		}
		h.must(func(ctx context.Context, tx *db.Tx) error {
			got, err := h.AgreedCodes().Of(ctx, tx, "ada")
			if got != (Agreed{}) {
				t.Errorf("%+v", got)
			}
			return err
		})
	})
}

// The line before the hash is one for everybody, and a network's share of it small.
func TestAgreedCodesStandInTheSameLine(t *testing.T) {
	each(t, func(h *house) {
		c := h.agreed("ada", own)
		for range lineShare {
			leave, err := h.line.enter("192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
		}
		if _, err := h.AgreedCodes().Fits(t.Context(), c, own, "192.0.2.1"); !fail.Is(err, fail.Unavailable) {
			t.Errorf("past the line: %v", err)
		}
		if ok, err := h.AgreedCodes().Fits(t.Context(), c, own, "192.0.2.2"); err != nil || !ok {
			t.Errorf("from elsewhere: %v, %v", ok, err)
		}
		if _, err := h.AgreedCodes().Fits(t.Context(), c, "4821 0937", "192.0.2.1"); err != nil {
			t.Errorf("a code of eight digits waits for a hash: %v", err)
		}
	})
}

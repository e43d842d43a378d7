package hours

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse("Mon-Thu 09:00-17:00, Fri 09:00-13:00", "12-25", zone)
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		x, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, x := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-11-30 10:00", 1, "2026-12-01 10:00"},
		{"2026-12-03 16:00", 1, "2026-12-04 13:00"}, // Friday ends earlier
		{"2026-12-04 12:00", 1, "2026-12-07 12:00"}, // over the weekend
		{"2026-12-05 20:00", 1, "2026-12-08 09:00"}, // Saturday counts from Monday morning
		{"2026-12-04 18:00", 3, "2026-12-10 09:00"},
		{"2026-12-24 10:00", 1, "2026-12-28 10:00"}, // the 25th is a Friday, and off
		{"2026-12-01 07:00", 0, "2026-12-01 09:00"},
	} {
		if got := h.Days(at(x.from), x.n); !got.Equal(at(x.want)) {
			t.Errorf("%d days after %s: %s, want %s", x.n, x.from, got.In(zone).Format("2006-01-02 15:04"), x.want)
		}
	}
	var always *Hours
	if got := always.Days(at("2026-12-05 20:00"), 2); !got.Equal(at("2026-12-07 20:00")) {
		t.Errorf("always: %s", got)
	}
}

package hours

import (
	"testing"
	"time"
)

func TestAddCountsHoursOfWork(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	h, err := Parse("Mon-Thu 09:00-12:00, Mon-Thu 13:00-17:00, Fri 09:00-13:00", "2026-12-24, 12-25", berlin)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from string
		d    time.Duration
		want string
	}{
		{"2026-11-30 10:00", time.Hour, "2026-11-30 11:00"},
		{"2026-11-30 11:30", time.Hour, "2026-11-30 13:30"},     // over the break
		{"2026-11-30 16:00", 2 * time.Hour, "2026-12-01 10:00"}, // into the next day
		{"2026-11-27 12:30", time.Hour, "2026-11-30 09:30"},     // over the weekend
		{"2026-11-28 03:00", 0, "2026-11-30 09:00"},
		{"2026-12-23 16:00", 2 * time.Hour, "2026-12-28 10:00"}, // two holidays and a weekend
		{"2026-03-27 12:00", 2 * time.Hour, "2026-03-30 10:00"}, // summer time begins
	} {
		from, _ := time.ParseInLocation("2006-01-02 15:04", c.from, berlin)
		if got := h.Add(from.UTC(), c.d).In(berlin).Format("2006-01-02 15:04"); got != c.want {
			t.Errorf("%s + %v = %s, want %s", c.from, c.d, got, c.want)
		}
	}
	sat, _ := time.ParseInLocation("2006-01-02 15:04", "2026-11-28 10:00", berlin)
	if h.Open(sat) || !h.Open(sat.AddDate(0, 0, 2)) {
		t.Error("open on a Saturday, or closed on a Monday")
	}
}

func TestNoHoursWorkAlways(t *testing.T) {
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	var none *Hours
	if got := none.Add(now, time.Hour); !got.Equal(now.Add(time.Hour)) || !none.Open(now) {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, week := range []string{"Mon", "Mon-Fri 9-17", "Mon-Fri 17:00-09:00", "Mo-Fr 09:00-17:00", "Mon 09:00-25:00", "Mon 09:00-17:00, Mon-Fri 16:00-18:00", "Mon 13:00-17:00, Mon 09:00-12:00"} {
		if _, err := Parse(week, "", time.UTC); err == nil {
			t.Errorf("%q was taken", week)
		}
	}
	if _, err := Parse("", "Christmas", time.UTC); err == nil {
		t.Error("a holiday that is no day was taken")
	}
}

// TestWhereMidnightIsSkipped: where a day begins at one o'clock, hours are neither counted twice nor for ever.
func TestWhereMidnightIsSkipped(t *testing.T) {
	for _, name := range []string{"America/Santiago", "America/Asuncion", "Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Sao_Paulo", "Atlantic/Azores", "Europe/Berlin", "Asia/Tehran", "America/Scoresbysund"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Log(err)
			continue
		}
		h, err := Parse("Mon-Sun 09:00-17:00", "", zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, year := range []int{2015, 2024, 2026} {
			bad := 0
			for d := range 365 {
				from := time.Date(year, 1, 1+d, 12, 0, 0, 0, zone)
				got := h.Add(from, 8*time.Hour) // 5 today, 3 tomorrow
				y, m, day := from.Date()
				want := time.Date(y, m, day+1, 12, 0, 0, 0, zone)
				if !got.Equal(want) {
					if bad++; bad <= 2 {
						t.Errorf("%s: 8 hours from %v: %v, want %v", name, from, got, want)
					}
				}
			}
		}
	}
}

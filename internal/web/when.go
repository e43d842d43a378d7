package web

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/lang"
)

// A Clock fixes "now" and the zone for one page, so that all its times agree.
type Clock struct {
	Now  time.Time
	Zone *time.Location // of the organisation; nil is UTC
	Lang lang.Lang
}

// When is a moment as one page shows it. The template "when" draws it.
type When struct {
	at, now time.Time
	lang    lang.Lang
}

// When places a moment on the page's clock; the zero time stays empty.
func (c Clock) When(t time.Time) When {
	if t.IsZero() {
		return When{}
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	return When{t.In(zone), c.Now.In(zone), c.Lang}
}

// IsZero reports whether there is nothing to show.
func (w When) IsZero() bool { return w.at.IsZero() }

// ISO is for machines.
func (w When) ISO() string { return w.at.UTC().Format(time.RFC3339) }

// Day says Today, Yesterday, Tomorrow, 3 May, or 3 May 2025.
func (w When) Day() string {
	if w.IsZero() {
		return ""
	}
	switch w.days() {
	case 0:
		return w.lang.Must("day.today")
	case -1:
		return w.lang.Must("day.yesterday")
	case 1:
		return w.lang.Must("day.tomorrow")
	}
	if w.at.Year() == w.now.Year() {
		return w.lang.Must("day.near", w.at.Day(), w.month())
	}
	return w.Date()
}

func (w When) month() string {
	names := strings.Fields(w.lang.Must("months"))
	return names[int(w.at.Month()-1)%len(names)]
}

// days counts midnights between now and then.
func (w When) days() int {
	y, m, d := w.now.Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	y, m, d = w.at.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(today) / (24 * time.Hour))
}

// Time is the hour and minute.
func (w When) Time() string { return fmt.Sprintf("%d:%02d", w.at.Hour(), w.at.Minute()) }

// Short is the day, with the hour where it is near.
func (w When) Short() string {
	if w.IsZero() {
		return ""
	}
	if n := w.days(); n >= -6 && n <= 6 {
		return w.Day() + " " + w.Time()
	}
	return w.Day()
}

// Brief is the hour of today and the day of any other, for rows.
func (w When) Brief() string {
	if !w.IsZero() && w.days() == 0 {
		return w.Day() + " " + w.Time()
	}
	return w.Day()
}

// Date is the whole date, wherever somebody may keep it.
func (w When) Date() string {
	if w.IsZero() {
		return ""
	}
	return w.lang.Date(w.at)
}

// Full is date, hour and zone.
func (w When) Full() string {
	if w.IsZero() {
		return ""
	}
	return w.Date() + ", " + w.Time() + zone(w.at)
}

func zone(t time.Time) string {
	_, off := t.Zone()
	if off == 0 {
		return " UTC"
	}
	s := fmt.Sprintf(" UTC%+d", off/3600)
	if m := off % 3600 / 60; m != 0 {
		s += fmt.Sprintf(":%02d", max(m, -m))
	}
	return s
}

// Inside is the day as it stands inside a sentence: today, yesterday, 3 May.
func (w When) Inside() string {
	switch w.days() {
	case 0:
		return w.lang.Must("day.inside.today")
	case -1:
		return w.lang.Must("day.inside.yesterday")
	case 1:
		return w.lang.Must("day.inside.tomorrow")
	}
	return w.Day()
}

// Age says how long ago, or how far ahead, in one unit.
func (w When) Age() string {
	d := w.now.Sub(w.at)
	if d < 0 {
		d = -d
	}
	switch {
	case w.IsZero():
		return ""
	case d < time.Minute:
		return "1 min"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return plural(int(d.Hours()/24), "day", "days")
}

// Seconds until then, never negative; for a countdown.
func (w When) Seconds() int { return max(0, int(w.at.Sub(w.now).Seconds())) }

// Package hours is the calendar of an organisation: when its people are at work, and
// what moment is so many hours of work from now.
package hours

import (
	"strconv"
	"strings"
	"time"

	"postern/internal/fail"
)

// Hours are when people work. The zero value works always.
type Hours struct {
	zone  *time.Location
	days  [7][]span // by time.Weekday
	off   map[string]bool
	words string
}

// span of a day, in minutes after midnight.
type span struct{ from, to int }

var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// Parse reads "Mon-Thu 09:00-17:00, Fri 09:00-13:00", and holidays as "2026-12-24" or,
// for every year, "12-25", with commas between. No week at all works always.
func Parse(week, holidays string, zone *time.Location) (*Hours, error) {
	h := &Hours{zone: zone, off: map[string]bool{}, words: strings.TrimSpace(week)}
	for _, part := range fields(week) {
		if err := h.add(part); err != nil {
			return nil, err
		}
	}
	for _, day := range fields(holidays) {
		_, year := time.Parse("2006-01-02", day)
		_, every := time.Parse("01-02", day)
		if year != nil && every != nil {
			return nil, fail.New(fail.Invalid, "%q is not a day such as 2026-12-24, or 12-25 for every year", day)
		}
		h.off[day] = true
	}
	return h, nil
}

func fields(s string) (out []string) {
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}

func (h *Hours) add(part string) error {
	bad := fail.New(fail.Invalid, "%q is not such as Mon-Fri 09:00-17:00", part)
	days, times, ok := strings.Cut(part, " ")
	from, to, both := strings.Cut(strings.TrimSpace(times), "-")
	a, okA := minutes(from)
	b, okB := minutes(to)
	if !ok || !both || !okA || !okB || a >= b {
		return bad
	}
	first, last, ranged := strings.Cut(days, "-")
	if !ranged {
		last = first
	}
	d, end := dayOf(first), dayOf(last)
	if d < 0 || end < 0 {
		return bad
	}
	for {
		for _, s := range h.days[d] {
			if a < s.to && s.from < b {
				return fail.New(fail.Invalid, "%q counts hours twice", part)
			}
		}
		h.days[d] = append(h.days[d], span{a, b})
		if len(h.days[d]) > 1 && h.days[d][len(h.days[d])-2].from > a {
			return fail.New(fail.Invalid, "%q stands after a later time of the same day; write a day's times in order", part)
		}
		if d == end {
			return nil
		}
		d = (d + 1) % 7
	}
}

func dayOf(s string) int {
	for i, n := range dayNames {
		if strings.EqualFold(n, s) {
			return i
		}
	}
	return -1
}

func minutes(s string) (int, bool) {
	a, b, ok := strings.Cut(s, ":")
	hour, err1 := strconv.Atoi(a)
	min, err2 := strconv.Atoi(b)
	m := hour*60 + min
	return m, ok && err1 == nil && err2 == nil && hour >= 0 && min >= 0 && min < 60 && m <= 24*60
}

// Always reports whether people work at any time.
func (h *Hours) Always() bool {
	if h == nil {
		return true
	}
	for _, d := range h.days {
		if len(d) > 0 {
			return false
		}
	}
	return true
}

// String is the week as it was written; empty: always.
func (h *Hours) String() string {
	if h == nil {
		return ""
	}
	return h.words
}

// Add is the moment d hours of work after t.
func (h *Hours) Add(t time.Time, d time.Duration) time.Time {
	if h.Always() {
		return t.Add(d)
	}
	y, m, day := t.In(h.zone).Date()
	at := time.Date(y, m, day, 12, 0, 0, 0, h.zone) // noon: some places skip midnight
	for range 4 * 366 {                             // holidays alone cannot keep it for ever
		for _, s := range h.spans(at) {
			from, to := h.at(at, s.from), h.at(at, s.to)
			if from.Before(t) {
				from = t
			}
			if !from.Before(to) {
				continue
			}
			if left := to.Sub(from); d > left {
				d -= left
				continue
			}
			return from.Add(d).In(t.Location())
		}
		y, m, day := at.Date()
		at = time.Date(y, m, day+1, 12, 0, 0, 0, h.zone)
	}
	return t.Add(d)
}

// Open reports whether people are at work.
func (h *Hours) Open(t time.Time) bool {
	if h.Always() {
		return true
	}
	at := t.In(h.zone)
	for _, s := range h.spans(at) {
		if !at.Before(h.at(at, s.from)) && at.Before(h.at(at, s.to)) {
			return true
		}
	}
	return false
}

func (h *Hours) spans(at time.Time) []span {
	if h.off[at.Format("2006-01-02")] || h.off[at.Format("01-02")] {
		return nil
	}
	return h.days[at.Weekday()]
}

func (h *Hours) at(day time.Time, minute int) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, minute/60, minute%60, 0, 0, h.zone)
}

// Days is the moment n working days after t: the same time of day, or the end of work
// if that comes first. What begins outside the hours begins when they next open.
func (h *Hours) Days(t time.Time, n int) time.Time {
	if h.Always() {
		return t.Add(time.Duration(n) * 24 * time.Hour)
	}
	at := t
	if !h.Open(t) {
		at = h.Add(t, 0)
	}
	y, m, d := at.In(h.zone).Date()
	day := time.Date(y, m, d, 12, 0, 0, 0, h.zone)
	minute := at.In(h.zone).Hour()*60 + at.In(h.zone).Minute()
	for range 4 * 366 {
		if n == 0 {
			spans := h.spans(day)
			last := spans[len(spans)-1]
			return h.at(day, min(max(minute, spans[0].from), last.to)).In(t.Location())
		}
		y, m, d := day.Date()
		day = time.Date(y, m, d+1, 12, 0, 0, 0, h.zone)
		if len(h.spans(day)) > 0 {
			n--
		}
	}
	return t.Add(time.Duration(n) * 24 * time.Hour)
}

package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/figures"
	"postern/internal/ladder"
	"postern/internal/web"
)

// span reads how many weeks are wanted; a quarter, if nobody says.
func span(r *http.Request, now time.Time) (figures.Span, int, error) {
	n, err := strconv.Atoi(cmp.Or(r.FormValue("weeks"), "13"))
	if err != nil || n < 1 || n > 104 {
		return figures.Span{}, 0, fail.New(fail.Invalid, "say how many weeks: 1 to 104")
	}
	return figures.Weeks(now, n), n, nil
}

func (d *Desk) count(ctx context.Context, s figures.Span, more func(tx *db.Tx) error) (f *figures.Figures, err error) {
	return f, d.db.View(ctx, func(tx *db.Tx) error {
		if f, err = figures.Of(ctx, tx, s); err != nil {
			return err
		}
		return more(tx)
	})
}

// figures serves GET /desk/figures.
func (d *Desk) figures(w http.ResponseWriter, r *http.Request, me *visitor) error {
	p := FiguresPage{Staff: d.chrome(me, "figures")}
	s, n, err := span(r, p.Now)
	if err != nil {
		return err
	}
	p.Weeks = n
	f, err := d.count(r.Context(), s, func(tx *db.Tx) error { return d.fillChrome(r.Context(), tx, me, &p.Staff, "") })
	if err != nil {
		return err
	}
	p.Figures = f
	p.From, p.To = p.When(f.From), p.When(f.To.Add(-time.Hour))
	p.Wait, p.Slowest, p.Oldest = lengthOf(f.Wait), lengthOf(f.Slowest), lengthOf(f.Oldest)
	p.Silent = lengthOf(f.Security.Longest)
	var kept, missed, own, canned, up []int64
	var labels []string
	for _, x := range f.Weeks {
		labels = append(labels, x.From.Format("2 Jan"))
		kept, missed = append(kept, x.Kept), append(missed, x.Missed)
		own, canned = append(own, x.Answers-x.Canned), append(canned, x.Canned)
		up = append(up, x.Lifted)
	}
	p.Charts = []Chart{ChartOf("Promises of a person’s word", labels, Series{"kept", kept, Main}, Series{"missed", missed, Bad}), ChartOf("Answers", labels, Series{"in own words", own, Main}, Series{"canned", canned, Other}), ChartOf("Cases that went up", labels, Series{"steps", up, Main})}
	names := figures.NamesOf(d.o.Centre)
	for _, l := range f.Lifts {
		p.Lifts = append(p.Lifts, figures.Count{Name: ladder.Why(l.Name).Words(), N: l.N})
	}
	for _, o := range f.Topics {
		o.Name = names.Topic(o.Name)
		p.Topics = append(p.Topics, o)
	}
	for _, o := range f.Replies {
		o.Name = names.Reply(o.Name)
		p.Replies = append(p.Replies, o)
	}
	for _, o := range f.Groups {
		o.Name = cmp.Or(upperFirst(o.Name), "Nobody")
		p.Groups = append(p.Groups, o)
	}
	return web.Render(w, r, Templates, "figures", p)
}

// lengthOf is a length of time in words: "3 h", "2 days".
func lengthOf(d time.Duration) string {
	switch {
	case d <= 0:
		return "none yet"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// figuresCSV serves GET /desk/figures.csv.
func (d *Desk) figuresCSV(w http.ResponseWriter, r *http.Request, me *visitor) error {
	s, _, err := span(r, d.db.Now())
	if err != nil {
		return err
	}
	f, err := d.count(r.Context(), s, func(*db.Tx) error { return nil })
	if err != nil {
		return err
	}
	web.ServeFile(w, "figures-"+f.From.Format("2006-01-02")+".csv", f.CSV(figures.NamesOf(d.o.Centre)))
	return nil
}

// ChartOf draws stacked bars, a bar a week. Every number stands in the table below it
// too.
func ChartOf(title string, labels []string, series ...Series) Chart {
	c := Chart{Title: title, Labels: labels, Series: series, W: 520, H: 190}
	most := int64(1)
	for i := range labels {
		sum := int64(0)
		for _, s := range series {
			sum += s.N[i]
		}
		most = max(most, sum)
	}
	c.Most = most
	const top, left = 14, 34
	high, step := int64(c.H-top-18), float64(c.W-left)/float64(max(len(labels), 1))
	for i := range labels {
		y := int64(c.H - 18)
		for _, s := range series {
			h := s.N[i] * high / most
			if s.N[i] > 0 {
				h = max(h, 2)
			}
			y -= h
			if h > 0 {
				c.Bars = append(c.Bars, Bar{X: left + int(float64(i)*step+step*.15), Y: int(y), W: max(int(step*.7), 1), H: int(h), Tone: s.Tone, Title: fmt.Sprintf("%s: %d %s", labels[i], s.N[i], s.Name)})
			}
		}
		if every := (len(labels) + 6) / 7; i%every == 0 {
			c.Marks = append(c.Marks, Mark{X: left + int(float64(i)*step+step*.15), Text: labels[i]})
		}
	}
	return c
}

// Package learn trains the recogniser's model and measures it; the desk does not hold
// it.
package learn

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"postern/internal/recognise"
)

// A Message is one of the set.
type Message struct {
	ID       string          `json:"id"`
	Text     string          `json:"text"`
	Door     string          `json:"door"`
	Previous string          `json:"previous"`
	Class    recognise.Class `json:"class"`
	Lang     string          `json:"lang"`
	Flaw     string          `json:"flaw"`
}

// Input is the message as the recogniser gets it.
func (m *Message) Input() *recognise.Input {
	in := &recognise.Input{Text: m.Text, Door: m.Door}
	if m.Previous != "" {
		in.Previous = []string{m.Previous}
	}
	return in
}

// Read reads the messages of all files that fit the pattern, in their order.
func Read(pattern string) (out []Message, err error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			var m Message
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", name, n, err)
			}
			if !slices.Contains(recognise.Classes, m.Class) {
				return nil, fmt.Errorf("%s: class %q", m.ID, m.Class)
			}
			out = append(out, m)
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no messages in %s", pattern)
	}
	return out, nil
}

const (
	rounds = 30
	rate   = 0.06
	miss   = 1.5 // a report that is missed costs more than a false alarm
)

// weights of a model in training.
type weights struct {
	w    []float32
	sq   []float32 // sum of squared steps, for the rate of each weight
	bias [6]float32
}

// Train makes a model file of the set. The order is drawn from a fixed seed, so that
// the same set makes the same file.
func Train(set []Message) []byte {
	m := train(set)
	return recognise.Pack(m.w, m.bias)
}

type example struct {
	f []uint32
	c int
}

func examples(set []Message) []example {
	out := make([]example, len(set))
	for i := range set {
		out[i] = example{recognise.Features(set[i].Input()), slices.Index(recognise.Classes, set[i].Class)}
	}
	return out
}

func train(set []Message) *weights {
	list := examples(set)
	m := &weights{w: make([]float32, recognise.Buckets*6), sq: make([]float32, recognise.Buckets*6)}
	rnd := rand.New(rand.NewPCG(4, 711))
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	for range rounds {
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			m.step(list[i])
		}
	}
	return m
}

// step is one of AdaGrad.
func (m *weights) step(e example) {
	p := m.probabilities(e.f)
	x := recognise.Weight(len(e.f))
	cost := 1.0
	if e.c == 0 {
		cost = miss
	}
	var g [6]float32
	for c := range g {
		want := 0.0
		if c == e.c {
			want = 1
		}
		g[c] = float32(cost * (p[c] - want))
		m.bias[c] -= 0.02 * g[c]
	}
	for _, b := range e.f {
		for c := range g {
			i := b*6 + uint32(c)
			d := g[c] * float32(x)
			m.sq[i] += d * d
			m.w[i] -= rate * d / (0.05 + float32(math.Sqrt(float64(m.sq[i]))))
		}
	}
}

func (m *weights) probabilities(f []uint32) (p [6]float64) {
	x := recognise.Weight(len(f))
	var sum [6]float32
	for _, b := range f {
		for c := range sum {
			sum[c] += m.w[b*6+uint32(c)]
		}
	}
	total := 0.0
	for c := range p {
		p[c] = math.Exp(float64(sum[c])*x + float64(m.bias[c]))
		total += p[c]
	}
	for c := range p {
		p[c] /= total
	}
	return p
}

// A Figure is how the recogniser does on messages.
type Figure struct {
	Reports, Caught   int // security reports, and how many were flagged
	Ordinary, Alarmed int // ordinary messages, and how many were flagged
	Right, All        int // classes that are right
	Wrong             []string
}

// Recall is the share of reports that were flagged; Alarms the share of ordinary
// messages that were.
func (f *Figure) Recall() float64 { return float64(f.Caught) / float64(max(f.Reports, 1)) }
func (f *Figure) Alarms() float64 { return float64(f.Alarmed) / float64(max(f.Ordinary, 1)) }

// Add counts a verdict.
func (f *Figure) Add(m *Message, v *recognise.Verdict) {
	f.All++
	if v.Class == m.Class {
		f.Right++
	}
	switch {
	case m.Class == recognise.Report:
		f.Reports++
		if v.Flagged {
			f.Caught++
		} else {
			f.Wrong = append(f.Wrong, fmt.Sprintf("missed   %s %.2f %s", m.ID, v.Score, m.Flaw))
		}
	case v.Flagged && m.Class == recognise.Ordinary:
		f.Alarmed++
		f.Wrong = append(f.Wrong, fmt.Sprintf("alarm    %s %.2f %v", m.ID, v.Score, v.Reasons))
	case v.Class != m.Class:
		f.Wrong = append(f.Wrong, fmt.Sprintf("confused %s: %s read as %s", m.ID, m.Class, v.Class))
	}
	if m.Class == recognise.Ordinary {
		f.Ordinary++
	}
}

// Print writes the figures, and every confusion.
func (f *Figure) Print(w io.Writer) {
	fmt.Fprintf(w, "recall of security reports %d of %d (%.3f); false alarms on ordinary messages %d of %d (%.3f); class right %d of %d\n",
		f.Caught, f.Reports, f.Recall(), f.Alarmed, f.Ordinary, f.Alarms(), f.Right, f.All)
	sort.Strings(f.Wrong)
	for _, s := range f.Wrong {
		fmt.Fprintln(w, "  "+s)
	}
}

// Measure counts how the recogniser does on messages, as it is shipped.
func Measure(set []Message) *Figure {
	f := &Figure{}
	for i := range set {
		v := recognise.Look(set[i].Input())
		f.Add(&set[i], &v)
	}
	return f
}

// Cross trains on four fifths of the set and measures on the rest, five times.
func Cross(w io.Writer, set []Message) {
	var f Figure
	for part := range 5 {
		var shown, kept []Message
		for i, m := range set {
			if i%5 == part {
				kept = append(kept, m)
			} else {
				shown = append(shown, m)
			}
		}
		done := recognise.Use(Train(shown))
		for i := range kept {
			v := recognise.Look(kept[i].Input())
			f.Add(&kept[i], &v)
		}
		done()
	}
	f.Print(w)
}

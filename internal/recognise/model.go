package recognise

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"io"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// The model is a softmax over hashed features: words, pairs of words, pieces of words
// (so that a slip of the pen or an ending does no harm), what words mean, what the rules
// found, the door. Buckets is how many features there can be.
const Buckets = 1 << 19

const buckets = Buckets

//go:embed model.bin.gz
var modelFile []byte

// A Model holds a weight for each feature and class.
type Model struct {
	weights []int8 // buckets * len(Classes)
	scale   [6]float32
	bias    [6]float32
}

// used is the model that is tried instead of the one that is shipped.
var used atomic.Pointer[Model]

// Use tries another model until done is called: for measuring one in training.
func Use(file []byte) (done func()) {
	m, err := ReadModel(file)
	if err != nil {
		panic(err)
	}
	used.Store(m)
	return func() { used.Store(nil) }
}

func model() *Model {
	if m := used.Load(); m != nil {
		return m
	}
	return shipped()
}

var shipped = sync.OnceValue(func() *Model {
	m, err := ReadModel(modelFile)
	if err != nil {
		return &Model{weights: make([]int8, buckets*6)} // the rules stand alone; a test reads the file
	}
	return m
})

// ReadModel reads what Write wrote.
func ReadModel(b []byte) (*Model, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m := &Model{weights: make([]int8, buckets*6)}
	for _, p := range []any{&m.scale, &m.bias} {
		if err := binary.Read(z, binary.LittleEndian, p); err != nil {
			return nil, err
		}
	}
	raw := make([]byte, len(m.weights))
	if _, err := io.ReadFull(z, raw); err != nil {
		return nil, err
	}
	for i, w := range raw {
		m.weights[i] = int8(w)
	}
	return m, nil
}

// Pack makes a model file of trained weights: class after class for each bucket.
func Pack(weights []float32, bias [6]float32) []byte {
	m := Model{bias: bias}
	for i, w := range weights {
		c := i % 6
		m.scale[c] = max(m.scale[c], float32(math.Abs(float64(w)))/127)
	}
	raw := make([]byte, len(weights))
	for i, w := range weights {
		if s := m.scale[i%6]; s > 0 {
			raw[i] = byte(int8(math.Round(float64(w / s))))
		}
	}
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a known one
	binary.Write(z, binary.LittleEndian, m.scale)
	binary.Write(z, binary.LittleEndian, m.bias)
	z.Write(raw)
	z.Close() // a buffer takes everything
	return out.Bytes()
}

// Features are the buckets of a text, each once: what the model and its training see.
func Features(in *Input) []uint32 {
	r := read(in.Text)
	defer r.close()
	said := r.own()
	h := r.match(said)
	h.previous(in.Previous)
	said, h.bits = ends(said, h.bits, firstWords, lastWords)
	return slices.Clone(r.features(said, h, in.Door))
}

// How much of a text the model reads. What it is about is said at its beginning or at its
// end; of more words each would count for less. The rules read on.
const (
	firstWords = 600
	lastWords  = 200
)

// ends are the first and the last words of a longer text.
func ends(toks []token, bits []uint64, first, last int) ([]token, []uint64) {
	if len(toks) <= first+last {
		return toks, bits
	}
	return append(toks[:first:first], toks[len(toks)-last:]...), append(bits[:first:first], bits[len(bits)-last:]...)
}

const (
	offset32 = 2166136261
	prime32  = 16777619
)

func hash(h uint32, s string) uint32 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * prime32
	}
	return h
}

// features are the buckets of some tokens of the text; they hold until the next are
// asked for.
func (r *reading) features(toks []token, h *hits, door string) []uint32 {
	r.out = r.out[:0]
	r.asked++
	for i, t := range toks {
		w := &r.words[t.n]
		r.feature(bucket(w.hash))
		if i > 0 {
			r.feature(bucket(hash(hash(r.words[toks[i-1].n].hash, " "), w.text)))
		}
		if i > 1 {
			r.feature(bucket(hash(hash(r.words[toks[i-2].n].hash, " _ "), w.text)))
		}
		if w.met != r.asked && w.text[0] != '<' {
			for _, b := range r.piecesOf(w) {
				r.feature(b)
			}
		}
		w.met = r.asked
		for b := h.bits[i]; b != 0; b &= b - 1 {
			r.feature(ofList[bits.TrailingZeros64(b)])
		}
		r.meaning(toks, i)
	}
	for _, f := range h.fired {
		r.feature(bucket(hash(hash(offset32, "rule "), f.rule.why)))
	}
	if h.answered {
		r.feature(bucket(hash(offset32, "answered before")))
	}
	if h.denied {
		r.feature(bucket(hash(offset32, "denied before")))
	}
	r.feature(bucket(hash(hash(offset32, "door "), door)))
	for _, n := range r.out { // most of it was never touched
		r.seen[n/64] = 0
	}
	return r.out
}

func (r *reading) feature(n uint32) {
	if r.seen[n/64]&(1<<(n%64)) == 0 {
		r.seen[n/64] |= 1 << (n % 64)
		r.out = append(r.out, n)
	}
}

func bucket(h uint32) uint32 { return (h ^ h>>15) % buckets }

// ofList are the buckets of the lists of words.
var ofList = func() (out [64]uint32) {
	for i := range out {
		out[i] = bucket(hash(offset32, "list") + uint32(i)*prime32)
	}
	return out
}()

// piecesOf are the buckets of a word's pieces, made once for each text.
func (r *reading) piecesOf(w *word) []uint32 {
	if w.to == 0 {
		w.from = int32(len(r.pieces))
		r.pieces = appendPieces(r.pieces, w.text)
		w.to = int32(len(r.pieces))
	}
	return r.pieces[w.from:w.to]
}

// appendPieces adds the buckets of a word's runs of four and five letters, with its ends
// marked.
func appendPieces(out []uint32, word string) []uint32 {
	if len(word) < 4 {
		return out
	}
	var room [64]byte
	w := append(append(append(room[:0], '^'), word...), '$')
	begin := hash(offset32, "~")
	for n := 4; n <= 5; n++ {
		for i := 0; i+n <= len(w); i++ {
			h := begin
			for _, c := range w[i : i+n] {
				h = (h ^ uint32(c)) * prime32
			}
			out = append(out, bucket(h))
		}
	}
	return out
}

// Weight is what each of n features counts: long texts have many, and none of them
// tells much.
func Weight(n int) float64 { return 1 / math.Sqrt(float64(max(n, 1))) }

// probabilities are those of the classes.
func (m *Model) probabilities(f []uint32) (p [6]float64) {
	var sum [6]int32
	for _, b := range f {
		row := m.weights[b*6 : b*6+6 : b*6+6]
		for c, w := range row {
			sum[c] += int32(w)
		}
	}
	x, top := Weight(len(f)), math.Inf(-1)
	for c := range p {
		p[c] = float64(sum[c])*float64(m.scale[c])*x + float64(m.bias[c])
		top = max(top, p[c])
	}
	total := 0.0
	for c := range p {
		p[c] = math.Exp(p[c] - top)
		total += p[c]
	}
	for c := range p {
		p[c] /= total
	}
	return p
}

// passage looks for a part of a longer text that reads like a report: a flaw told in
// the last line of a question about an order. A part is a few sentences.
func (m *Model) passage(r *reading, toks []token, bits []uint64, door string) (Spot, float64, bool) {
	const least, most, each = 8, 28, 160
	if len(toks) < 2*least {
		return Spot{}, 0, false
	}
	toks, bits = ends(toks, bits, each, each) // a flaw is told at the beginning or in the last lines
	var top Spot
	score := 0.0
	for from := 0; from < len(toks); {
		to := from
		for to < len(toks) && (to-from < least || r.words[toks[to-1].n].text != "." && to-from < most) {
			to++
		}
		if to-from >= least {
			piece := toks[from:to]
			if p := m.probabilities(r.features(piece, found(bits[from:to]), door)); p[0] > score {
				score, top = p[0], Spot{int(piece[0].from), int(piece[len(piece)-1].to)}
			}
		}
		from = to
	}
	return top, score, score >= passing
}

// telling are the words of a text that speak most for a report.
func (m *Model) telling(r *reading, toks []token) (out []Spot) {
	const most = 4
	type tell struct {
		at     int
		weight float64
	}
	weigh := func(b uint32) float64 {
		return float64(m.weights[b*6])*float64(m.scale[0]) - float64(m.weights[b*6+4])*float64(m.scale[4])
	}
	var list []tell
	for i, t := range toks {
		w := &r.words[t.n]
		if len(w.text) < 3 {
			continue
		}
		sum := weigh(bucket(w.hash))
		if w.text[0] != '<' {
			for _, b := range r.piecesOf(w) {
				sum += weigh(b)
			}
		}
		if sum > 0 {
			list = append(list, tell{i, sum})
		}
	}
	for range min(most, len(list)) {
		n := 0
		for i := range list {
			if list[i].weight > list[n].weight {
				n = i
			}
		}
		t := toks[list[n].at]
		out = append(out, Spot{int(t.from), int(t.to)})
		list[n].weight = -1
	}
	return out
}

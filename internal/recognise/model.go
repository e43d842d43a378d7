package recognise

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"io"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// The model is a softmax over hashed features: words, pairs of words, pieces of words
// (so that a slip of the pen or an ending does no harm), what the rules found, the door.
// Buckets is how many features there can be.
const Buckets = 1 << 18

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
	said := own(in.Text, tokens(in.Text))
	h := match(said)
	h.previous(in.Previous)
	return features(said, h, in.Door)
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

func features(toks []token, h *hits, door string) (out []uint32) {
	out = make([]uint32, 0, 8*len(toks)+16)
	seen := sets.Get().(*set)
	defer func() { // most of it was never touched
		for _, n := range out {
			seen.bits[n/64] = 0
		}
		sets.Put(seen)
	}()
	add := func(h uint32) {
		h ^= h >> 15
		if h %= buckets; seen.add(h) {
			out = append(out, h)
		}
	}
	var known [512]uint32 // hashes of words that were met: their pieces are in
	for i, t := range toks {
		add(t.hash)
		if i > 0 {
			add(hash(hash(toks[i-1].hash, " "), t.word))
		}
		if i > 1 {
			add(hash(hash(toks[i-2].hash, " _ "), t.word))
		}
		if k := &known[t.hash%512]; *k != t.hash && t.word[0] != '<' {
			*k = t.hash
			pieces(t.word, add)
		}
		for b := h.bits[i]; b != 0; b &= b - 1 {
			add(hash(offset32, "list") + uint32(bits.TrailingZeros64(b))*prime32)
		}
	}
	for _, f := range h.fired {
		add(hash(hash(offset32, "rule "), f.rule.why))
	}
	if h.answered {
		add(hash(offset32, "answered before"))
	}
	if h.denied {
		add(hash(offset32, "denied before"))
	}
	add(hash(hash(offset32, "door "), door))
	return out
}

// pieces are runs of four and five letters, with the word's ends marked.
func pieces(word string, add func(uint32)) {
	if len(word) < 4 {
		return
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
			add(h)
		}
	}
}

// set remembers buckets; in the pool all of them are forgotten.
type set struct{ bits [buckets / 64]uint64 }

var sets = sync.Pool{New: func() any { return new(set) }}

func (s *set) add(n uint32) bool {
	if s.bits[n/64]&(1<<(n%64)) != 0 {
		return false
	}
	s.bits[n/64] |= 1 << (n % 64)
	return true
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
func (m *Model) passage(toks []token, bits []uint64, door string) (Spot, float64, bool) {
	const least, most, ends = 8, 28, 160
	if len(toks) < 2*least {
		return Spot{}, 0, false
	}
	if len(toks) > 2*ends { // a flaw is told at the beginning or in the last lines
		toks, bits = append(toks[:ends:ends], toks[len(toks)-ends:]...), append(bits[:ends:ends], bits[len(bits)-ends:]...)
	}
	var top Spot
	score := 0.0
	for from := 0; from < len(toks); {
		to := from
		for to < len(toks) && (to-from < least || toks[to-1].word != "." && to-from < most) {
			to++
		}
		if to-from >= least {
			piece := toks[from:to]
			if p := m.probabilities(features(piece, found(bits[from:to]), door)); p[0] > score {
				score, top = p[0], Spot{piece[0].from, piece[len(piece)-1].to}
			}
		}
		from = to
	}
	return top, score, score >= passing
}

// telling are the words of a text that speak most for a report.
func (m *Model) telling(toks []token) (out []Spot) {
	const words = 4
	type word struct {
		at     int
		weight float64
	}
	var list []word
	for i, t := range toks {
		w := 0.0
		one := func(h uint32) {
			h ^= h >> 15
			h %= buckets
			w += float64(m.weights[h*6])*float64(m.scale[0]) - float64(m.weights[h*6+4])*float64(m.scale[4])
		}
		one(hash(offset32, t.word))
		if t.word[0] != '<' {
			pieces(t.word, one)
		}
		if w > 0 && len(t.word) > 2 {
			list = append(list, word{i, w})
		}
	}
	for range min(words, len(list)) {
		n := 0
		for i := range list {
			if list[i].weight > list[n].weight {
				n = i
			}
		}
		t := toks[list[n].at]
		out = append(out, Spot{t.from, t.to})
		list[n].weight = -1
	}
	return out
}

package dlp

// group is digits that touch one another.
type group struct {
	start, end   int
	digitsBefore int // in earlier groups of the run
}

// cards finds 13 to 19 digits that begin like a card and pass the checksum of
// ISO/IEC 7812-1. They begin and end where a group of digits does, so that a
// card is no part of a longer number, but may stand beside a date or a code.
func (f *folded) cards(out []Finding) []Finding {
	var run []group
	for i := 0; i < len(f.s); {
		if !isDigit(f.s[i]) {
			i++
			continue
		}
		run = f.run(i, run[:0])
		last := run[len(run)-1]
		i = last.end
		total := last.digitsBefore + last.end - last.start
		for g := 0; total >= 13 && g < len(run); g++ {
			if total-run[g].digitsBefore < 13 {
				break
			}
			if to, digits := f.cardAt(run, g, total); to > 0 {
				out = append(out, Finding{Card, run[g].start, run[to-1].end, "card ending in " + string(digits[len(digits)-4:])})
				g = to - 1
			}
		}
	}
	return out
}

// run appends the groups of digits that stand together from i on.
func (f *folded) run(i int, out []group) []group {
	for n := 0; ; {
		g := group{start: i, digitsBefore: n}
		for i < len(f.s) && isDigit(f.s[i]) {
			i++
		}
		g.end = i
		n += g.end - g.start
		out = append(out, g)
		gap := i
		for gap < len(f.s) && gap-i <= maxGap && isGap(f.s[gap]) {
			gap++
		}
		if gap == i || gap-i > maxGap || gap >= len(f.s) || !isDigit(f.s[gap]) {
			return out
		}
		i = gap
	}
}

// gluedAt reports whether the digits at i belong to what stands before them: a
// hash, an identifier, a telephone number. A plain word before them ("visa4111")
// hides nothing.
func (f *folded) gluedAt(i int) bool {
	if i == 0 {
		return false
	}
	switch c := f.s[i-1]; {
	case c == '+' || c == '_' || c == '/':
		return true
	case !isLetter(c):
		return false
	}
	n := 0
	for i--; i >= 0 && n <= 20 && isLetter(f.s[i]); i-- {
		n++
	}
	return n < 3 || n > 20 || i >= 0 && (isDigit(f.s[i]) || f.s[i] == '_' || f.s[i] == '/')
}

// gluedBehind is the same for what stands behind the digits.
func (f *folded) gluedBehind(i int) bool {
	n := 0
	for ; i < len(f.s) && n <= 20 && isLetter(f.s[i]); i++ {
		n++
	}
	return n == 1 || n == 2 || n > 20 || n > 0 && i < len(f.s) && (isDigit(f.s[i]) || f.s[i] == '_')
}

// cardAt looks for the longest card that begins with group g, and returns the
// group behind it.
func (f *folded) cardAt(run []group, g, total int) (to int, digits []byte) {
	if f.gluedAt(run[g].start) {
		return 0, nil
	}
	var d [19]byte
	n := 0
	for h := g; h < len(run) && n+run[h].end-run[h].start <= len(d); h++ {
		n += copy(d[n:], f.s[run[h].start:run[h].end])
		if n < 13 || f.gluedBehind(run[h].end) || !issuer(d[:n]) || !luhn(d[:n]) || distinct(d[:n]) < 2 {
			continue
		}
		if total-n <= 8 || usual(run[g:h+1]) {
			to, digits = h+1, d[:n:n]
		}
	}
	return to, digits
}

// usual reports whether the groups are as cards print them. In the midst of
// many other numbers nothing else is taken for a card.
func usual(run []group) bool {
	n := func(i int) int { return run[i].end - run[i].start }
	switch len(run) {
	case 1:
		return true
	case 3:
		return n(0) == 4 && n(1) == 6 && (n(2) == 5 || n(2) == 4)
	case 4, 5:
		return n(0) == 4 && n(1) == 4 && n(2) == 4 && n(3) == 4 && (len(run) == 4 || n(4) == 3)
	}
	return false
}

func distinct(d []byte) int {
	var seen [10]bool
	n := 0
	for _, c := range d {
		if !seen[c-'0'] {
			seen[c-'0'] = true
			n++
		}
	}
	return n
}

// issuer knows how the numbers of the large schemes begin, and how long they are.
func issuer(d []byte) bool {
	p2 := int(d[0]-'0')*10 + int(d[1]-'0')
	p4 := p2*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	switch n := len(d); {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720:
		return n == 16
	case p2 == 34, p2 == 37:
		return n == 15
	case p2 == 36, p2 == 38, p2 == 39, p4 >= 3000 && p4 <= 3059:
		return n == 14 || n == 16
	case p4 == 6011, p2 == 65, p2 == 64, p2 == 62, p4 >= 3528 && p4 <= 3589, p4 >= 2200 && p4 <= 2204:
		return n >= 16
	case p2 == 50, p2 >= 56 && p2 <= 58, p2 == 60, p2 == 63, p2 == 67:
		return n >= 13 && n != 14
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		x := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
	}
	return sum%10 == 0
}

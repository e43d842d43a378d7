package dlp

import "strings"

// near is how far behind its word a date or number may begin.
const near = 25

// digitsNear is where the first digit behind a word stands, on its line or
// the next.
func (f *folded) digitsNear(i int) (int, bool) {
	for end := min(len(f.s), i+near); i < end; i++ {
		if isDigit(f.s[i]) {
			return i, true
		}
	}
	return 0, false
}

// number reads digits over small gaps, at most n+1 of them.
func (f *folded) number(i, n int) (d []byte, end int) {
	end = i
	for gap := 0; i < len(f.s) && len(d) <= n && gap < 2; i++ {
		switch c := f.s[i]; {
		case isDigit(c):
			d, gap, end = append(d, c), 0, i+1
		case c == ' ' || c == '-' || c == '.' || c == '/':
			gap++
		default:
			return d, end
		}
	}
	return d, end
}

// taxID reads a German tax number for persons: eleven digits, the last one a
// check by ISO 7064, MOD 11,10.
func (f *folded) taxID(i int) (int, bool) {
	at, ok := f.digitsNear(i)
	if !ok {
		return 0, false
	}
	d, end := f.number(at, 11)
	if len(d) != 11 || d[0] == '0' || distinct(d[:10]) > 9 {
		return 0, false
	}
	p := 10
	for _, c := range d[:10] {
		s := (int(c-'0') + p) % 10
		if s == 0 {
			s = 10
		}
		p = s * 2 % 11
	}
	return end, (11-p)%10 == int(d[10]-'0')
}

// ssn reads a social security number of the United States.
func (f *folded) ssn(i int) (int, bool) {
	at, ok := f.digitsNear(i)
	if !ok {
		return 0, false
	}
	d, end := f.number(at, 9)
	if len(d) != 9 {
		return 0, false
	}
	area := string(d[:3])
	return end, area != "000" && area != "666" && string(d[3:5]) != "00" && string(d[5:]) != "0000"
}

// date reads a full date behind a word for a birth: 24.11.1980, 1980-11-24,
// 24 November 1980.
func (f *folded) date(i int) (int, bool) {
	at, ok := f.digitsNear(i)
	if !ok {
		return 0, false
	}
	end := min(len(f.s), at+24)
	year, other := 0, false
	for at < end {
		switch {
		case isDigit(f.s[at]):
			n, from := 0, at
			for at < end && isDigit(f.s[at]) {
				n, at = n*10+int(f.s[at]-'0'), at+1
			}
			switch {
			case at-from == 4 && n >= 1890 && n <= 2035 && year == 0:
				year = n
			case at-from <= 2 && n >= 1 && n <= 31:
				other = true
			default:
				return 0, false
			}
			if year > 0 && other {
				if rest := f.s[at:end]; len(rest) > 2 && !isAlnum(rest[0]) && isDigit(rest[1]) && isDigit(rest[2]) && rest[0] == '-' {
					at += 3 // the day, where the year comes first
				}
				return at, true
			}
		case isLetter(f.s[at]) || strings.IndexByte(" .-/,", f.s[at]) >= 0:
			at++
		default:
			return 0, false
		}
	}
	return 0, false
}

package dlp

// ibanLengths are those of ISO 13616's registry.
var ibanLengths = map[string]int{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27,
	"GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
	"LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24,
	"RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20}

// ibans finds account numbers by country, length and checksum (ISO 13616, mod 97).
func (f *folded) ibans(out []Finding) []Finding {
	for i := 0; i+15 <= len(f.s); i++ {
		if classes[f.s[i]]&classes[f.s[i+1]]&latin == 0 || classes[f.s[i+2]]&(digit|gap) == 0 || i > 0 && isAlnum(f.s[i-1]) {
			continue
		}
		a, b := upper(f.s[i]), upper(f.s[i+1])
		want := ibanLengths[string([]byte{a, b})]
		if want == 0 {
			continue
		}
		if s, end := f.compact(i, want); len(s) == want && isDigit(s[2]) && isDigit(s[3]) && !(end < len(f.s) && isAlnum(f.s[end])) && mod97(s) {
			out = append(out, Finding{IBAN, i, end, string(s[:2]) + "•• ending in " + string(s[want-4:])})
			i = end - 1
		}
	}
	return out
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 32
	}
	return c
}

// compact reads n letters and digits from i on, over small gaps.
func (f *folded) compact(i, n int) (s []byte, end int) {
	s = make([]byte, 0, n)
	for gap := 0; i < len(f.s) && len(s) < n && gap <= maxGap; i++ {
		switch c := upper(f.s[i]); {
		case isDigit(c) || c >= 'A' && c <= 'Z':
			s, gap = append(s, c), 0
		case isGap(c):
			gap++
		default:
			return s, i
		}
	}
	return s, i
}

// mod97 is the check of ISO 7064: the country and check digits at the end,
// letters as two digits, remainder 1.
func mod97(s []byte) bool {
	n := 0
	for i := range s {
		c := s[(i+4)%len(s)]
		if isDigit(c) {
			n = (n*10 + int(c-'0')) % 97
		} else {
			n = (n*100 + int(c-'A') + 10) % 97
		}
	}
	return n == 1
}

package instructions

import (
	"regexp"
	"strings"
)

var looks = map[Kind]*regexp.Regexp{
	Amount: regexp.MustCompile(`(?i)\b(?:[A-Z]{3} ?\d[\d,]*(?:\.\d{1,2})?|\d[\d,]*(?:\.\d{1,2})? ?[A-Z]{3})\b`),
	IBAN:   regexp.MustCompile(`(?i)\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}\b`),
	Mail:   regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`),
	Phone:  regexp.MustCompile(`\+\d[\d ()/.-]{6,18}\d`),
	Date:   regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`),
}

// Suggest fills what a type asks for out of somebody's words, where it stands
// there in a form that is let in, and returns the lines it came from. It is a
// help for whoever proposes, and decides nothing.
func (t *Type) Suggest(text string) (values map[string]string, quote string) {
	values = map[string]string{}
	used := map[string]bool{}
	lines := strings.Split(text, "\n")
	var from []string
	for i := range t.Fields {
		f := &t.Fields[i]
		re := looks[f.Kind]
		if re == nil {
			continue
		}
	search:
		for _, l := range lines {
			for _, found := range re.FindAllString(l, 20) {
				v, err := f.Normal(found)
				if err != nil || used[v] {
					continue
				}
				values[f.Name], used[v] = v, true
				if l = strings.TrimSpace(l); len(from) == 0 || from[len(from)-1] != l {
					from = append(from, l)
				}
				break search
			}
		}
	}
	if len(from) == 0 {
		from = lines[:min(len(lines), 4)]
	}
	return values, strings.TrimSpace(strings.Join(from, "\n"))
}

package lang

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// saidPrefix begins the keys of what the packages below the pages say of themselves:
// failures, and what came of an instruction. They write it in English, and the
// catalogue has it here in the same words.
const saidPrefix = "said."

// saying is one whose words have places.
type saying struct {
	key string
	re  *regexp.Regexp
}

// sayings are those of the English catalogue: whole ones by their words, and those
// with places in the order of their keys.
var sayings = sync.OnceValues(func() (map[string]string, []saying) {
	var parted []saying
	whole := map[string]string{}
	c := catalogues()[English]
	for _, key := range slices.Sorted(maps.Keys(c)) {
		words := c[key]
		switch {
		case !strings.HasPrefix(key, saidPrefix):
		case place.MatchString(words):
			parted = append(parted, saying{key, regexp.MustCompile("^" + place.ReplaceAllString(regexp.QuoteMeta(words), "(.+)") + "$")})
		default:
			whole[words] = key
		}
	}
	return whole, parted
})

var place = regexp.MustCompile(`\\?\{\d\\?\}`)

// Said puts into the language what a failure says in English. What the catalogue has
// not stays as it is: a reason in another language is better than none.
func (l Lang) Said(english string) string {
	if l == English || l == "" || english == "" {
		return english
	}
	whole, parted := sayings()
	if key, ok := whole[english]; ok {
		return l.Must(key)
	}
	for _, s := range parted {
		m := s.re.FindStringSubmatch(english)
		if m == nil {
			continue
		}
		var in []any
		for _, v := range m[1:] {
			in = append(in, l.days(l.Said(v)))
		}
		return l.Must(s.key, in...)
	}
	return english
}

var englishDay = regexp.MustCompile(`\b(\d{1,2}) ([A-Z][a-z]+)\b`)

// days puts the days in a text, such as 3 May, into the language.
func (l Lang) days(s string) string {
	return englishDay.ReplaceAllStringFunc(s, func(day string) string {
		t, err := time.Parse("2 January", day)
		if err != nil {
			return day
		}
		return l.Must("day.near", t.Day(), strings.Fields(l.Must("months"))[t.Month()-1])
	})
}

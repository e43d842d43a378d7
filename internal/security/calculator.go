package security

import (
	"strings"

	"postern/internal/fail"
)

// A Calculator makes a CVSS vector from answers to its questions, the base metrics of
// its version.
type Calculator struct {
	Version string // 3.1, 4.0
	Metrics []Metric
}

// A Metric is one question, with the answers that there are.
type Metric struct {
	ID, Name string
	Values   []Value
}

// A Value is an answer.
type Value struct{ ID, Name string }

func values(pairs ...string) (out []Value) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Value{pairs[i], pairs[i+1]})
	}
	return out
}

var (
	vectorMetric = Metric{"AV", "Reached from", values("N", "the network", "A", "the same network", "L", "the machine itself", "P", "by touching it")}
	complexity   = Metric{"AC", "How hard it is", values("L", "easy", "H", "hard")}
	privileges   = Metric{"PR", "Rights it takes", values("N", "none", "L", "few", "H", "many")}
	share        = values("H", "high", "L", "low", "N", "none")
)

// Calculators are those of the standards, the newest last.
var Calculators = []Calculator{
	{"3.1", []Metric{vectorMetric, complexity, privileges, {"UI", "Somebody must do something", values("N", "no", "R", "yes")}, {"S", "Reaches beyond itself", values("U", "no", "C", "yes")},
		{"C", "Secrets lost", share}, {"I", "Data changed", share}, {"A", "Service down", share}}},
	{"4.0", []Metric{vectorMetric, complexity, {"AT", "Needs a certain moment", values("N", "no", "P", "yes")}, privileges, {"UI", "Somebody must do something", values("N", "no", "P", "look at it", "A", "act")},
		{"VC", "Secrets lost here", share}, {"VI", "Data changed here", share}, {"VA", "Service down here", share}, {"SC", "Secrets lost elsewhere", share}, {"SI", "Data changed elsewhere", share}, {"SA", "Service down elsewhere", share}}},
}

// Vector puts the answers together; "" where there is none. Some questions without an
// answer are Invalid.
func (c *Calculator) Vector(answer func(metric string) string) (string, error) {
	out, missing := "CVSS:"+c.Version, ""
	for _, m := range c.Metrics {
		a := answer(m.ID)
		if a == "" {
			missing += ", “" + m.Name + "”"
			continue
		}
		out += "/" + m.ID + ":" + a
	}
	switch {
	case strings.Count(missing, "“") == len(c.Metrics):
		return "", nil
	case missing != "":
		return "", fail.New(fail.Invalid, "the CVSS %s calculator wants every answer; missing: %s", c.Version, missing[2:])
	}
	_, _, err := Rate(out)
	return out, err
}

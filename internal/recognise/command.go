package recognise

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// message is one line of what the command reads.
type message struct {
	ID       string `json:"id"`
	Text     string `json:"text"`
	Door     string `json:"door"`
	Previous words  `json:"previous"`
}

// words is a text, or a list of texts, oldest first.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		if one != "" {
			*w = words{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return errors.New(`"previous" is a text, or a list of texts`)
	}
	*w = many
	return nil
}

// answer is one line of what it writes.
type answer struct {
	ID      string   `json:"id"`
	Class   Class    `json:"class"`
	Score   float64  `json:"score"`
	Flagged bool     `json:"flagged"`
	Reasons []string `json:"reasons"`
}

const usage = `Usage: postern recognise --json [--own HOST]... [FILE]...
Reads an object a line, {"id","text","door","previous"}, from files or standard input, and
writes an object a line, {"id","class","score","flagged","reasons"}. --own names a host or
domain of ours: a plain http link to it is a finding by itself.
`

// Command is postern recognise. It returns the exit code: 0, 1 if a line could not be
// read, 2 if it was called wrongly.
func Command(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	asJSON := false
	var own, files []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--json":
			asJSON = true
		case a == "--own" && i+1 < len(args):
			i++
			own = append(own, args[i])
		case a == "--help" || a == "-h":
			fmt.Fprint(stdout, usage)
			return 0
		case strings.HasPrefix(a, "--"):
			fmt.Fprintf(stderr, "postern recognise: there is no %s\n%s", a, usage)
			return 2
		default:
			files = append(files, a)
		}
	}
	if !asJSON {
		fmt.Fprintf(stderr, "postern recognise: say --json; it is the one form there is\n%s", usage)
		return 2
	}
	if len(files) == 0 {
		return lines("standard input", stdin, own, stdout, stderr)
	}
	code := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			fmt.Fprintln(stderr, "postern recognise:", err)
			code = 1
			continue
		}
		code = max(code, lines(name, f, own, stdout, stderr))
		f.Close()
	}
	return code
}

func lines(name string, r io.Reader, own []string, stdout, stderr io.Writer) (code int) {
	out := bufio.NewWriter(stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), 64<<20)
	for n := 1; in.Scan(); n++ {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var m message
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			fmt.Fprintf(stderr, "postern recognise: %s, line %d: %v\n", name, n, err)
			code = 1
			continue
		}
		v := Look(&Input{Text: m.Text, Door: m.Door, Previous: m.Previous, Own: own})
		if v.Reasons == nil {
			v.Reasons = []string{}
		}
		if err := enc.Encode(answer{m.ID, v.Class, math.Round(v.Score*1000) / 1000, v.Flagged, v.Reasons}); err != nil {
			fmt.Fprintln(stderr, "postern recognise:", err)
			return 1
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintf(stderr, "postern recognise: %s: %v\n", name, err)
		return 1
	}
	return code
}

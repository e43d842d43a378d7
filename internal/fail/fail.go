// Package fail says how things go wrong, in the few kinds a door (web, SMTP,
// command line) can act on. The text of a failure is chosen for the caller's
// eyes; its cause goes to the log.
package fail

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Kind decides the answer: an HTTP status, an SMTP code, an exit code.
type Kind uint8

const (
	Internal    Kind = iota // anything unforeseen; its text is for the log only
	Invalid                 // the caller sent nonsense
	Denied                  // the caller may not
	NotFound                // nothing there, or nothing this caller may see
	Conflict                // somebody else was first
	Unavailable             // something we need is away; the same call may work later
	Full                    // no room left on disk; the same call may work later
	TooMany                 // the caller must slow down
)

type failure struct {
	kind Kind
	text string // safe to show to the caller
	err  error  // for the log
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.text + ": " + f.err.Error()
	}
	return f.text
}

func (f *failure) Unwrap() error { return f.err }

// New returns an error of the kind, with a text fit for the caller's eyes.
func New(k Kind, format string, args ...any) error {
	return &failure{kind: k, text: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and a public text.
func Wrap(k Kind, err error, text string) error { return &failure{k, text, err} }

// KindOf finds the outermost kind; an error without one is Internal.
func KindOf(err error) Kind {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.kind
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Text is what the caller may read; empty for an Internal error.
func Text(err error) string {
	if f := (*failure)(nil); errors.As(err, &f) && f.kind != Internal {
		return f.text
	}
	return ""
}

// Panic is what recover returned, as an error for the log. The value may hold
// what somebody wrote; its type, the stack and the runtime's own words do not.
func Panic(p any) error {
	if e, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic: %w\n%s", e, debug.Stack())
	}
	return fmt.Errorf("panic of type %T\n%s", p, debug.Stack())
}

// Package app builds the desk from its parts, starts and stops them in order,
// and is the command line.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"postern/internal/config"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/recognise"
)

// Version of this program.
const Version = "0.1.0"

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Env is what a command sees of the world.
type Env struct {
	Args   []string // without the program's name
	Vars   []string // as os.Environ
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

type commands struct {
	Config string `help:"Configuration file (TOML)." env:"POSTERN_CONFIG" placeholder:"FILE"`

	Serve     serveCmd   `cmd:"" help:"Run the desk."`
	Demo      demoCmd    `cmd:"" help:"Run a desk for a made-up organisation in a temporary folder, with customers who write real mail."`
	Doctor    doctorCmd  `cmd:"" help:"Check configuration, database, keys, certificate, relay, clock, disk and audit log; say how to mend what is wrong."`
	Inspect   struct{}   `cmd:"" help:"Say what a mail proves: postern inspect [--json] [--at TIME] [--key FILE]... [--contact ADDRESS=KEYFILE]... [--secret FILE]... MAIL..."`
	Recognise struct{}   `cmd:"" help:"Say what messages are about, and whether one may be a security report: postern recognise --json [--own HOST]... [FILE]..."`
	Audit     auditCmd   `cmd:"" help:"Work with the audit log."`
	APIKey    apiKeyCmd  `cmd:"" name:"api-key" help:"Keys for the organisation's own systems; docs/API.md says what they can do."`
	Version   versionCmd `cmd:"" help:"Print the version."`
	Help      helpCmd    `cmd:"" help:"Explain a command, or all settings (postern help config)."`
}

type auditCmd struct {
	Verify verifyCmd `cmd:"" help:"Walk the whole chain; name the first bad row."`
}

// Run executes a command and returns its exit code.
func Run(ctx context.Context, e Env) int {
	// These read their own flags, so that they are the same everywhere they are used.
	if len(e.Args) > 0 && e.Args[0] == "inspect" {
		return evidence.Inspect(e.Args[1:], e.Stdin, e.Stdout, e.Stderr)
	}
	if len(e.Args) > 0 && e.Args[0] == "recognise" {
		return recognise.Command(e.Args[1:], e.Stdin, e.Stdout, e.Stderr)
	}
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("postern"), kong.Description("A secure customer-service desk."),
		kong.Writers(e.Stdout, e.Stderr), kong.Exit(func(n int) { exit = n }), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(e.Stderr, "postern:", err)
		return exitError
	}
	if len(e.Args) == 0 {
		e.Args = []string{"help"}
	}
	k, err := parser.Parse(e.Args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintln(e.Stderr, "postern:", err)
		fmt.Fprintln(e.Stderr, `Try "postern help".`)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(&e, &c, parser); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(e.Stderr, "postern:", said(err))
		}
		return exitError
	}
	return exitOK
}

// errSaid ends a command whose output already says what is wrong.
var errSaid = errors.New("said")

// said is an error as a person reads it: its text, and the cause behind it.
func said(err error) string {
	if e, ok := err.(interface{ Unwrap() []error }); ok && len(e.Unwrap()) == 1 { // kong joins what a command returns
		err = e.Unwrap()[0]
	}
	text := fail.Text(err)
	if text == "" {
		return err.Error()
	}
	if cause := errors.Unwrap(err); cause != nil && !strings.Contains(text, cause.Error()) {
		return text + " (" + cause.Error() + ")"
	}
	return text
}

func (c *commands) load(e *Env) (*config.Config, error) { return config.Load(c.Config, e.Vars) }

type versionCmd struct{}

func (versionCmd) Run(e *Env) error {
	fmt.Fprintf(e.Stdout, "postern %s (%s, %s/%s)\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"A command, or config."`
}

func (h helpCmd) Run(e *Env, parser *kong.Kong) error {
	if len(h.Topic) == 1 && h.Topic[0] == "config" {
		return helpConfig(e.Stdout)
	}
	ctx, err := kong.Trace(parser, h.Topic)
	if err != nil {
		return err
	}
	if ctx.Error != nil && len(h.Topic) > 0 {
		return fail.New(fail.Invalid, "there is no command %q", strings.Join(h.Topic, " "))
	}
	return ctx.PrintUsage(false)
}

func helpConfig(w io.Writer) error {
	fmt.Fprint(w, "Settings stand in a TOML file (--config FILE) or in variables; a variable goes over the file.\n\n")
	for _, s := range config.Settings() {
		def := s.Default
		if def == "" {
			def = "empty"
		}
		fmt.Fprintf(w, "%s (%s)\n    %s. Default: %s.\n", s.Key, s.Env, s.Help, def)
	}
	return nil
}

type doctorCmd struct{}

func (doctorCmd) Run(ctx context.Context, e *Env, c *commands) error {
	cfg, err := c.load(e)
	if err != nil {
		fmt.Fprintf(e.Stdout, "bad   Configuration: %s\n", said(err))
		return errSaid
	}
	fmt.Fprintln(e.Stdout, "good  Configuration: every setting is possible.")
	checks, err := diagnose(ctx, cfg)
	if err != nil {
		fmt.Fprintf(e.Stdout, "bad   Desk: %s\n", said(err))
		return errSaid
	}
	bad := false
	for _, k := range checks {
		fmt.Fprintf(e.Stdout, "%-5s %s: %s\n", k.State, k.Name, k.Cause)
		if k.Mend != "" {
			fmt.Fprintf(e.Stdout, "      %s\n", k.Mend)
		}
		bad = bad || k.State == "bad"
	}
	if bad {
		return errSaid
	}
	return nil
}

type verifyCmd struct{}

func (verifyCmd) Run(ctx context.Context, e *Env, c *commands) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	return verifyAudit(ctx, cfg, e.Stdout)
}

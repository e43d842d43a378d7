package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/staff"
)

// links makes a new one-time link for everybody who works here and prints them. A
// link is spent once it was used, and its session ends when nobody works in it.
func (s *scene) links(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "\nOne-time links to sign in; press Enter here for new ones:")
	for _, p := range s.people {
		var token string
		err := s.d.db.Update(ctx, func(tx *db.Tx) (err error) {
			if token, err = s.d.staff.MakeLink(ctx, tx, staff.SignInBy, p.ID, 24*time.Hour); err != nil {
				return err
			}
			return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "staff.link", About: string(p.ID)})
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-8s %s\n           %s/desk/link/%s\n", p.role, p.Name, s.cfg.URL, token)
	}
	return nil
}

// wait runs until the demo ends, and prints new links for every line that is typed.
func (s *scene) wait(ctx context.Context, e *Env) {
	typed := make(chan struct{})
	if e.Stdin != nil {
		// A read of a terminal cannot be broken off: this one ends with what is
		// typed, or with the program.
		go func() {
			for lines := bufio.NewScanner(e.Stdin); lines.Scan(); {
				select {
				case typed <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-typed:
			if err := s.links(ctx, e.Stdout); err != nil {
				fmt.Fprintln(e.Stderr, "no new links:", err)
			}
		}
	}
}

package hooks

import (
	"context"
	"strings"

	"postern/internal/db"
)

// wants are the events that some endpoint wanted when it was last looked. It is
// never changed, only replaced.
type wants struct {
	known  bool // false: something changed since, so anything may be wanted
	events map[string]bool
}

// Wants reports whether an endpoint may want the event, without asking the
// database: mail asks for every message, and most desks have no endpoint. What
// another node changed is seen at the next Reload.
func (h *Hooks) Wants(event string) bool {
	w := h.wanted.Load()
	return w == nil || !w.known || w.events[event]
}

// forget makes everything wanted until the next Reload. It leaves a value of its
// own behind, by which a Reload that began before knows that it is too late.
func (h *Hooks) forget() { h.wanted.Store(&wants{}) }

// Reload reads which events are wanted.
func (h *Hooks) Reload(ctx context.Context) error {
	before := h.wanted.Load()
	now := &wants{known: true, events: map[string]bool{}}
	err := h.d.View(ctx, func(tx *db.Tx) error {
		all, err := db.Strings(ctx, tx, `SELECT events FROM hook_endpoints WHERE enabled`)
		for _, e := range all {
			for _, name := range strings.Fields(e) {
				now.events[name] = true
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	h.wanted.CompareAndSwap(before, now)
	return nil
}

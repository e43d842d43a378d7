package public

import (
	"context"
	"net/http"

	"postern/internal/db"
	"postern/internal/portal"
)

// listed reports whether what a mailbox is for stays protected whatever somebody
// chose. A mailbox that nobody knows does.
func (s *Site) listed(address string) bool {
	box, err := s.Mailboxes.Get(address)
	return err != nil || box.Sensitive
}

// byLinkAlone reports whether the item opens by its link and one button, because
// whom it is for gave the second proof up.
func (s *Site) byLinkAlone(ctx context.Context, tx *db.Tx, v *visit) (bool, error) {
	return portal.ByLinkAlone(ctx, tx, v.item, v.c, s.listed(v.c.Mailbox))
}

// openAlone lets in whoever pressed the button. It is a POST: a program that
// follows links opens nothing.
func (s *Site) openAlone(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	var token string
	err := s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		token, err = s.Portal.ReleaseByLink(ctx, tx, v.item, v.c, s.listed(v.c.Mailbox))
		return err
	})
	if err != nil {
		return err
	}
	setSession(w, token)
	http.Redirect(w, r, v.path(), http.StatusSeeOther)
	return nil
}

package consent

import (
	"context"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
)

const columns = `id, contact_id, scope, wording, wording_sum, channel, factor, fingerprint, message_id, proved_at, given_at, starts_at, expires_at, asked_at, ended_at, ended_how`

func scan(c *Consent, row func(...any) error) error {
	return row(&c.ID, &c.Contact, &c.Scope, &c.Wording, &c.Sum, &c.Channel, &c.Factor, &c.Fingerprint, &c.Message, db.Time(&c.At),
		db.Time(&c.Given), db.Time(&c.Starts), db.Time(&c.Expires), db.Time(&c.Asked), db.Time(&c.Ended), &c.How)
}

// Ask is the query for all consents of a contact, newest first.
func Ask(out *[]Consent, who ...contacts.ID) db.Query {
	in, args := db.In(nil, who)
	return db.Into(out, scan, `SELECT `+columns+` FROM consents WHERE contact_id IN `+in+` ORDER BY given_at DESC, id DESC`, args...)
}

// Of lists all consents of a contact, newest first, the ended ones too.
func Of(ctx context.Context, tx *db.Tx, c contacts.ID) ([]Consent, error) {
	var out []Consent
	err := tx.Read(ctx, Ask(&out, c))
	return out, err
}

// Active returns the consent of a scope that counts now; none is NotFound.
func Active(ctx context.Context, tx *db.Tx, c contacts.ID, s Scope) (*Consent, error) {
	list, err := Of(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	if found := Standing(list, s, tx.Now); found != nil {
		return found, nil
	}
	return nil, fail.New(fail.NotFound, "this protection was not given up")
}

// Get returns a consent of the contact; another's is NotFound.
func Get(ctx context.Context, tx *db.Tx, c contacts.ID, id ID) (*Consent, error) {
	return db.One(ctx, tx, scan, `SELECT `+columns+` FROM consents WHERE id = $1 AND contact_id = $2`, id, c)
}

// A New is a consent about to be given, with its proof.
type New struct {
	Consent
	proof Proven
}

// Prepare makes a consent ready to be given. No database is touched. version is
// the wording that the customer was shown; only what is shown today, in whichever
// language, counts.
func Prepare(c contacts.ID, s Scope, version int64, p Proven, now time.Time) (*New, error) {
	english, err := Current(s)
	if err != nil {
		return nil, err
	}
	w, err := Shown(s, version)
	if err != nil || !w.today() {
		return nil, fail.New(fail.Conflict, "this wording was replaced by version %d; read it before you choose", english.Version)
	}
	if !p.allows(c, s, version) {
		return nil, fail.New(fail.Denied, "only the customer can give a protection up, after a proof that it is them")
	}
	n := &New{Consent{ID: ID(db.NewID()), Contact: c, Scope: s, Wording: w.Version, Sum: w.Sum(), Evidence: p.Evidence,
		Given: now, Starts: now, Expires: now.Add(Life)}, p}
	if p.by != "" {
		n.Starts = now.Add(Wait)
	}
	return n, nil
}

// Allowed says whether a consent may be given now. A mail that was signed before
// the last choice may not, however good its signature: somebody plays it again.
func Allowed(ctx context.Context, tx *db.Tx, n *New) error {
	_, err := allowed(ctx, tx, n)
	return err
}

// allowed returns the consent of the same scope that was not ended yet, if any.
func allowed(ctx context.Context, tx *db.Tx, n *New) (open *Consent, err error) {
	if !n.proof.allows(n.Contact, n.Scope, n.Wording) {
		return nil, fail.New(fail.Denied, "only the customer can give a protection up, after a proof that it is them")
	}
	list, err := Of(ctx, tx, n.Contact)
	if err != nil {
		return nil, err
	}
	for i := range list {
		c := &list[i]
		if c.Scope != n.Scope {
			continue
		}
		if n.Channel == SignedMail && (n.Message == c.Message || !n.At.After(c.Given) || !c.Ended.IsZero() && !n.At.After(c.Ended)) {
			return nil, fail.New(fail.Denied, "this mail was signed before the last choice")
		}
		if c.Ended.IsZero() {
			open = c
		}
	}
	return open, nil
}

// Give stores the consent. One that stands already is ended by it: asked again,
// they chose the same.
func Give(ctx context.Context, tx *db.Tx, n *New) error {
	open, err := allowed(ctx, tx, n)
	if err != nil {
		return err
	}
	if open != nil {
		if err := end(ctx, tx, open, Anew, audit.Contact(string(n.Contact))); err != nil {
			return err
		}
	}
	err = tx.Put(ctx, `INSERT INTO consents (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, '')`,
		n.ID, n.Contact, n.Scope, n.Wording, n.Sum, n.Channel, n.Factor, n.Fingerprint, n.Message, db.Micros(n.At), db.Micros(n.Given), db.Micros(n.Starts), db.Micros(n.Expires))
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.Contact(string(n.Contact)), Act: "consent.given", About: string(n.Contact),
		Detail: fmt.Sprintf("consent %s: %s, wording %d %s, by %s%s", n.ID, n.Scope, n.Wording, n.Sum[:16], n.Channel, n.with())})
}

// with says what proved it, for the record.
func (n *New) with() string {
	switch {
	case n.Channel == SignedMail:
		return ", key " + n.Fingerprint + ", message " + n.Message
	case n.proof.by != "":
		return ", " + n.Factor + " that staff " + n.proof.by + " read out"
	}
	return ", " + n.Factor
}

// Withdraw ends whatever was chosen for a scope: the protection is back, or stays.
// It reports whether anything was; going back twice is harmless.
func Withdraw(ctx context.Context, tx *db.Tx, c contacts.ID, s Scope, how string) (bool, error) {
	list, err := Of(ctx, tx, c)
	if err != nil {
		return false, err
	}
	found := Chosen(list, s, tx.Now)
	if found == nil {
		return false, nil
	}
	return true, end(ctx, tx, found, how, audit.Contact(string(c)))
}

func end(ctx context.Context, tx *db.Tx, c *Consent, how, actor string) error {
	if err := c.End(how, tx.Now); err != nil {
		return err
	}
	if err := db.Change(ctx, tx, `UPDATE consents SET ended_at = $2, ended_how = $3 WHERE id = $1 AND ended_at = 0`, c.ID, db.Micros(c.Ended), c.How); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: actor, Act: "consent.ended", About: string(c.Contact),
		Detail: fmt.Sprintf("consent %s: %s, %s", c.ID, c.Scope, how)})
}

// AskAgain lists consents whose year is nearly over and whose owner was not
// asked yet, at most limit.
func AskAgain(ctx context.Context, tx *db.Tx, limit int) ([]Consent, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM consents WHERE ended_at = 0 AND asked_at = 0 AND expires_at > $1 AND expires_at <= $2
		ORDER BY expires_at, id LIMIT CAST($3 AS BIGINT)`, db.Micros(tx.Now), db.Micros(tx.Now.Add(AskAhead)), limit)
}

// Asked notes that the question is on its way; asked twice is a Conflict.
func Asked(ctx context.Context, tx *db.Tx, c *Consent) error {
	n, err := tx.Exec(ctx, `UPDATE consents SET asked_at = $2 WHERE id = $1 AND asked_at = 0 AND ended_at = 0`, c.ID, db.Micros(tx.Now))
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "they were asked already")
	}
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Actor: audit.System, Act: "consent.asked", About: string(c.Contact), Detail: fmt.Sprintf("consent %s: %s", c.ID, c.Scope)})
}

// ExpireDue lists consents whose year is over and that were not ended yet. They
// count no more since the moment it was; Lapse writes it down.
func ExpireDue(ctx context.Context, tx *db.Tx, limit int) ([]Consent, error) {
	return db.List(ctx, tx, scan, `SELECT `+columns+` FROM consents WHERE ended_at = 0 AND expires_at <= $1 ORDER BY expires_at, id LIMIT CAST($2 AS BIGINT)`, db.Micros(tx.Now), limit)
}

// Lapse ends a consent whose year is over.
func Lapse(ctx context.Context, tx *db.Tx, c *Consent) error {
	if tx.Now.Before(c.Expires) {
		return fail.New(fail.Conflict, "its year is not over")
	}
	return end(ctx, tx, c, Lapsed, audit.System)
}

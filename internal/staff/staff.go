// Package staff keeps the people who work at the desk: what they may do, how
// they prove who they are, and where they are signed in.
//
// Nobody may do anything without a role. The way in is a passkey; the other way
// is a password together with a code, never a password alone. One-time links,
// passkey challenges, codes and sessions are random, stored as hashes, bound to
// one purpose, and used once (a session: until it ends). A change of role, or
// being disabled, counts with the next request.
//
// The ceremonies of passkeys serve customers too: an owner has a kind, "staff"
// or "contact".
package staff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// ID names a person.
type ID string

// Role is what somebody is here for.
type Role string

const (
	Agent     Role = "agent"
	Triager   Role = "triager"
	Lead      Role = "lead"
	Executive Role = "executive"
	Admin     Role = "admin"
)

// Roles lists all, in the order they are shown.
var Roles = []Role{Agent, Triager, Lead, Executive, Admin}

// Permission is one thing somebody may do.
type Permission string

const (
	CasesRead       Permission = "cases.read"
	CasesAnswer     Permission = "cases.answer"
	ContactsEdit    Permission = "contacts.edit"
	KeysVerify      Permission = "keys.verify"
	CodesIssue      Permission = "codes.issue"
	QuarantineRead  Permission = "quarantine.read"
	QuarantineRerun Permission = "quarantine.rerun"
	TrayRead        Permission = "tray.read"
	SecurityTriage  Permission = "security.triage"
	PeopleManage    Permission = "people.manage"
	SettingsManage  Permission = "settings.manage"
	MailboxesManage Permission = "mailboxes.manage"
	AuditRead       Permission = "audit.read"

	InstructionsApprove Permission = "instructions.approve"

	RepliesUse  Permission = "replies.use"
	RepliesEdit Permission = "replies.edit"
	FiguresRead Permission = "figures.read"
)

var deskWork = []Permission{CasesRead, CasesAnswer, ContactsEdit, KeysVerify, CodesIssue, QuarantineRead, TrayRead, InstructionsApprove, RepliesUse}

// grants: an admin runs the house and does not read what customers write.
var grants = map[Role][]Permission{
	Agent:   deskWork,
	Triager: append(slices.Clone(deskWork), QuarantineRerun, SecurityTriage),
	Lead:    append(slices.Clone(deskWork), QuarantineRerun, SecurityTriage, RepliesEdit, FiguresRead),
	// The person whose name stands above all: called when nobody below answered.
	Executive: {CasesRead, CasesAnswer, RepliesUse, FiguresRead},
	Admin:     {PeopleManage, SettingsManage, MailboxesManage, AuditRead, QuarantineRerun, RepliesEdit, FiguresRead},
}

// Person works here.
type Person struct {
	ID       ID
	Name     string
	Email    string
	Roles    []Role
	Disabled bool
	Made     time.Time
	Seen     time.Time
	Touched  time.Time // when somebody last made the account, changed its roles or made a sign-in link for it
}

// May reports whether the person may do something; nothing is granted by default.
func (p *Person) May(what Permission) bool {
	if p.Disabled {
		return false
	}
	for _, r := range p.Roles {
		if slices.Contains(grants[r], what) {
			return true
		}
	}
	return false
}

// Has reports whether the person has the role.
func (p *Person) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// ParseRoles reads role names; an unknown one is Invalid.
func ParseRoles(names []string) ([]Role, error) {
	var out []Role
	for _, n := range names {
		r := Role(n)
		if _, ok := grants[r]; !ok {
			return nil, fail.New(fail.Invalid, "there is no role %q", n)
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (p *Person) check() error {
	p.Name, p.Email = strings.TrimSpace(p.Name), strings.TrimSpace(p.Email)
	if p.Name == "" || len(p.Name) > 120 || strings.ContainsAny(p.Name, "\r\n\x00") {
		return fail.New(fail.Invalid, "write the person’s name")
	}
	if a, err := mail.ParseAddress(p.Email); err != nil || a.Address != p.Email {
		return fail.New(fail.Invalid, "write one mail address, such as name@example.org")
	}
	return nil
}

// Service reads and writes people and their proofs.
type Service struct {
	d       *db.DB
	v       *vault.Vault
	keys    *Ceremonies
	gate    chan struct{} // one password hash at a time: sign-ins must not starve mail
	hashers atomic.Int32  // that wait for it, or have it
	line    line          // who waits for it
}

// New returns the service; base is the desk's address, such as https://host:8443.
func New(d *db.DB, v *vault.Vault, base, name string, more ...string) (*Service, error) {
	keys, err := newCeremonies(d, v, base, name, more...)
	if err != nil {
		return nil, err
	}
	return &Service{d: d, v: v, keys: keys, gate: make(chan struct{}, 1)}, nil
}

// Passkeys are the ceremonies of passkeys.
func (s *Service) Passkeys() *Ceremonies { return s.keys }

const columns = `id, name, email, roles, disabled, made_at, seen_at, touched_at`

func (s *Service) scan(p *Person, row func(...any) error) error {
	var name, email []byte
	var roles string
	if err := row(&p.ID, &name, &email, &roles, &p.Disabled, db.Time(&p.Made), db.Time(&p.Seen), db.Time(&p.Touched)); err != nil {
		return err
	}
	for _, r := range strings.Fields(roles) {
		p.Roles = append(p.Roles, Role(r))
	}
	var err error
	if p.Name, err = s.v.Desk().OpenText(name, "staff", string(p.ID), "name"); err != nil {
		return err
	}
	p.Email, err = s.v.Desk().OpenText(email, "staff", string(p.ID), "email")
	return err
}

// Get returns a person; none is NotFound.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id ID) (*Person, error) {
	return db.One(ctx, tx, s.scan, `SELECT `+columns+` FROM staff WHERE id = $1`, id)
}

// List returns everybody, in the order they came.
func (s *Service) List(ctx context.Context, tx *db.Tx) ([]Person, error) {
	return db.List(ctx, tx, s.scan, `SELECT `+columns+` FROM staff ORDER BY made_at, id`)
}

func (s *Service) byEmail(ctx context.Context, tx *db.Tx, email string) (*Person, error) {
	return db.One(ctx, tx, s.scan, `SELECT `+columns+` FROM staff WHERE email_lookup = $1`, s.lookup(email))
}

func (s *Service) lookup(email string) string {
	return s.v.Index("staff-email", strings.ToLower(strings.TrimSpace(email)))
}

// Add stores a new person and sets its id.
func (s *Service) Add(ctx context.Context, tx *db.Tx, p *Person) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.ID == "" {
		p.ID = ID(db.NewID())
	}
	p.Made, p.Touched = tx.Now, tx.Now
	_, err := tx.Exec(ctx, `INSERT INTO staff (id, name, email, email_lookup, roles, made_at, touched_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
		p.ID, s.v.Desk().SealText(p.Name, "staff", string(p.ID), "name"), s.v.Desk().SealText(p.Email, "staff", string(p.ID), "email"), s.lookup(p.Email),
		joinRoles(p.Roles), db.Micros(p.Made))
	if fail.Is(err, fail.Conflict) {
		return fail.New(fail.Conflict, "somebody with this mail address works here already")
	}
	return err
}

func joinRoles(roles []Role) string {
	var s []string
	for _, r := range roles {
		s = append(s, string(r))
	}
	return strings.Join(s, " ")
}

// Save stores roles and whether the person is disabled. The last admin stays
// one: without an admin nobody could mend anything. Disabling ends all sessions
// and links.
func (s *Service) Save(ctx context.Context, tx *db.Tx, p *Person) error {
	all, err := s.List(ctx, tx)
	if err != nil {
		return err
	}
	admins := 0
	for i := range all {
		q := &all[i]
		if q.ID == p.ID {
			q = p
		}
		if q.May(PeopleManage) {
			admins++
		}
	}
	if admins == 0 {
		return fail.New(fail.Conflict, "this is the last admin; make somebody else an admin first")
	}
	if err := db.Change(ctx, tx, `UPDATE staff SET roles = $2, disabled = $3, touched_at = $4 WHERE id = $1`, p.ID, joinRoles(p.Roles), p.Disabled, db.Micros(tx.Now)); err != nil {
		return err
	}
	if !p.Disabled {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE staff_links SET used_at = $2 WHERE staff_id = $1 AND used_at = 0`, p.ID, db.Micros(tx.Now)); err != nil {
		return err
	}
	return s.EndAll(ctx, tx, p.ID, "")
}

// hash is how a random token is stored; purpose keeps the kinds apart.
func hash(purpose, token string) string {
	h := sha256.Sum256([]byte(purpose + "\x00" + token))
	return hex.EncodeToString(h[:])
}

// Purpose of a one-time link.
type Purpose string

const (
	SetUp    Purpose = "set-up"  // the first page of a new desk
	SignInBy Purpose = "sign-in" // an invitation, a recovery, the demo
)

// Link is a one-time link.
type Link struct {
	Purpose Purpose
	Person  ID // empty for set-up
	Expires time.Time
	used    time.Time
}

// MakeLink makes a one-time link and returns its token, which is stored nowhere.
func (s *Service) MakeLink(ctx context.Context, tx *db.Tx, what Purpose, p ID, life time.Duration) (token string, err error) {
	token = db.NewSecret()
	_, err = tx.Exec(ctx, `INSERT INTO staff_links (hash, purpose, staff_id, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		hash("link", token), what, p, db.Micros(tx.Now), db.Micros(tx.Now.Add(life)))
	if err == nil && p != "" {
		_, err = tx.Exec(ctx, `UPDATE staff SET touched_at = $2 WHERE id = $1`, p, db.Micros(tx.Now))
	}
	return token, err
}

func errLink() error {
	return fail.New(fail.NotFound, "this link was used, has expired, or never was; ask an admin for a new one")
}

// PeekLink looks at a link without using it.
func (s *Service) PeekLink(ctx context.Context, tx *db.Tx, what Purpose, token string) (*Link, error) {
	l, err := db.One(ctx, tx, func(l *Link, row func(...any) error) error {
		return row(&l.Purpose, &l.Person, db.Time(&l.Expires), db.Time(&l.used))
	}, `SELECT purpose, staff_id, expires_at, used_at FROM staff_links WHERE hash = $1 AND purpose = $2`, hash("link", token), what)
	if fail.Is(err, fail.NotFound) || err == nil && (!l.used.IsZero() || !tx.Now.Before(l.Expires)) {
		return nil, errLink()
	}
	return l, err
}

// UseLink uses a link up. Of many who try at once one succeeds.
func (s *Service) UseLink(ctx context.Context, tx *db.Tx, what Purpose, token string) (*Link, error) {
	l, err := s.PeekLink(ctx, tx, what, token)
	if err != nil {
		return nil, err
	}
	n, err := tx.Exec(ctx, `UPDATE staff_links SET used_at = $2 WHERE hash = $1 AND used_at = 0`, hash("link", token), db.Micros(tx.Now))
	if err == nil && n == 0 {
		err = errLink()
	}
	return l, err
}

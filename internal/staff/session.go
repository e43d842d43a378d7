package staff

import (
	"context"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
)

// Limits of a session.
const (
	Idle     = 30 * time.Minute
	Absolute = 12 * time.Hour
)

// Session is a browser that is signed in.
type Session struct {
	ID     string // for lists; opens nothing
	Person ID
	Device string
	Made   time.Time
	Seen   time.Time
	Proved time.Time // when the person last proved who they are
	hash   string
}

// Ends is when the session ends if nothing else ends it.
func (s *Session) Ends() time.Time {
	idle, last := s.Seen.Add(Idle), s.Made.Add(Absolute)
	if idle.Before(last) {
		return idle
	}
	return last
}

// Fresh reports whether the person proved themselves lately.
func (s *Session) Fresh(now time.Time, within time.Duration) bool {
	return now.Sub(s.Proved) < within
}

const sessionColumns = `hash, id, staff_id, device, made_at, seen_at, proved_at`

func (s *Service) scanSession(x *Session, row func(...any) error) error {
	var device []byte
	if err := row(&x.hash, &x.ID, &x.Person, &device, db.Time(&x.Made), db.Time(&x.Seen), db.Time(&x.Proved)); err != nil {
		return err
	}
	var err error
	x.Device, err = s.v.Desk().OpenText(device, "session", x.ID)
	return err
}

// SignIn begins a session and returns its token, for the cookie alone.
func (s *Service) SignIn(ctx context.Context, tx *db.Tx, p *Person, device string) (token string, err error) {
	if p.Disabled {
		return "", fail.New(fail.Denied, "this account is disabled")
	}
	if len(device) > 200 {
		device = device[:200]
	}
	token = db.NewSecret() + db.NewSecret()
	id := db.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO staff_sessions (hash, id, staff_id, device, made_at, seen_at, proved_at) VALUES ($1, $2, $3, $4, $5, $5, $5)`,
		hash("session", token), id, p.ID, s.v.Desk().SealText(device, "session", id), db.Micros(tx.Now))
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `UPDATE staff SET seen_at = $2 WHERE id = $1`, p.ID, db.Micros(tx.Now))
	return token, err
}

// Authenticate returns who a token belongs to; an ended, idle or unknown one is
// Denied, as is everybody who was disabled meanwhile.
func (s *Service) Authenticate(ctx context.Context, tx *db.Tx, token string) (*Person, *Session, error) {
	denied := fail.New(fail.Denied, "you are not signed in, or your time is over")
	if len(token) != 64 {
		return nil, nil, denied
	}
	var sessions []Session
	var people []Person
	h := hash("session", token)
	if err := tx.Read(ctx, db.Into(&sessions, s.scanSession, `SELECT `+sessionColumns+` FROM staff_sessions WHERE hash = $1 AND ended_at = 0`, h),
		db.Into(&people, s.scan, `SELECT `+columns+` FROM staff WHERE id = (SELECT staff_id FROM staff_sessions WHERE hash = $1 AND ended_at = 0)`, h)); err != nil {
		return nil, nil, err
	}
	if len(sessions) == 0 || len(people) == 0 || people[0].Disabled || !tx.Now.Before(sessions[0].Ends()) {
		return nil, nil, denied
	}
	return &people[0], &sessions[0], nil
}

// Stale reports whether the session's last-seen time should be written again:
// once a minute is enough.
func (x *Session) Stale(now time.Time) bool { return now.Sub(x.Seen) > time.Minute }

// Touch notes that the session was seen.
func (s *Service) Touch(ctx context.Context, tx *db.Tx, x *Session) error {
	_, err := tx.Exec(ctx, `UPDATE staff_sessions SET seen_at = $2 WHERE hash = $1 AND ended_at = 0`, x.hash, db.Micros(tx.Now))
	return err
}

// End signs a session out.
func (s *Service) End(ctx context.Context, tx *db.Tx, x *Session) error {
	_, err := tx.Exec(ctx, `UPDATE staff_sessions SET ended_at = $2 WHERE hash = $1 AND ended_at = 0`, x.hash, db.Micros(tx.Now))
	return err
}

// EndOne signs one of the person's sessions out by its id; another's is NotFound.
func (s *Service) EndOne(ctx context.Context, tx *db.Tx, p ID, id string) error {
	return db.Change(ctx, tx, `UPDATE staff_sessions SET ended_at = $3 WHERE id = $1 AND staff_id = $2 AND ended_at = 0`, id, p, db.Micros(tx.Now))
}

// EndAll signs the person out everywhere, except in the session with the id (may
// be empty).
func (s *Service) EndAll(ctx context.Context, tx *db.Tx, p ID, except string) error {
	_, err := tx.Exec(ctx, `UPDATE staff_sessions SET ended_at = $3 WHERE staff_id = $1 AND id <> $2 AND ended_at = 0`, p, except, db.Micros(tx.Now))
	return err
}

// Sessions lists where the person is signed in, newest first.
func (s *Service) Sessions(ctx context.Context, tx *db.Tx, p ID) ([]Session, error) {
	list, err := db.List(ctx, tx, s.scanSession, `SELECT `+sessionColumns+` FROM staff_sessions
		WHERE staff_id = $1 AND ended_at = 0 AND seen_at > $2 AND made_at > $3 ORDER BY made_at DESC`,
		p, db.Micros(tx.Now.Add(-Idle)), db.Micros(tx.Now.Add(-Absolute)))
	return list, err
}

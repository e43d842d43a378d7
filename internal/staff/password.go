package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/argon2"

	"postern/internal/db"
	"postern/internal/fail"
)

// Cost of a password hash: argon2id, 19 MiB, two passes.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonSalt   = 16
	argonKey    = 32
)

// hashPassword returns the PHC string of a password.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, 1, argonKey)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", argonMemory, argonTime,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// checkPassword compares. A stored hash with parameters beyond ours is refused
// before anything is computed: a damaged row must not eat the machine.
func checkPassword(password, phc string) bool {
	var m, t, p int
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p); n != 3 || err != nil || m < 8 || m > 64<<10 || t < 1 || t > 4 || p != 1 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) != argonKey {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, uint32(t), uint32(m), 1, argonKey)
	return subtle.ConstantTimeCompare(got, key) == 1
}

// hashing waits for its turn: one password hash at a time, and while others wait it rests
// after each for as long as it took. A flood of sign-ins has half a core at most; the rest
// is for mail.
func (s *Service) hashing(ctx context.Context, f func()) error {
	s.hashers.Add(1)
	defer s.hashers.Add(-1)
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	open := func() { <-s.gate }
	began := time.Now()
	defer func() {
		if s.hashers.Load() > 1 {
			time.AfterFunc(time.Since(began), open)
			return
		}
		open()
	}()
	f()
	return nil
}

// Setup is the second step of setting a password: the secret for the code app,
// shown this once.
type Setup struct {
	Secret  string // base32
	Address string // otpauth://
}

var plain32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// setupLife is how long a new password waits for its first code.
const setupLife = 15 * time.Minute

// pending is a password that waits for its first code, kept among the
// ceremonies; both parts are sealed as they will stand in staff_passwords.
type pending struct{ Hash, TOTP []byte }

func pendingHash(id ID) string { return hash("new-password", string(id)) }

// SetPassword begins to set a new password with a new code secret. Until
// ConfirmTOTP nothing changes: who breaks off keeps the old ones.
func (s *Service) SetPassword(ctx context.Context, p *Person, password, issuer string) (*Setup, error) {
	if err := fitPassword(password, namesOf(p.Name, p.Email, issuer)...); err != nil {
		return nil, err
	}
	var phc string
	if err := s.hashing(ctx, func() { phc = hashPassword(password) }); err != nil {
		return nil, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: p.Email, SecretSize: 20})
	if err != nil {
		return nil, fmt.Errorf("make a code secret: %w", err)
	}
	id := string(p.ID)
	data, err := json.Marshal(pending{s.v.Desk().SealText(phc, "password", id), s.v.Desk().SealText(key.Secret(), "totp", id)})
	if err != nil {
		return nil, err
	}
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO ceremonies (hash, purpose, owner_kind, owner_id, data, expires_at) VALUES ($1, 'password', 'staff', $2, $3, $4)
			ON CONFLICT (hash) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			pendingHash(p.ID), p.ID, data, db.Micros(tx.Now.Add(setupLife)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Setup{key.Secret(), key.URL()}, nil
}

// ConfirmTOTP makes the new password and code count, after the first right code.
func (s *Service) ConfirmTOTP(ctx context.Context, tx *db.Tx, id ID, code string) error {
	data, err := db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) },
		`SELECT data FROM ceremonies WHERE hash = $1 AND purpose = 'password' AND expires_at > $2`, pendingHash(id), db.Micros(tx.Now))
	if fail.Is(err, fail.NotFound) {
		return fail.New(fail.Conflict, "there is no new password to confirm, or it waited too long; set it again")
	}
	if err != nil {
		return err
	}
	var p pending
	if err := json.Unmarshal(*data, &p); err != nil {
		return err
	}
	secret, err := s.v.Desk().OpenText(p.TOTP, "totp", string(id))
	if err != nil {
		return err
	}
	n, ok := matchStep(secret, code, tx.Now)
	if !ok {
		return fail.New(fail.Invalid, "this code does not fit; look whether the clock of your phone is right, and type the newest one")
	}
	if err := db.Change(ctx, tx, `DELETE FROM ceremonies WHERE hash = $1`, pendingHash(id)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO staff_passwords (staff_id, hash, totp, confirmed, last_step) VALUES ($1, $2, $3, TRUE, $4)
		ON CONFLICT (staff_id) DO UPDATE SET hash = excluded.hash, totp = excluded.totp, confirmed = TRUE, last_step = excluded.last_step`, id, p.Hash, p.TOTP, n)
	return err
}

type passwordRow struct {
	hash, totp string
	confirmed  bool
	lastStep   int64
}

func (s *Service) password(ctx context.Context, tx *db.Tx, id ID) (*passwordRow, error) {
	return db.One(ctx, tx, func(r *passwordRow, row func(...any) error) error {
		var h, t []byte
		if err := row(&h, &t, &r.confirmed, &r.lastStep); err != nil {
			return err
		}
		var err error
		if r.hash, err = s.v.Desk().OpenText(h, "password", string(id)); err != nil {
			return err
		}
		r.totp, err = s.v.Desk().OpenText(t, "totp", string(id))
		return err
	}, `SELECT hash, totp, confirmed, last_step FROM staff_passwords WHERE staff_id = $1`, id)
}

// HasPassword reports whether password and code are set up.
func (s *Service) HasPassword(ctx context.Context, tx *db.Tx, id ID) (bool, error) {
	r, err := s.password(ctx, tx, id)
	if fail.Is(err, fail.NotFound) {
		return false, nil
	}
	return err == nil && r.confirmed, err
}

const step = 30 // seconds (RFC 6238, 4.1)

// matchStep finds the time step a code belongs to, one to either side of now.
func matchStep(secret, code string, now time.Time) (int64, bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	base := now.Unix() / step
	for _, n := range []int64{base, base - 1, base + 1} {
		want, err := totp.GenerateCodeCustom(secret, time.Unix(n*step, 0), totp.ValidateOpts{Period: step, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && len(code) == 6 && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return n, true
		}
	}
	return 0, false
}

// useCode accepts a code once: its step must be newer than the last one used.
func (s *Service) useCode(ctx context.Context, tx *db.Tx, id ID, r *passwordRow, code string) (bool, error) {
	n, ok := matchStep(r.totp, code, tx.Now)
	if !ok {
		return s.useRecovery(ctx, tx, id, code)
	}
	changed, err := tx.Exec(ctx, `UPDATE staff_passwords SET last_step = $2 WHERE staff_id = $1 AND last_step < $2`, id, n)
	return changed == 1, err
}

// NewRecoveryCodes makes ten codes, each good once instead of a code from the
// app, and ends the earlier ones.
func (s *Service) NewRecoveryCodes(ctx context.Context, tx *db.Tx, id ID) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM staff_recovery WHERE staff_id = $1`, id); err != nil {
		return nil, err
	}
	var out []string
	for range 10 {
		raw := make([]byte, 10)
		rand.Read(raw)
		c := strings.ToLower(plain32.EncodeToString(raw))
		code := c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:16]
		if _, err := tx.Exec(ctx, `INSERT INTO staff_recovery (hash, staff_id) VALUES ($1, $2)`, hash("recovery", string(id)+normalCode(code)), id); err != nil {
			return nil, err
		}
		out = append(out, code)
	}
	return out, nil
}

func normalCode(c string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(c))
}

func (s *Service) useRecovery(ctx context.Context, tx *db.Tx, id ID, code string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE staff_recovery SET used_at = $3 WHERE hash = $1 AND staff_id = $2 AND used_at = 0`,
		hash("recovery", string(id)+normalCode(code)), id, db.Micros(tx.Now))
	return n == 1, err
}

// RecoveryLeft counts the codes that are not used yet.
func RecoveryLeft(ctx context.Context, tx *db.Tx, id ID) (int, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM staff_recovery WHERE staff_id = $1 AND used_at = 0`, id)
	return int(n), err
}

// errRefused is the one answer to every wrong sign-in.
func errRefused() error {
	return fail.New(fail.Denied, "that did not sign you in. Check e-mail, password and code; codes work once")
}

// dummy is compared when nobody has the address, so that it costs the same.
const dummy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// CheckPassword signs in by password and code. where is the network the attempt
// comes from: wrong attempts slow down this account from there, and nobody else.
func (s *Service) CheckPassword(ctx context.Context, email, password, code, where string) (*Person, error) {
	if len(password) > 4*maxPassword || len(code) > 64 {
		return nil, errRefused()
	}
	leave, err := s.line.enter(where)
	if err != nil {
		return nil, err
	}
	defer leave()
	who := s.v.Index("throttle", s.lookup(email)+" "+where)
	var p *Person
	var r *passwordRow
	err = s.d.Update(ctx, func(tx *db.Tx) (err error) {
		p, r = nil, nil // the closure may run again
		if err = startTry(ctx, tx, who); err != nil {
			return err
		}
		if p, err = s.byEmail(ctx, tx, email); err == nil {
			r, err = s.password(ctx, tx, p.ID)
		}
		if fail.Is(err, fail.NotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	phc := dummy
	if r != nil {
		phc = r.hash
	}
	right := false
	if err := s.hashing(ctx, func() { right = checkPassword(password, phc) }); err != nil {
		return nil, err
	}
	right = right && r != nil && r.confirmed && !p.Disabled
	if !right { // nobody has codes; asking costs as much as with a right password
		p, r = &Person{}, &passwordRow{}
	}
	ok := false
	err = s.d.Update(ctx, func(tx *db.Tx) (err error) {
		if ok, err = s.useCode(ctx, tx, p.ID, r, code); err != nil || !ok || !right {
			return err
		}
		return endTry(ctx, tx, who)
	})
	if err != nil {
		return nil, err
	}
	if !ok || !right {
		return nil, errRefused()
	}
	return p, nil
}

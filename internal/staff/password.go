package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
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

// common are passwords that everybody tries first; length alone lets some through.
var common = []string{"password", "passwort", "123456", "qwerty", "letmein", "welcome", "administrator", "iloveyou", "sunshine", "postern", "abcdef", "111111", "changeme"}

func fitPassword(p string) error {
	if n := len([]rune(p)); n < 12 || n > 256 {
		return fail.New(fail.Invalid, "a password needs 12 letters or more; a line of words is fine")
	}
	rest := strings.ToLower(p)
	for _, c := range common {
		rest = strings.ReplaceAll(rest, c, "")
	}
	if distinct(rest) < 5 {
		return fail.New(fail.Invalid, "this password is among those that are tried first; take a line of words")
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// hashing waits for its turn: one password hash at a time.
func (s *Service) hashing(ctx context.Context, f func()) error {
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.gate }()
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

// SetPassword sets a new password with a new code secret. Both count only after
// ConfirmTOTP.
func (s *Service) SetPassword(ctx context.Context, p *Person, password, issuer string) (*Setup, error) {
	if err := fitPassword(password); err != nil {
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
	hash, secret := s.v.Desk().SealText(phc, "password", id), s.v.Desk().SealText(key.Secret(), "totp", id)
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO staff_passwords (staff_id, hash, totp, confirmed, last_step) VALUES ($1, $2, $3, FALSE, 0)
			ON CONFLICT (staff_id) DO UPDATE SET hash = excluded.hash, totp = excluded.totp, confirmed = FALSE, last_step = 0`, p.ID, hash, secret)
		return err
	})
	return &Setup{key.Secret(), key.URL()}, err
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

// ConfirmTOTP makes password and code count, after the first right code.
func (s *Service) ConfirmTOTP(ctx context.Context, tx *db.Tx, id ID, code string) error {
	r, err := s.password(ctx, tx, id)
	if err != nil {
		return err
	}
	n, ok := matchStep(r.totp, code, tx.Now)
	if !ok {
		return fail.New(fail.Invalid, "this code does not fit; look whether the clock of your phone is right, and type the newest one")
	}
	return db.Change(ctx, tx, `UPDATE staff_passwords SET confirmed = TRUE, last_step = $2 WHERE staff_id = $1`, id, n)
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
var dummy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// CheckPassword signs in by password and code. where is the network the attempt
// comes from: wrong attempts slow down this account from there, and nobody else.
func (s *Service) CheckPassword(ctx context.Context, email, password, code, where string) (*Person, error) {
	who := s.v.Index("throttle", s.lookup(email)+" "+where)
	if len(password) > 1024 || len(code) > 64 {
		return nil, errRefused()
	}
	var p *Person
	var r *passwordRow
	err := s.d.View(ctx, func(tx *db.Tx) (err error) {
		if err = s.mayTry(ctx, tx, who); err != nil {
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
	good := false
	if err := s.hashing(ctx, func() { good = checkPassword(password, phc) }); err != nil {
		return nil, err
	}
	good = good && r != nil && r.confirmed && !p.Disabled
	err = s.d.Update(ctx, func(tx *db.Tx) error {
		ok := good
		if ok {
			var err error
			if ok, err = s.useCode(ctx, tx, p.ID, r, code); err != nil {
				return err
			}
		}
		good = ok
		return s.noteTry(ctx, tx, who, ok)
	})
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, errRefused()
	}
	return p, nil
}

// freeTries is how many wrong attempts cost nothing; each further one doubles
// the wait, up to a quarter of an hour.
const freeTries = 5

func (s *Service) mayTry(ctx context.Context, tx *db.Tx, who string) error {
	until, err := db.Count(ctx, tx, `SELECT COALESCE(MAX(until_at), 0) FROM throttles WHERE who = $1`, who)
	if err == nil && until > db.Micros(tx.Now) {
		err = fail.New(fail.TooMany, "too many wrong attempts from here; wait a few minutes, or use your passkey, which always works")
	}
	return err
}

func (s *Service) noteTry(ctx context.Context, tx *db.Tx, who string, good bool) error {
	if good {
		_, err := tx.Exec(ctx, `DELETE FROM throttles WHERE who = $1`, who)
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO throttles (who, failures, until_at) VALUES ($1, 1, 0)
		ON CONFLICT (who) DO UPDATE SET failures = throttles.failures + 1`, who); err != nil {
		return err
	}
	n, err := db.Count(ctx, tx, `SELECT failures FROM throttles WHERE who = $1`, who)
	if err != nil || n < freeTries {
		return err
	}
	wait := min(15*time.Minute, time.Second<<min(n-freeTries+2, 12))
	_, err = tx.Exec(ctx, `UPDATE throttles SET until_at = $2 WHERE who = $1`, who, db.Micros(tx.Now.Add(wait)))
	return err
}

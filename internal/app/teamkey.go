package app

import (
	"bytes"
	"os"
	"time"

	"postern/internal/config"
	"postern/internal/fail"
	"postern/internal/pgp"
)

// teamKey reads the public key of those who triage, whose secret part is with them alone:
// what is encrypted to it this desk stores and cannot read. nil: there is none, and
// reports are encrypted to the mailbox's key. A secret key is refused: it has no business
// here.
func teamKey(c *config.Config) (*pgp.Key, error) {
	if c.TeamKey == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.TeamKey)
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "the file of setting report.team_key cannot be read")
	}
	refuse := func(why string) error {
		return fail.New(fail.Invalid, "the file of setting report.team_key %s", why)
	}
	if _, err := pgp.ParseSecret(data); err == nil || bytes.Contains(data, []byte("PRIVATE KEY BLOCK")) {
		return nil, refuse("holds a secret key: keep that where those who triage work, and give this desk the public part (gpg --armor --export)")
	}
	keys, err := pgp.ParseKeys(data)
	switch {
	case err != nil:
		return nil, fail.Wrap(fail.Invalid, err, "the file of setting report.team_key holds no usable key")
	case len(keys) != 1:
		return nil, refuse("must hold one key")
	}
	return keys[0], nil // also one that has expired: mail to it is still on its way, and no door shuts for it
}

// checkTeamKey is the doctor's look at it.
func checkTeamKey(c *config.Config, now time.Time) Check {
	const name = "Key of the security team"
	k, err := teamKey(c)
	switch {
	case err != nil:
		return Check{name, "bad", fail.Text(err), "Put a public key there that is good, or empty report.team_key."}
	case k == nil:
		return Check{name, "off", "None is set: this desk opens what is encrypted to it.", "Set report.team_key if only those who triage may read reports that were encrypted."}
	case k.CanEncrypt(now) != nil:
		return Check{name, "bad", "Nobody can encrypt to it: " + k.CanEncrypt(now).Error() + ". It is offered no more.", "Prolong it, and put the new public part there."}
	case !k.Expires().IsZero() && k.Expires().Before(now.AddDate(0, 0, 30)):
		return Check{name, "soon", "It expires on " + k.Expires().Format("2 January 2006") + ".", "Prolong it, and put the new public part there."}
	}
	return good(name, "Good; what is encrypted to it opens where its secret part is.")
}

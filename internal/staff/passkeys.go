package staff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/vault"
)

// ceremonyLife is how long a challenge may be answered.
const ceremonyLife = 5 * time.Minute

// Ceremonies makes and checks passkeys (WebAuthn). User verification is always
// required. A challenge is kept here, found again by its hash, and used once.
type Ceremonies struct {
	d  *db.DB
	v  *vault.Vault
	wa *webauthn.WebAuthn
}

// newCeremonies makes those for the pages at base; more are further addresses of ours, with
// the same host or one below it.
func newCeremonies(d *db.DB, v *vault.Vault, base, name string, more ...string) (*Ceremonies, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	wa, err := webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: name, RPOrigins: append([]string{"https://" + u.Host}, more...),
		Timeouts: webauthn.TimeoutsConfig{Login: limit, Registration: limit}})
	if err != nil {
		return nil, fmt.Errorf("set up passkeys: %w", err)
	}
	return &Ceremonies{d, v, wa}, nil
}

// Owner is whose passkey it is: kind "staff" or "contact".
type Owner struct{ Kind, ID, Name string }

func (o Owner) handle() string { return o.Kind + ":" + o.ID }

// user is an owner with their credentials, as the library wants it.
type user struct {
	Owner
	creds []webauthn.Credential
}

func (u *user) WebAuthnID() []byte                         { return []byte(u.handle()) }
func (u *user) WebAuthnName() string                       { return u.Name }
func (u *user) WebAuthnDisplayName() string                { return u.Name }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.creds }

// Passkey is a stored credential.
type Passkey struct {
	ID    string
	Name  string
	Made  time.Time
	Used  time.Time
	By    string // staff who read out the code that let its owner in to bind it, if one did
	owner string
	cred  webauthn.Credential
	data  []byte // cred as it is stored, to see whether it changed meanwhile
}

const passkeyColumns = `id, owner_kind, owner_id, data, name, made_at, used_at, by_staff`

func (c *Ceremonies) scan(p *Passkey, row func(...any) error) error {
	var kind, id string
	var name []byte
	if err := row(&p.ID, &kind, &id, &p.data, &name, db.Time(&p.Made), db.Time(&p.Used), &p.By); err != nil {
		return err
	}
	p.owner = kind + ":" + id
	b, err := c.v.Desk().Open(p.data, "passkey", p.ID)
	if err != nil {
		return err
	}
	if p.Name, err = c.v.Desk().OpenText(name, "passkey", p.ID, "name"); err != nil {
		return err
	}
	return json.Unmarshal(b, &p.cred)
}

// List returns the owner's passkeys.
func (c *Ceremonies) List(ctx context.Context, tx *db.Tx, kind, id string) ([]Passkey, error) {
	return db.List(ctx, tx, c.scan, `SELECT `+passkeyColumns+` FROM passkeys WHERE owner_kind = $1 AND owner_id = $2 ORDER BY made_at`, kind, id)
}

// Count counts the owner's passkeys.
func (c *Ceremonies) Count(ctx context.Context, tx *db.Tx, kind, id string) (int, error) {
	n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM passkeys WHERE owner_kind = $1 AND owner_id = $2`, kind, id)
	return int(n), err
}

// Remove deletes one of the owner's passkeys; another's is NotFound.
func (c *Ceremonies) Remove(ctx context.Context, tx *db.Tx, kind, owner, id string) error {
	return db.Change(ctx, tx, `DELETE FROM passkeys WHERE id = $1 AND owner_kind = $2 AND owner_id = $3`, id, kind, owner)
}

func (c *Ceremonies) user(ctx context.Context, o Owner) (*user, error) {
	u := &user{Owner: o}
	err := c.d.View(ctx, func(tx *db.Tx) error {
		list, err := c.List(ctx, tx, o.Kind, o.ID)
		for _, p := range list {
			u.creds = append(u.creds, p.cred)
		}
		return err
	})
	return u, err
}

// kept is what is remembered between the two halves of a ceremony.
type kept struct {
	Session webauthn.SessionData `json:"session"`
	Label   string               `json:"label"`
}

func (c *Ceremonies) keep(ctx context.Context, purpose string, o Owner, k kept) error {
	h := hash("ceremony", k.Session.Challenge)
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	sealed := c.v.Desk().Seal(b, "ceremony", h)
	return c.d.Update(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM ceremonies WHERE expires_at < $1`, db.Micros(tx.Now)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO ceremonies (hash, purpose, owner_kind, owner_id, data, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			h, purpose, o.Kind, o.ID, sealed, db.Micros(tx.Now.Add(ceremonyLife)))
		return err
	})
}

// take finds the ceremony an answer belongs to, and ends it: right or wrong, a
// challenge is answered once.
func (c *Ceremonies) take(ctx context.Context, purpose string, o Owner, challenge string) (*kept, error) {
	h := hash("ceremony", challenge)
	var sealed *[]byte
	err := c.d.Update(ctx, func(tx *db.Tx) (err error) {
		sealed, err = db.One(ctx, tx, func(b *[]byte, row func(...any) error) error { return row(b) },
			`DELETE FROM ceremonies WHERE hash = $1 AND purpose = $2 AND owner_kind = $3 AND owner_id = $4 AND expires_at > $5 RETURNING data`,
			h, purpose, o.Kind, o.ID, db.Micros(tx.Now))
		return err
	})
	if fail.Is(err, fail.NotFound) {
		return nil, fail.New(fail.Denied, "this took too long, or was answered already; try again")
	}
	if err != nil {
		return nil, err
	}
	b, err := c.v.Desk().Open(*sealed, "ceremony", h)
	if err != nil {
		return nil, err
	}
	k := &kept{}
	return k, json.Unmarshal(b, k)
}

// BeginRegister starts adding a passkey and returns the options for the browser.
func (c *Ceremonies) BeginRegister(ctx context.Context, o Owner, label string) (any, error) {
	u, err := c.user(ctx, o)
	if err != nil {
		return nil, err
	}
	var have []protocol.CredentialDescriptor
	for _, x := range u.creds {
		have = append(have, x.Descriptor())
	}
	options, session, err := c.wa.BeginRegistration(u, webauthn.WithExclusions(have), webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}))
	if err != nil {
		return nil, fmt.Errorf("begin passkey: %w", err)
	}
	if label = strings.TrimSpace(label); label == "" {
		label = "Passkey"
	}
	if r := []rune(label); len(r) > 60 {
		label = string(r[:60])
	}
	return options, c.keep(ctx, "register", o, kept{*session, label})
}

// FinishRegister checks the browser's answer and stores the passkey.
func (c *Ceremonies) FinishRegister(ctx context.Context, o Owner, answer []byte) error {
	made, err := c.FinishMaking(ctx, o, answer)
	if err != nil {
		return err
	}
	return c.d.Update(ctx, func(tx *db.Tx) error { return c.Bind(ctx, tx, o, db.NewID(), made, "") })
}

// A Made passkey was made on our page and is nobody's yet.
type Made struct {
	Credential webauthn.Credential `json:"credential"`
	Label      string              `json:"label"`
}

// Sum names the passkey in eight signs, for a text that people compare.
func (m *Made) Sum() string { return Sum(m.Credential.ID) }

// Sum is the beginning of a secret's or an id's hash, in two groups of four signs.
func Sum(b []byte) string {
	h := sha256.Sum256(b)
	s := strings.ToUpper(hex.EncodeToString(h[:4]))
	return s[:4] + " " + s[4:]
}

// FinishMaking checks the browser's answer; nothing counts before Bind.
func (c *Ceremonies) FinishMaking(ctx context.Context, o Owner, answer []byte) (*Made, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, refuse(err)
	}
	k, err := c.take(ctx, "register", o, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return nil, err
	}
	u, err := c.user(ctx, o)
	if err != nil {
		return nil, err
	}
	cred, err := c.wa.CreateCredential(u, k.Session, parsed)
	if err != nil {
		return nil, refuse(err)
	}
	return &Made{*cred, k.Label}, nil
}

// Bind makes the passkey the owner's, under the id. by is the member of staff who
// read out the code that let a customer in, if one did.
func (c *Ceremonies) Bind(ctx context.Context, tx *db.Tx, o Owner, id string, m *Made, by string) error {
	b, err := json.Marshal(m.Credential)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `INSERT INTO passkeys (id, owner_kind, owner_id, credential, data, name, made_at, by_staff) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		id, o.Kind, o.ID, credentialHash(m.Credential.ID), c.v.Desk().Seal(b, "passkey", id), c.v.Desk().SealText(m.Label, "passkey", id, "name"), db.Micros(tx.Now), by)
	if err == nil && n == 0 {
		err = fail.New(fail.Conflict, "this passkey is known already")
	}
	return err
}

func credentialHash(id []byte) string {
	return hash("credential", base64.RawURLEncoding.EncodeToString(id))
}

// BeginLogin starts signing in. With an owner only their passkeys fit; with the
// kind alone the passkey itself says whose it is.
func (c *Ceremonies) BeginLogin(ctx context.Context, o Owner) (any, error) {
	return c.begin(ctx, "login", o, "")
}

// BeginProof starts a proof of something that is more than being there: the
// challenge is the hash of what is shown, and kept stands beside it until the
// answer comes. purpose separates it from signing in and from other proofs.
func (c *Ceremonies) BeginProof(ctx context.Context, purpose string, o Owner, challenge []byte, kept string) (any, error) {
	return c.begin(ctx, "prove:"+purpose, o, kept, webauthn.WithChallenge(challenge))
}

func (c *Ceremonies) begin(ctx context.Context, purpose string, o Owner, label string, opts ...webauthn.LoginOption) (any, error) {
	opts = append(opts, webauthn.WithUserVerification(protocol.VerificationRequired))
	var options *protocol.CredentialAssertion
	var session *webauthn.SessionData
	var err error
	if o.ID == "" {
		options, session, err = c.wa.BeginDiscoverableLogin(opts...)
	} else {
		var u *user
		if u, err = c.user(ctx, o); err != nil {
			return nil, err
		}
		if len(u.creds) == 0 {
			return nil, fail.New(fail.Denied, "no passkey is enrolled; use the other way")
		}
		options, session, err = c.wa.BeginLogin(u, opts...)
	}
	if err != nil {
		return nil, fmt.Errorf("begin sign-in: %w", err)
	}
	return options, c.keep(ctx, purpose, o, kept{*session, label})
}

// FinishLogin checks the browser's answer and returns whose passkey it was. A
// counter that went back means a copy: refused. So is an answer that was judged
// by a counter that another answer has moved meanwhile, or by a removed passkey.
func (c *Ceremonies) FinishLogin(ctx context.Context, o Owner, answer []byte) (owner string, err error) {
	owner, _, err = c.finish(ctx, "login", o, answer)
	return owner, err
}

// Proved is what a passkey signed: which one it was, how long it has been
// enrolled, and what was kept since the challenge.
type Proved struct {
	Passkey string
	Made    time.Time
	By      string // see Passkey
	Kept    string
}

// FinishEntry is FinishLogin, and says which passkey it was.
func (c *Ceremonies) FinishEntry(ctx context.Context, o Owner, answer []byte) (owner string, p *Proved, err error) {
	return c.finish(ctx, "login", o, answer)
}

// FinishProof checks the answer to BeginProof, as FinishLogin does.
func (c *Ceremonies) FinishProof(ctx context.Context, purpose string, o Owner, answer []byte) (*Proved, error) {
	_, p, err := c.finish(ctx, "prove:"+purpose, o, answer)
	return p, err
}

func (c *Ceremonies) finish(ctx context.Context, purpose string, o Owner, answer []byte) (owner string, proved *Proved, err error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", nil, refuse(err)
	}
	k, err := c.take(ctx, purpose, o, parsed.Response.CollectedClientData.Challenge)
	if err != nil {
		return "", nil, err
	}
	var p *Passkey
	err = c.d.View(ctx, func(tx *db.Tx) (err error) {
		p, err = db.One(ctx, tx, c.scan, `SELECT `+passkeyColumns+` FROM passkeys WHERE credential = $1 AND owner_kind = $2`, credentialHash(parsed.RawID), o.Kind)
		return err
	})
	if fail.Is(err, fail.NotFound) {
		return "", nil, refuse(errors.New("unknown credential"))
	}
	if err != nil {
		return "", nil, err
	}
	id := strings.TrimPrefix(p.owner, o.Kind+":")
	if o.ID != "" && o.ID != id {
		return "", nil, refuse(errors.New("another owner's credential"))
	}
	u := &user{Owner{o.Kind, id, ""}, []webauthn.Credential{p.cred}}
	cred, err := c.proves(u, o.ID == "", &k.Session, parsed)
	if err != nil {
		return "", nil, refuse(err)
	}
	b, err := json.Marshal(cred)
	if err != nil {
		return "", nil, err
	}
	data := c.v.Desk().Seal(b, "passkey", p.ID)
	err = c.d.Update(ctx, func(tx *db.Tx) error {
		return db.Change(ctx, tx, `UPDATE passkeys SET data = $2, used_at = $3 WHERE id = $1 AND data = $4`, p.ID, data, db.Micros(tx.Now), p.data)
	})
	if fail.Is(err, fail.NotFound) {
		return "", nil, refuse(errors.New("used elsewhere at the same moment, or removed"))
	}
	if err != nil {
		return "", nil, err
	}
	return id, &Proved{p.ID, p.Made, p.By, k.Label}, nil
}

// proves checks an answer against what was asked; anybody: the browser was not told whose
// passkeys to offer.
func (c *Ceremonies) proves(u *user, anybody bool, asked *webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData) (cred *webauthn.Credential, err error) {
	if anybody {
		cred, err = c.wa.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != u.handle() {
				return nil, errors.New("the user handle is another's")
			}
			return u, nil
		}, *asked, parsed)
	} else {
		// The browser was asked for any of theirs, and one answers; the library wants
		// to see them all, or that one alone.
		if !slices.ContainsFunc(asked.AllowedCredentialIDs, func(id []byte) bool { return bytes.Equal(id, parsed.RawID) }) {
			return nil, errors.New("a passkey that was not asked for")
		}
		asked.AllowedCredentialIDs = [][]byte{parsed.RawID}
		cred, err = c.wa.ValidateLogin(u, *asked, parsed)
	}
	if err == nil && cred.Authenticator.CloneWarning {
		err = errors.New("the counter went back")
	}
	return cred, err
}

// refuse is the one answer to every wrong passkey; why goes to the log.
func refuse(err error) error {
	return fail.Wrap(fail.Denied, err, "this passkey did not fit here; try again, or use the other way")
}

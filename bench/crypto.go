package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"postern/internal/evidence"
	"postern/internal/message"
	"postern/internal/pgp"
)

// crypto compares OpenPGP in this process with gpg as a subprocess, one core each.
func (l *lab) crypto() error {
	fmt.Println("\nOpenPGP, one core: in process, and gpg as a subprocess with a warm agent:")
	g, err := newGPG(l.dir, l.mails)
	if err != nil {
		return err
	}
	defer g.stop()
	large := string(bytes.Repeat([]byte(l.mails.text), (10<<20)/len(l.mails.text)))
	if l.sealRate, err = l.besideGPG(g, "10 KB", l.mails.text, time.Second, 30); err != nil {
		return err
	}
	_, err = l.besideGPG(g, "10 MB", large, 3*time.Second, 0.9)
	return err
}

// besideGPG measures one size; goal is how many times gpg's rate ours should be.
func (l *lab) besideGPG(g *gpg, name, text string, d time.Duration, goal float64) (float64, error) {
	p := l.mails.people[0]
	draft := l.mails.draft(p)
	draft.Text = text
	o := pgp.Outgoing{Draft: draft, Signer: p.secret, To: []*pgp.Key{l.mails.desk.Public()}, OuterSubject: "x", Now: time.Now()}
	sealed, err := pgp.Seal(o)
	if err != nil {
		return 0, err
	}
	data, _ := message.Parse(sealed.Raw).Root.Parts[1].Data()
	seal := rate(d, func() error { _, err := pgp.Seal(o); return err })
	open := rate(d, func() error { return openVerify(data, l.mails.desk, p.secret.Public()) })
	examine := rate(d, func() error { return examineOne(sealed.Raw, l.mails.desk, p) })
	plain := []byte(text)
	gseal := rate(d, func() error { return g.run(plain, "--sign", "--encrypt", "--recipient", box) })
	its, err := g.output(plain, "--sign", "--encrypt", "--recipient", box) // gpg 2.2 reads no SEIPDv2, which our keys ask for
	if err != nil {
		return 0, err
	}
	gopen := rate(d, func() error { return g.run(its, "--decrypt") })
	fmt.Printf("  %s  sign+encrypt %7.1f/s (gpg %6.1f, %5.1fx)   decrypt+verify %7.1f/s (gpg %6.1f, %5.1fx)   the whole verdict %7.1f/s\n",
		name, seal, gseal, seal/gseal, open, gopen, open/gopen, examine)
	l.least("9", name+" sign+encrypt, of gpg", seal/gseal, goal, "x")
	l.least("9", name+" decrypt+verify, of gpg", open/gopen, goal, "x")
	return seal, nil
}

func openVerify(data []byte, desk *pgp.Secret, by *pgp.Key) error {
	o, err := pgp.Open(data, []*pgp.Secret{desk})
	if err != nil {
		return err
	}
	if made, fault := o.Signatures[0].Verify(by, time.Now()); !made || fault != "" {
		return fmt.Errorf("signature: %v %s", made, fault)
	}
	return nil
}

// one is evidence.Keys over one customer.
type one struct{ k evidence.Known }

func (o one) ByAddress(string) []evidence.Known                     { return []evidence.Known{o.k} }
func (o one) ByID([]uint64, []pgp.Fingerprint) (_ []evidence.Known) { return nil }

func examineOne(raw []byte, desk *pgp.Secret, p person) error {
	r := evidence.Examine(raw, evidence.Options{At: time.Now(), Secrets: []*pgp.Secret{desk},
		Keys: one{evidence.Known{Key: p.secret.Public(), Trust: evidence.VerifiedTrust, Addresses: []string{p.address}}}})
	if r.Signature.Verdict != evidence.Verified {
		return fmt.Errorf("verdict %s %v", r.Signature.Verdict, r.Reasons)
	}
	return nil
}

// rate runs f again and again for a while.
func rate(d time.Duration, f func() error) float64 {
	n := 0
	start := time.Now()
	for time.Since(start) < d {
		must(f())
		n++
	}
	return float64(n) / time.Since(start).Seconds()
}

// gpg is a GnuPG with the same keys.
type gpg struct{ home string }

func newGPG(dir string, m *mails) (*gpg, error) {
	g := &gpg{filepath.Join(dir, "g")}
	if err := os.Mkdir(g.home, 0o700); err != nil {
		return nil, err
	}
	// The desk's key, to open with, and a customer's, to sign with.
	if err := g.run(m.desk.Bytes(), "--import"); err != nil {
		return nil, fmt.Errorf("gpg --import: %w", err)
	}
	return g, g.run(m.people[0].secret.Bytes(), "--import")
}

func (g *gpg) run(in []byte, args ...string) error {
	_, err := g.output(in, args...)
	return err
}

func (g *gpg) output(in []byte, args ...string) ([]byte, error) {
	c := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--no-tty", "--yes", "--trust-model", "always", "--pinentry-mode", "loopback",
		"--passphrase", "", "--compress-algo", "none", "--digest-algo", "SHA256", "--output", "-"}, args...)...)
	c.Stdin = bytes.NewReader(in)
	var out, e bytes.Buffer
	c.Stdout, c.Stderr = &out, &e
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("gpg %v: %w\n%s", args, err, e.Bytes())
	}
	return out.Bytes(), nil
}

func (g *gpg) stop() { exec.Command("gpgconf", "--homedir", g.home, "--kill", "all").Run() }

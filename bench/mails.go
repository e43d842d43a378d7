package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"postern/bench/load"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
)

const (
	customers = 50
	box       = "support@northmere.example"
)

// person is a customer with a key.
type person struct {
	address string
	secret  *pgp.Secret
}

// mails makes mails as they are needed, each with a Message-ID of its own.
type mails struct {
	desk   *pgp.Secret // whoever reads: the bound's key, or the desk's (public part only)
	to     *pgp.Key
	people []person
	text   string
	n      int
	ready  map[string][]load.Mail
}

func newMails() (*mails, error) {
	m := &mails{ready: map[string][]load.Mail{}}
	var err error
	if m.desk, err = pgp.Generate("Support", box, time.Now().Add(-time.Hour)); err != nil {
		return nil, err
	}
	m.to = m.desk.Public()
	for i := range customers {
		p := person{address: fmt.Sprintf("customer%d@home.example", i)}
		if p.secret, err = pgp.Generate("Customer", p.address, time.Now().Add(-time.Hour)); err != nil {
			return nil, err
		}
		m.people = append(m.people, p)
	}
	// Text that does not compress to nothing, 10 KB with everything around it.
	var b strings.Builder
	for sum := sha256.Sum256([]byte("seed")); b.Len() < 6900; sum = sha256.Sum256(sum[:]) {
		b.WriteString("Please look at my account: " + base64.StdEncoding.EncodeToString(sum[:])[:28] + ".\n")
	}
	m.text = b.String()
	return m, nil
}

// toDesk makes the mails for another key: the desk makes its own at first start.
func (m *mails) toDesk(k *pgp.Key) { m.to, m.ready = k, map[string][]load.Mail{} }

func (m *mails) draft(p person) message.Draft {
	m.n++
	return message.Draft{From: message.Address{Name: "Customer", Addr: p.address}, To: []message.Address{{Addr: box}}, Subject: fmt.Sprintf("Question %d", m.n), Date: time.Now(),
		MessageID: fmt.Sprintf("b%d.%d@home.example", time.Now().UnixNano(), m.n), Text: m.text}
}

func (m *mails) one(kind string) load.Mail {
	p := m.people[m.n%len(m.people)]
	d := m.draft(p)
	if kind == "plain" {
		d.Text = strings.Repeat(m.text, 2)[:9300]
		fields, err := d.Fields(d.Subject)
		must(err)
		raw, err := d.Body(append(fields, message.Field{Name: "MIME-Version", Value: "1.0"}), nil)
		must(err)
		return load.Mail{From: p.address, To: box, Raw: raw}
	}
	s, err := pgp.Seal(pgp.Outgoing{Draft: d, Signer: p.secret, To: []*pgp.Key{m.to}, OuterSubject: "...", Now: time.Now()})
	must(err)
	return load.Mail{From: p.address, To: box, Raw: s.Raw}
}

// large is a plain mail with one file, so many bytes on the wire.
func (m *mails) large(size int) load.Mail {
	p := m.people[0]
	d := m.draft(p)
	file := make([]byte, size*72/100) // base64 in lines
	rand.Read(file)
	d.Attachments = []message.Attachment{{Name: "scan.pdf", Type: "application/pdf", Data: file}}
	fields, err := d.Fields(d.Subject)
	must(err)
	raw, err := d.Body(append(fields, message.Field{Name: "MIME-Version", Value: "1.0"}), nil)
	must(err)
	return load.Mail{From: p.address, To: box, Raw: raw}
}

func must(err error) {
	if err != nil {
		panic(err) // mails of our own making
	}
}

func (m *mails) take(kind string, n int) []load.Mail {
	out := make([]load.Mail, n)
	for i := range out {
		out[i] = m.one(kind)
	}
	return out
}

// introductions are one mail of each customer that brings their key along.
func (m *mails) introductions() []load.Mail {
	var out []load.Mail
	for _, p := range m.people {
		d := m.draft(p)
		d.Text, d.Headers = "Hello.", [][2]string{{"Autocrypt", outbox.Autocrypt(p.address, p.secret.Public())}}
		s, err := pgp.Seal(pgp.Outgoing{Draft: d, Signer: p.secret, Now: time.Now()})
		must(err)
		out = append(out, load.Mail{From: p.address, To: box, Raw: s.Raw})
	}
	return out
}

// ring is every key the bound needs, armoured.
func (m *mails) ring() []byte {
	var b bytes.Buffer
	b.WriteString("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n")
	for text := base64.StdEncoding.EncodeToString(m.desk.Bytes()); text != ""; {
		n := min(64, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString("-----END PGP PRIVATE KEY BLOCK-----\n")
	for _, p := range m.people {
		b.Write(p.secret.Public().Armored())
	}
	return b.Bytes()
}

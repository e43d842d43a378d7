package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mrand "math/rand/v2"
	"strings"
	"time"

	"postern/bench/load"
	"postern/internal/message"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/recognise"
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
	m.text = letter(6900)
	if v := recognise.Look(&recognise.Input{Text: m.text, Door: "mail"}); v.Flagged { // that is more work, and not what most mail is
		return nil, fmt.Errorf("the letter of this bench is taken for a security report: %v", v.Reasons)
	}
	return m, nil
}

// everyday is what people write about.
var everyday = []string{
	"On the %d. of last month I ordered two curtains in green, and the box came with only one of them.",
	"The invoice says %d.50, while the offer that your colleague sent in spring said a little less.",
	"Could you please tell me whether the appointment at half past %d can be moved to the week after?",
	"My mother is eighty-%d and would rather have the letters on paper, as before.",
	"We moved house on the first; the new number is %d, the street and the town are the same.",
	"The heating has been off since Sunday, and in the kitchen it is %d degrees in the morning.",
	"I called twice and waited for %d minutes each time, then the line went dead.",
	"For the tax return I need the statement of last year, all %d pages of it if that is possible.",
	"The driver left the parcel with the bakery at number %d, which was kind of him.",
	"I would like to end the contract by the end of March; I have been with you for %d years and was content.",
	"The washing machine stops after %d minutes and shows a small yellow lamp.",
	"Please send the spare part to the address above, it is on the list under item %d.",
	"In the course on Tuesday evening there were %d of us, and the room was a bit small.",
	"Thank you for the quick help with the meter; the new reading is 0%d417.",
	"We are looking forward to the concert and would like %d seats together, near the aisle if you can.",
	"The shoes are half a size too small; may I exchange them in the shop in the old town, and until which day?",
}

// letter is an everyday text of about so many bytes; its sentences and numbers are drawn
// from a fixed seed.
func letter(size int) string {
	rnd := mrand.New(mrand.NewPCG(7, 11))
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		s := everyday[rnd.IntN(len(everyday))]
		if strings.Contains(s, "%d") {
			s = fmt.Sprintf(s, 2+rnd.IntN(27))
		}
		b.WriteString(s + map[bool]string{true: "\n\n", false: " "}[n%4 == 3])
	}
	return b.String()
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

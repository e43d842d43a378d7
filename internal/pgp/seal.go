package pgp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"postern/internal/fail"
	"postern/internal/message"
)

// Outgoing is a mail to be sealed.
type Outgoing struct {
	Draft        message.Draft
	Signer       *Secret
	To           []*Key // empty: signed only
	OuterSubject string // what stands outside when it is encrypted
	Now          time.Time
}

// Sealed is a finished mail. It remembers the session key until Check has
// opened the mail with it: the recipient's copy cannot be opened by us later.
type Sealed struct {
	Raw     []byte
	now     time.Time
	payload [sha256.Size]byte // of the MIME entity that was signed
	session sessionKey
}

// Seal signs the draft and, if To is given, encrypts it: PGP/MIME (RFC 3156)
// with protected header fields (RFC 9788), SHA-256, no compression. There is no
// way to have a mail without a signature from here.
func Seal(o Outgoing) (s *Sealed, err error) {
	defer guard(&err)
	if o.Signer == nil {
		return nil, fail.New(fail.Invalid, "a mail without a signature is not made")
	}
	if err := o.Signer.canSign(o.Now); err != nil {
		return nil, err
	}
	if len(o.To) == 0 {
		return signed(o)
	}
	return encrypted(o)
}

// canSign makes sure that there is a signing key before a signature is asked
// for: set up with an unusable key, the library could leave it out.
func (s *Secret) canSign(at time.Time) error {
	k, ok := s.e.SigningKey(at, config(at))
	if !ok || k.PrivateKey == nil || k.PrivateKey.Encrypted || k.PrivateKey.Dummy() {
		return fail.New(fail.Invalid, "our signing key has expired, was revoked or is not there; nothing can be sent until there is a new one")
	}
	return nil
}

// signed writes multipart/signed (RFC 3156, 5; RFC 9788, 4.2: hp="clear").
func signed(o Outgoing) (*Sealed, error) {
	fields, err := o.Draft.Fields(o.Draft.Subject)
	if err != nil {
		return nil, err
	}
	payload, err := o.Draft.Body(fields, [][2]string{{"hp", "clear"}, {"protected-headers", "v1"}})
	if err != nil {
		return nil, err
	}
	var sig bytes.Buffer
	if err := openpgp.DetachSign(&sig, []*openpgp.Entity{o.Signer.e}, bytes.NewReader(payload), config(o.Now)); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	b := o.Draft.Boundary("signed")
	out := bytes.NewBuffer(make([]byte, 0, len(payload)+4096))
	message.WriteFields(out, append(fields, message.Field{Name: "MIME-Version", Value: "1.0"}, message.Field{Name: "Content-Type",
		Value: `multipart/signed; micalg="pgp-sha256"; protocol="application/pgp-signature"; boundary="` + b + `"`}))
	out.WriteString("\r\n--" + b + "\r\n")
	out.Write(payload)
	out.WriteString("\r\n--" + b + "\r\nContent-Type: application/pgp-signature; name=\"signature.asc\"\r\nContent-Description: OpenPGP digital signature\r\nContent-Disposition: attachment; filename=\"signature.asc\"\r\n\r\n")
	out.Write(armor(kindSignature, sig.Bytes()))
	out.WriteString("\r\n--" + b + "--\r\n")
	return &Sealed{Raw: out.Bytes(), now: o.Now, payload: sha256.Sum256(payload)}, nil
}

// encrypted writes multipart/encrypted (RFC 3156, 4) around a message that is
// signed inside (RFC 9788, 4.3: hp="cipher"). Outside stand only the fields that
// mail servers need, and a subject that says nothing.
func encrypted(o Outgoing) (*Sealed, error) {
	inner, err := o.Draft.Fields(o.Draft.Subject)
	if err != nil {
		return nil, err
	}
	outside := o.Draft
	outside.To = slices.Clone(o.Draft.To)
	for i := range outside.To {
		outside.To[i].Name = "" // RFC 9788, 3.2.2: names are for the recipient alone
	}
	if o.OuterSubject == "" {
		o.OuterSubject = "[...]" // RFC 9788, 3.2.1
	}
	outer, err := outside.Fields(o.OuterSubject)
	if err != nil {
		return nil, err
	}
	lead := inner
	for _, f := range outer {
		if f.Name != "Autocrypt" {
			lead = append(lead, message.Field{Name: "HP-Outer", Value: f.Name + ": " + f.Value})
		}
	}
	payload, err := o.Draft.Body(lead, [][2]string{{"hp", "cipher"}, {"protected-headers", "v1"}})
	if err != nil {
		return nil, err
	}
	s := &Sealed{now: o.Now, payload: sha256.Sum256(payload)}
	data, err := s.encrypt(o, payload)
	if err != nil {
		return nil, err
	}
	b := o.Draft.Boundary("encrypted")
	out := bytes.NewBuffer(make([]byte, 0, len(data)*4/3+len(data)/24+4096))
	message.WriteFields(out, append(outer, message.Field{Name: "MIME-Version", Value: "1.0"}, message.Field{Name: "Content-Type",
		Value: `multipart/encrypted; protocol="application/pgp-encrypted"; boundary="` + b + `"`}))
	out.WriteString("\r\n--" + b + "\r\nContent-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n\r\nVersion: 1\r\n\r\n--" + b +
		"\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n")
	out.Write(armor(kindMessage, data))
	out.WriteString("\r\n--" + b + "--\r\n")
	s.Raw = out.Bytes()
	return s, nil
}

// encrypt signs and encrypts in one message. The intended recipients are signed
// in (RFC 9580, 5.2.3.36), so that nobody can pass the text on as written to
// somebody else.
func (s *Sealed) encrypt(o Outgoing, payload []byte) ([]byte, error) {
	var to []*openpgp.Entity
	for _, k := range o.To {
		if _, err := k.encryptionKey(o.Now); err != nil {
			return nil, err
		}
		to = append(to, k.e)
	}
	cfg, rec := config(o.Now), &recorder{}
	cfg.Rand = rec
	if len(payload) < largePayload {
		cfg.AEADConfig.ChunkSize = smallChunk
	}
	out := bytes.NewBuffer(make([]byte, 0, len(payload)+2048))
	w, err := openpgp.Encrypt(out, to, nil, []*openpgp.Entity{o.Signer.e}, nil, cfg)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(payload); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	s.session = sessionKey{packet.CipherAES256, rec.first}
	if len(rec.first) == 16 {
		s.session.cipher = packet.CipherAES128
	}
	return out.Bytes(), nil
}

// The library sets a buffer of one chunk aside on both sides, whatever the mail's
// size: 256 KiB by itself, which is fit for files and not for letters.
const (
	largePayload = 64 << 10
	smallChunk   = 16 << 10
)

// recorder is the source of randomness for one message. It keeps what is read
// first, which is the session key; if the library ever reads something else
// first, Check cannot open the mail and it does not leave.
type recorder struct{ first []byte }

func (r *recorder) Read(p []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, p)
	if r.first == nil {
		r.first = bytes.Clone(p[:n])
	}
	return n, err
}

// Check parses the finished mail back and makes sure that it is what it must be:
// signed by exactly this key and, if to is given, encrypted to exactly those
// keys, with the content that was sealed, and 7-bit safe throughout. That the
// session key inside the recipient's packet is the right one only they can know;
// that it is packed for their key, and that the data opens with ours, is checked.
func (s *Sealed) Check(signer *Key, to []*Key) (err error) {
	defer guard(&err)
	if err := sevenBit(s.Raw); err != nil {
		return err
	}
	m := message.Parse(s.Raw)
	if p := m.Ambiguous(); p != "" {
		return fmt.Errorf("its structure is ambiguous: %s", p)
	}
	if m.Header().From() == nil || m.Header().MessageID() == "" || m.Header().Date().IsZero() {
		return errors.New("it lacks From, Date or Message-ID")
	}
	if len(to) == 0 {
		return s.checkSigned(m, signer)
	}
	return s.checkEncrypted(m, signer, to)
}

func (s *Sealed) checkSigned(m *message.Mail, signer *Key) error {
	if m.Root.Type != "multipart/signed" || len(m.Root.Parts) != 2 {
		return errors.New("it is not signed")
	}
	sig, problem := m.Root.Parts[1].Data()
	if problem != "" {
		return fmt.Errorf("its signature cannot be read: %s", problem)
	}
	list, err := Detached(m.Root.Parts[0].Raw, sig)
	if err != nil {
		return err
	}
	return s.checkContent(m.Root.Parts[0].Raw, list, signer, nil)
}

func (s *Sealed) checkContent(payload []byte, list []Signature, signer *Key, to []*Key) error {
	if len(list) != 1 {
		return fmt.Errorf("it has %d signatures", len(list))
	}
	made, fault := list[0].Verify(signer, s.now)
	if !made || fault != "" {
		return fmt.Errorf("its signature is not by %s, or does not count: %s", signer.Fingerprint(), fault)
	}
	if list[0].Hash() != "SHA-256" {
		return errors.New("its signature does not use SHA-256, as its header says")
	}
	var want []Fingerprint
	for _, k := range to {
		want = append(want, k.fp)
	}
	if !slices.Equal(list[0].IntendedFor(), want) {
		return errors.New("its signature names other recipients than it is for")
	}
	if sha256.Sum256(payload) != s.payload {
		return errors.New("its content is not what was sealed")
	}
	return nil
}

func (s *Sealed) checkEncrypted(m *message.Mail, signer *Key, to []*Key) error {
	if m.Root.Type != "multipart/encrypted" || len(m.Root.Parts) != 2 {
		return errors.New("it is not encrypted")
	}
	data, problem := m.Root.Parts[1].Data()
	if problem != "" {
		return fmt.Errorf("its ciphertext cannot be read: %s", problem)
	}
	env, err := takeApart(data)
	if err != nil {
		return err
	}
	if err := sameRecipients(env, to, s.now); err != nil {
		return err
	}
	plain, err := env.decrypt(s.session)
	if err != nil {
		return err
	}
	o := &Opened{}
	if err := o.read(plain, 0); err != nil {
		return err
	}
	return s.checkContent(o.Data, o.Signatures, signer, to)
}

// sameRecipients: one packet for each key, none hidden, none for anybody else.
func sameRecipients(env *envelope, to []*Key, now time.Time) error {
	want := map[uint64]bool{}
	for _, k := range to {
		sub, err := k.encryptionKey(now)
		if err != nil {
			return err
		}
		want[sub.KeyId] = true
	}
	for _, raw := range env.pkesk {
		pkt, err := raw.parse()
		p, ok := pkt.(*packet.EncryptedKey)
		if err != nil || !ok {
			return errors.New("a recipient of it cannot be read")
		}
		if !want[p.KeyId] {
			return errors.New("it is encrypted to somebody else too")
		}
		delete(want, p.KeyId)
	}
	if len(want) > 0 {
		return errors.New("it is not encrypted to everybody it must be")
	}
	return nil
}

// sevenBit: ASCII only, CRLF line ends only, no line beyond 998 (RFC 5322, 2.1.1;
// RFC 3156, 3).
func sevenBit(raw []byte) error {
	for line := range bytes.Lines(raw) {
		text, whole := bytes.CutSuffix(line, []byte("\r\n"))
		var bits byte
		for _, c := range text {
			bits |= c
		}
		switch {
		case !whole && bytes.HasSuffix(line, []byte("\n")):
			return errors.New("it has a bare line feed")
		case bytes.IndexByte(text, '\r') >= 0:
			return errors.New("it has a bare carriage return")
		case bits >= 0x80 || bytes.IndexByte(text, 0) >= 0:
			return errors.New("it is not 7-bit")
		case len(text) > 998:
			return errors.New("it has a line that is too long")
		}
	}
	return nil
}

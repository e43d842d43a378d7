package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"postern/internal/fail"
	"postern/internal/pgp"
)

// row is one line of `postern inspect --json`.
type row struct {
	File        string       `json:"file"`
	From        *Address     `json:"from"`
	To          []Address    `json:"to"`
	Cc          []Address    `json:"cc"`
	ReplyTo     []Address    `json:"reply_to"`
	Subject     string       `json:"subject"`
	Date        string       `json:"date"`
	MessageID   string       `json:"message_id"`
	Text        string       `json:"text"`
	Attachments []Attachment `json:"attachments"`
	Automatic   bool         `json:"automatic"`
	Encryption  Encryption   `json:"encryption"`
	Signature   struct {
		Verdict     Verdict         `json:"verdict"`
		Scheme      string          `json:"scheme"`
		Fingerprint pgp.Fingerprint `json:"fingerprint"`
		Signer      string          `json:"signer"`
		SignedAt    string          `json:"signed_at"`
		Covers      string          `json:"covers"`
	} `json:"signature"`
	Disposition Disposition `json:"disposition"`
	Reasons     []string    `json:"reasons"`
	Domain      struct {
		SPF   string `json:"spf"`
		DKIM  string `json:"dkim"`
		DMARC string `json:"dmarc"`
	} `json:"domain"`
}

func rowOf(file string, r *Report) row {
	out := row{File: file, From: r.From, To: orEmpty(r.To), Cc: orEmpty(r.Cc), ReplyTo: orEmpty(r.ReplyTo), Subject: r.Subject, Date: stamp(r.Date),
		MessageID: r.MessageID, Text: r.Text, Attachments: orEmpty(r.Attachments), Automatic: r.Automatic != "", Encryption: r.Encryption,
		Disposition: r.Disposition, Reasons: orEmpty(r.Reasons)}
	s := &out.Signature
	s.Verdict, s.Scheme, s.Fingerprint, s.Signer, s.SignedAt, s.Covers = r.Signature.Verdict, r.Signature.Scheme, r.Signature.Fingerprint, r.Signature.Signer, stamp(r.Signature.SignedAt), r.Signature.Covers
	// A file carries no connection: what a domain says of it cannot be looked up.
	out.Domain.SPF, out.Domain.DKIM, out.Domain.DMARC = "none", "none", "none"
	return out
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ring is Keys over the files given on the command line.
type ring struct{ all []Known }

func (r *ring) ByAddress(address string) (out []Known) {
	for _, k := range r.all {
		if owns(&k, address) {
			out = append(out, k)
		}
	}
	return out
}

func (r *ring) ByID(ids []uint64, _ []pgp.Fingerprint) (out []Known) {
	for _, k := range r.all {
		if slices.ContainsFunc(k.Key.KeyIDs(), func(id uint64) bool { return slices.Contains(ids, id) }) {
			out = append(out, k)
		}
	}
	return out
}

// renew takes of one key that was given several times what its owner said last of it, such
// as that it is revoked.
func (r *ring) renew() {
	for i := range r.all {
		for _, k := range r.all {
			if k.Key.Fingerprint() == r.all[i].Key.Fingerprint() && k.Key.Renews(r.all[i].Key) {
				r.all[i].Key = k.Key
			}
		}
	}
}

// job is a parsed command line.
type job struct {
	json  bool
	o     Options
	mails []string
}

const usage = `usage: postern inspect [--json] [--at RFC3339] [--key FILE]... [--contact ADDRESS=KEYFILE]... [--secret FILE]... MAIL...

Says what each mail proves. MAIL may be - for standard input.
  --json              one JSON object a line for each mail
  --at TIME           the moment of receipt; without it, now
  --key FILE          a key that is known but not verified
  --contact ADDR=FILE the verified key of that address
  --secret FILE       a secret key to open with, without a password
`

// Inspect is the command `postern inspect`. It returns the exit code: 0, 1 if a
// file could not be read, 2 for a wrong command line.
func Inspect(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	j, err := parseArgs(args)
	if errors.Is(err, errHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "postern inspect: %s\n%s", words(err), usage)
		return 2
	}
	out := bufio.NewWriter(stdout)
	defer out.Flush()
	code := 0
	for _, name := range j.mails {
		raw, err := readMail(name, stdin)
		if err != nil {
			code = 1
			fmt.Fprintf(stderr, "postern inspect: %s: %s\n", name, words(err))
			r := &Report{Disposition: Refuse, Encryption: Encryption{Scheme: "none"}, Signature: Signature{Verdict: Unsigned, Scheme: "none", Covers: "none"}}
			r.because("unreadable-file", "the file could not be read")
			j.print(out, name, r)
			continue
		}
		j.print(out, name, Examine(raw, j.o))
	}
	return code
}

func (j *job) print(w io.Writer, name string, r *Report) {
	if !j.json {
		printWords(w, name, r)
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(rowOf(name, r)) // the writer is buffered and does not fail
}

func printWords(w io.Writer, name string, r *Report) {
	words := map[Verdict]string{Verified: "signed by a verified key of the sender", Signed: "signed, by a key nobody has verified for the sender", Unsigned: "not signed", Mismatch: "who sent it does not fit"}
	from := "nobody, or more than one"
	if r.From != nil {
		from = r.From.Address
	}
	fmt.Fprintf(w, "%s\n  from        %q\n  subject     %q\n  signature   %s: %s\n", name, from, r.Subject, r.Signature.Verdict, words[r.Signature.Verdict])
	if r.Signature.Fingerprint != "" {
		fmt.Fprintf(w, "  key         %s of %q, covers %s\n", r.Signature.Fingerprint, r.Signature.Signer, r.Signature.Covers)
	}
	fmt.Fprintf(w, "  encryption  %s, whole %v, decrypted %v %s\n  disposition %s\n", r.Encryption.Scheme, r.Encryption.Whole, r.Encryption.Decrypted, r.Encryption.Error, r.Disposition)
	for _, s := range r.Reasons {
		fmt.Fprintf(w, "  because     %s\n", strings.ToValidUTF8(fmt.Sprintf("%q", s), "?"))
	}
}

func words(err error) string {
	if t := fail.Text(err); t != "" {
		return t
	}
	return err.Error()
}

var errHelp = errors.New("help")

func parseArgs(args []string) (*job, error) {
	j := &job{o: Options{At: time.Now()}}
	keys := &ring{}
	plain := false
	for i := 0; i < len(args); i++ {
		if plain || args[i] == "-" || !strings.HasPrefix(args[i], "-") {
			j.mails = append(j.mails, args[i])
			continue
		}
		switch args[i] {
		case "--":
			plain = true
			continue
		case "--json":
			j.json = true
			continue
		case "--help", "-h":
			return nil, errHelp
		}
		name, value, has := strings.Cut(args[i], "=")
		if !takesValue(name) {
			return nil, fmt.Errorf("there is no option %s", args[i])
		}
		if !has {
			if i++; i >= len(args) {
				return nil, fmt.Errorf("%s needs a value", name)
			}
			value = args[i]
		}
		if err := j.option(name, value, keys); err != nil {
			return nil, err
		}
	}
	if len(j.mails) == 0 {
		return nil, errors.New("name at least one mail")
	}
	keys.renew()
	j.o.Keys = keys
	return j, nil
}

func takesValue(name string) bool {
	return slices.Contains([]string{"--at", "--key", "--contact", "--secret"}, name)
}

func (j *job) option(name, value string, keys *ring) error {
	switch name {
	case "--at":
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("--at %s is not a time such as 2026-11-24T09:00:00Z", value)
		}
		j.o.At = t
	case "--key":
		list, err := readKeys(value)
		if err != nil {
			return err
		}
		for _, k := range list {
			keys.all = append(keys.all, Known{Key: k, Trust: "seen"})
		}
	case "--contact":
		address, file, ok := strings.Cut(value, "=")
		if !ok || !strings.Contains(address, "@") {
			return errors.New("--contact wants ADDRESS=KEYFILE")
		}
		list, err := readKeys(file)
		if err != nil {
			return err
		}
		for _, k := range list {
			keys.all = append(keys.all, Known{Key: k, Trust: VerifiedTrust, Owner: address, Addresses: []string{strings.ToLower(address)}})
		}
	case "--secret":
		data, err := os.ReadFile(value)
		if err != nil {
			return err
		}
		s, err := pgp.ParseSecret(data)
		if err != nil {
			return fmt.Errorf("%s: %s", value, words(err))
		}
		j.o.Secrets = append(j.o.Secrets, s)
	}
	return nil
}

// readKeys reads a key file. A key that cannot be used, weak or damaged, is as if
// it were not known; a file that cannot be read at all is an error.
func readKeys(file string) ([]*pgp.Key, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list, err := pgp.ParseKeys(data)
	if _, no := pgp.ParseSecret(data); err != nil && no == nil {
		return nil, fmt.Errorf("%s: %s", file, words(err)) // a secret key, where a public one was meant
	}
	if err != nil && !bytes.Contains(data, []byte("PGP PUBLIC KEY")) && (len(data) == 0 || data[0]&0x80 == 0) {
		return nil, fmt.Errorf("%s: %s", file, words(err))
	}
	return list, nil
}

// readMail reads a mail file. One whose line ends are all bare LF, as editors
// and mbox files have them, is read as if they were CRLF.
func readMail(name string, stdin io.Reader) ([]byte, error) {
	var raw []byte
	var err error
	if name == "-" {
		raw, err = io.ReadAll(stdin)
	} else {
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(raw, []byte("From ")) { // mbox
		if _, rest, ok := bytes.Cut(raw, []byte("\n")); ok {
			raw = rest
		}
	}
	if !bytes.Contains(raw, []byte("\r\n")) && !bytes.Contains(raw, []byte("\r")) {
		raw = bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	}
	return raw, nil
}

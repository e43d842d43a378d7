package publications

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"postern/internal/advisory"
	"postern/internal/lang"
	"postern/internal/pgp"
)

// A security.txt holds for ninety days and is made anew every thirty, so it never has
// less than sixty left. The terms are counted from 1970: every node makes the same
// file, nothing is stored, and no caller's request writes anything.
const (
	day      = 24 * time.Hour
	txtTerm  = 30 * day
	txtHolds = 90 * day
)

// SecurityTxt is the file of RFC 9116 as it stands now, signed with the organisation's
// key.
func (s *Store) SecurityTxt() ([]byte, error) {
	key, err := s.signer()
	if err != nil {
		return nil, err
	}
	term := s.DB.Now().Truncate(txtTerm)
	return key.SignedText(s.securityTxt(term.Add(txtHolds)), notBefore(term, key))
}

// notBefore is when something counts as signed: not before there was a key.
func notBefore(at time.Time, key *pgp.Secret) time.Time {
	if made := key.Public().Created(); at.Before(made) {
		return made
	}
	return at
}

// securityTxt is the text that is signed. The form comes first: it needs no mail
// program and no key.
func (s *Store) securityTxt(expires time.Time) string {
	var tags []string
	for _, l := range lang.All {
		tags = append(tags, string(l))
	}
	lines := []string{"Contact: " + s.URL + ReportPath}
	if mail := s.SecurityMail(); mail != "" {
		lines = append(lines, "Contact: "+(&url.URL{Scheme: "mailto", Opaque: mail}).String())
	}
	encryption := s.URL + KeysPath
	if s.Team != nil && s.Team.CanEncrypt(s.DB.Now()) == nil {
		encryption += "/" + string(s.Team.Fingerprint()) + ".asc"
	}
	lines = append(lines, "Expires: "+expires.UTC().Format(time.RFC3339),
		"Encryption: "+encryption,
		"Policy: "+s.URL+PolicyPath,
		"Acknowledgments: "+s.URL+ThanksPath,
		"CSAF: "+s.URL+advisory.MetadataPath,
		"Preferred-Languages: "+strings.Join(tags, ", "),
		"Canonical: "+s.URL+WellKnownPath)
	return strings.Join(lines, "\n")
}

// A Problem is what is wrong with a security.txt that somebody would be shown.
type Problem int

// What can be wrong, the worst first.
const (
	Sound       Problem = iota
	Missing             // there is none
	Malformed           // it breaks the rules of RFC 9116
	NotHTTPS            // it, or what it leads to, runs in clear
	Unsigned            // it does not verify with our key
	Expired             // nobody may rely on it any more
	ExpiresSoon         // within fourteen days
)

// txtSoon is when somebody should look why it was not made anew.
const txtSoon = 14 * day

// CheckSecurityTxt looks at a security.txt as it was fetched from an address: for the
// doctor and for probes. The error says in words what the problem is; key nil leaves
// the signature unchecked.
func CheckSecurityTxt(text []byte, from string, key *pgp.Key, now time.Time) (Problem, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		return Missing, errors.New("there is no security.txt")
	}
	if !strings.HasPrefix(from, "https://") {
		return NotHTTPS, fmt.Errorf("it stands at %s, which is not HTTPS", from)
	}
	body, err := signedBy(text, key, now)
	if err != nil {
		return Unsigned, err
	}
	fields, err := txtFields(body)
	if err != nil {
		return Malformed, err
	}
	for _, f := range fields {
		if strings.HasPrefix(strings.ToLower(f[1]), "http:") {
			return NotHTTPS, fmt.Errorf("%s leads over plain HTTP", f[0])
		}
	}
	return txtExpiry(fields, now)
}

// signedBy takes the text out of its signature.
func signedBy(text []byte, key *pgp.Key, now time.Time) (string, error) {
	b, ok, err := pgp.Inline(text)
	if err != nil {
		return "", err
	}
	if !ok || b.Encrypted != nil || !b.Whole() {
		if key != nil {
			return "", errors.New("it is not signed, or something stands around what is")
		}
		return string(text), nil
	}
	for _, sig := range b.Signatures {
		if key == nil {
			break
		}
		if made, fault := sig.Verify(key, now); !made || fault != "" {
			return "", fmt.Errorf("its signature is not by %s, or does not count: %s", key.Fingerprint(), fault)
		}
	}
	return string(b.Text), nil
}

// txtFields reads "Name: value" lines (RFC 9116, 2.2).
func txtFields(body string) (out [][2]string, err error) {
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.TrimSpace(value) == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%q is no field", line)
		}
		out = append(out, [2]string{strings.ToLower(name), strings.TrimSpace(value)})
	}
	return out, nil
}

func txtExpiry(fields [][2]string, now time.Time) (Problem, error) {
	n := map[string]int{}
	var expires time.Time
	for _, f := range fields {
		n[f[0]]++
		if f[0] == "expires" {
			t, err := time.Parse(time.RFC3339, f[1])
			if err != nil {
				return Malformed, fmt.Errorf("its date %q cannot be read", f[1])
			}
			expires = t
		}
	}
	switch left := expires.Sub(now); {
	case n["contact"] == 0:
		return Malformed, errors.New("it names nobody to write to")
	case n["expires"] != 1 || n["preferred-languages"] > 1:
		return Malformed, errors.New("it must have one Expires and at most one Preferred-Languages")
	case left <= 0:
		return Expired, fmt.Errorf("it expired on %s", expires.Format("2 January 2006"))
	case left < txtSoon:
		return ExpiresSoon, fmt.Errorf("it expires on %s", expires.Format("2 January 2006"))
	case left > 366*day:
		return Malformed, errors.New("it holds for more than a year")
	}
	return Sound, nil
}

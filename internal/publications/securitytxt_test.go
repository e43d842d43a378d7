package publications

import (
	"bufio"
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/gpgtest"
	"postern/internal/mailboxes"
	"postern/internal/vault"
)

const site = "https://help.northmere.example"

// lab is a store on a clock that the test moves.
type lab struct {
	*Store
	now time.Time
}

func newLab(t *testing.T, open func(testing.TB) string, addresses ...string) *lab {
	t.Helper()
	l := &lab{now: time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)}
	d, err := db.Open(t.Context(), db.Options{URL: open(t), Clock: func() time.Time { return l.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := vault.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Check(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	boxes, err := mailboxes.Open(t.Context(), d, v)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if _, err := boxes.Add(t.Context(), audit.System, "Northmere Savings", a, false); err != nil {
			t.Fatal(err)
		}
	}
	l.Store = New(Options{DB: d, Mailboxes: boxes, URL: site})
	return l
}

// readTxt is a reader of security.txt by the letter of RFC 9116, apart from the code
// that is tested.
func readTxt(t *testing.T, plain []byte, now time.Time) map[string][]string {
	t.Helper()
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z-]*$`)
	out := map[string][]string{}
	s := bufio.NewScanner(bytes.NewReader(plain))
	for s.Scan() {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.Index(line, ": ") // 2.2: a colon and a space, one field a line
		if i < 0 || !name.MatchString(line[:i]) {
			t.Fatalf("no field: %q", line)
		}
		key := strings.ToLower(line[:i])
		out[key] = append(out[key], line[i+2:])
	}
	for key, values := range out {
		for _, v := range values {
			if key == "expires" || key == "preferred-languages" {
				continue
			}
			u, err := url.Parse(v) // 2.5: everything else is an address, and on the web it is https
			if err != nil || u.Scheme != "https" && !(key == "contact" && u.Scheme == "mailto") {
				t.Errorf("%s: %q", key, v)
			}
		}
	}
	if len(out["contact"]) < 1 || len(out["expires"]) != 1 || len(out["preferred-languages"]) > 1 {
		t.Fatalf("fields %v", out)
	}
	until, err := time.Parse("2006-01-02T15:04:05Z07:00", out["expires"][0])
	if left := until.Sub(now); err != nil || left < 60*day || left > 90*day {
		t.Errorf("at %s it expires %q (%v)", now, out["expires"][0], err)
	}
	return out
}

func TestSecurityTxtIsTrueAndSigned(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example", "security@northmere.example")
	text, err := l.SecurityTxt()
	if err != nil {
		t.Fatal(err)
	}
	g := gpgtest.New(t)
	g.Import(l.Mailboxes.All()[0].Secret.Public().Armored())
	plain, status, err := g.Run(text, "--faked-system-time", l.now.Format("20060102T150405!"), "--decrypt")
	if err != nil || !status.Has("GOODSIG") {
		t.Fatalf("gpg: %v\n%s\n%s", err, status, text)
	}
	got := readTxt(t, plain, l.now)
	for key, want := range map[string]string{"contact": site + "/report mailto:security@northmere.example", "encryption": site + "/keys", "policy": site + "/security-policy",
		"acknowledgments": site + "/security-thanks", "preferred-languages": "en, de", "csaf": site + "/.well-known/csaf/provider-metadata.json", "canonical": site + "/.well-known/security.txt"} {
		if v := strings.Join(got[key], " "); v != want {
			t.Errorf("%s: %q, want %q", key, v, want)
		}
	}
	if p, err := CheckSecurityTxt(text, site+WellKnownPath, l.Mailboxes.All()[0].Secret.Public(), l.now); p != Sound {
		t.Errorf("our own check: %d, %v", p, err)
	}
}

// TestSecurityTxtNeverExpires looks every day for two years: what is served has sixty
// days left or more, verifies, and is the same from one hour to the next unless its
// term ended.
func TestSecurityTxtNeverExpires(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example")
	key := l.Mailboxes.All()[0].Secret.Public()
	versions := map[string]bool{}
	for range 2 * 366 {
		text, err := l.SecurityTxt()
		if err != nil {
			t.Fatal(l.now, err)
		}
		if p, err := CheckSecurityTxt(text, site+WellKnownPath, key, l.now); p != Sound {
			t.Fatal(l.now, p, err)
		}
		if again, _ := l.SecurityTxt(); !bytes.Equal(again, text) {
			t.Fatal("not the same twice")
		}
		body, err := signedBy(text, key, l.now)
		if err != nil {
			t.Fatal(err)
		}
		readTxt(t, []byte(body), l.now)
		versions[string(text)] = true
		l.now = l.now.Add(day)
	}
	if len(versions) < 20 || len(versions) > 30 {
		t.Errorf("%d versions in two years", len(versions))
	}
}

func TestCheckSecurityTxtFindsWhatIsWrong(t *testing.T) {
	l := newLab(t, dbtest.SQLite, "support@northmere.example", "other@northmere.example")
	good, err := l.SecurityTxt()
	if err != nil {
		t.Fatal(err)
	}
	key, other := l.Mailboxes.All()[0].Secret, l.Mailboxes.All()[1].Secret
	at := site + WellKnownPath
	sign := func(text string) []byte {
		b, err := key.SignedText(text, l.now)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text := l.securityTxt(l.now.Add(txtHolds))
	for name, c := range map[string]struct {
		text []byte
		from string
		now  time.Time
		want Problem
	}{
		"sound":           {good, at, l.now, Sound},
		"missing":         {nil, at, l.now, Missing},
		"blank":           {[]byte("\r\n"), at, l.now, Missing},
		"in clear":        {good, strings.Replace(at, "https", "http", 1), l.now, NotHTTPS},
		"a link in clear": {sign(strings.Replace(text, "Policy: https", "Policy: http", 1)), at, l.now, NotHTTPS},
		"expired":         {good, at, l.now.Add(91 * day), Expired},
		"soon":            {sign(text), at, l.now.Add(txtHolds - 13*day), ExpiresSoon},
		"just not soon":   {sign(text), at, l.now.Add(txtHolds - 14*day), Sound},
		"unsigned":        {[]byte(text), at, l.now, Unsigned},
		"changed":         {bytes.Replace(good, []byte("/report"), []byte("/rep0rt"), 1), at, l.now, Unsigned},
		"added to":        {append([]byte("Contact: https://evil.example\r\n"), good...), at, l.now, Unsigned},
		"no contact":      {sign(strings.ReplaceAll(text, "Contact", "X-Contact")), at, l.now, Malformed},
		"two dates":       {sign(text + "\nExpires: 2027-01-01T00:00:00Z"), at, l.now, Malformed},
		"no date":         {sign(strings.Replace(text, "Expires: 2", "Expires: x", 1)), at, l.now, Malformed},
		"too far":         {sign(l.securityTxt(l.now.Add(400 * day))), at, l.now, Malformed},
		"no field":        {sign(text + "\nwrite to us"), at, l.now, Malformed},
	} {
		if p, err := CheckSecurityTxt(c.text, c.from, key.Public(), c.now); p != c.want || (err == nil) != (p == Sound) {
			t.Errorf("%s: %d, %v; want %d", name, p, err, c.want)
		}
	}
	if p, _ := CheckSecurityTxt(good, at, other.Public(), l.now); p != Unsigned {
		t.Errorf("another's signature: %d", p)
	}
	if p, err := CheckSecurityTxt([]byte(text), at, nil, l.now); p != Sound {
		t.Errorf("of another site, whose key is not known: %d, %v", p, err)
	}
}

package app

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/cases"
	"postern/internal/config"
	"postern/internal/gpgtest"
	"postern/internal/intake"
	"postern/internal/message"
	"postern/internal/security"
)

// TestP10TheTeamsKeyIsNotHere: with a key of those who triage a report that is encrypted
// to it is stored as it came, recognised by the key alone at whatever mailbox, shown as
// what this desk cannot read, and opened by GnuPG where the secret part is.
func TestP10TheTeamsKeyIsNotHere(t *testing.T) {
	team, finder := gpgtest.New(t), gpgtest.New(t)
	fpr := team.Generate("Security team <cert@northmere.example>", "0", time.Now().Add(-24*time.Hour))
	file := filepath.Join(t.TempDir(), "team.asc")
	if err := os.WriteFile(file, team.Export(fpr), 0o600); err != nil {
		t.Fatal(err)
	}
	eachPagesOf(t, func(c *config.Config) { c.TeamKey = file }, func(p *pages, later func(time.Duration)) {
		p.work()
		if w := p.do("", "GET", "/keys", nil); !strings.Contains(w.Body.String(), "this server stores and cannot read") || !strings.Contains(w.Body.String(), "/keys/"+fpr+".asc") {
			p.Error("the page of keys does not offer it, or not what it is")
		}
		key := p.do("", "GET", "/keys/"+fpr+".asc", nil)
		if key.Code != http.StatusOK || bytes.Contains(key.Body.Bytes(), []byte("PRIVATE")) {
			p.Fatalf("the key: %d", key.Code)
		}
		if txt := p.do("", "GET", "/.well-known/security.txt", nil).Body.String(); !strings.Contains(txt, "/keys/"+fpr+".asc") {
			p.Errorf("security.txt names another key: %s", txt)
		}
		finder.Import(key.Body.Bytes())
		write := func(to string, raw []byte) {
			p.Helper()
			if err := p.d.intake.Accept(p.Context(), &intake.Envelope{Door: "smtp", From: "finder@elsewhere.example", To: []string{to}, Raw: raw}); err != nil {
				p.Fatal(err)
			}
		}
		mail := &gpgtest.Mail{From: "Finder <finder@elsewhere.example>", To: "support@northmere.example", Subject: "...", Text: "A canary sings in here: the token is in the log."}
		raw := finder.Encrypted(mail, "", fpr)
		write("support@northmere.example", raw)
		p.eventually("it is a case", func() bool { return p.count(`SELECT COUNT(*) FROM reports`) == 1 })
		c := p.byRef(p.one(`SELECT ref FROM cases WHERE security = 'flagged'`))
		if r := p.reportOf(c); c.Security != cases.Suspected || r.State != security.Flagged || len(r.Reasons) == 0 || !strings.Contains(r.Reasons[0], "security team") {
			p.Errorf("%+v, %+v", c, r)
		}
		page := p.do("triager", "GET", "/desk/cases/"+string(c.ID), nil).Body.String()
		if !strings.Contains(page, "which this desk does not hold") || strings.Contains(page, "canary sings") {
			p.Error("the case does not say that this desk cannot read it")
		}
		link := regexp.MustCompile(`/desk/cases/[^"]+/raw`).FindString(page)
		got := p.do("triager", "GET", link, nil)
		_, sealed, _ := strings.Cut(got.Body.String(), "-----BEGIN PGP MESSAGE")
		sealed, _, _ = strings.Cut("-----BEGIN PGP MESSAGE"+sealed, "--enc--")
		plain, _, err := team.Decrypt([]byte(sealed))
		if got.Code != http.StatusOK || err != nil || !strings.Contains(string(plain), "canary sings in here") {
			p.Errorf("where the key is: %d, %v, %q", got.Code, err, plain)
		}
		p.eventually("they are told what became of it", func() bool {
			for _, m := range p.mailsTo("finder@elsewhere.example") {
				if strings.Contains(message.Parse([]byte(m)).Root.Display().Text, "stored it as you sealed it") {
					return true
				}
			}
			return false
		})

		// Whom it is for may be hidden, it may stand below a greeting, or be a file.
		hide := func() []byte {
			out, _, err := finder.Run([]byte("Another canary.\n"), "--batch", "--trust-model", "always", "--armor", "--encrypt", "--hidden-recipient", fpr)
			if err != nil {
				p.Fatal(err)
			}
			return out
		}
		below := (&gpgtest.Mail{From: "Shy <shy@elsewhere.example>", To: "support@northmere.example", Subject: "For you", Text: "Good morning, please read:\n\n" + string(hide())}).Plain()
		shown, _, err := finder.Run([]byte("A third canary.\n"), "--batch", "--trust-model", "always", "--armor", "--encrypt", "--recipient", fpr)
		if err != nil {
			p.Fatal(err)
		}
		file := "From: Filer <filer@elsewhere.example>\r\nTo: support@northmere.example\r\nSubject: A file\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) + "\r\nMessage-ID: <f1@elsewhere.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nPlease see the file.\r\n--b\r\nContent-Type: application/octet-stream; name=\"note.asc\"\r\nContent-Disposition: attachment; filename=\"note.asc\"\r\n\r\n" + strings.ReplaceAll(string(shown), "\n", "\r\n") + "\r\n--b--\r\n"
		for n, raw := range [][]byte{below, []byte(file)} {
			write("support@northmere.example", raw)
			p.eventually("it waits too", func() bool { return p.count(`SELECT COUNT(*) FROM reports WHERE state = 'flagged'`) == int64(n+2) })
		}

		// To a stranger's key it is no report of ours; it waits as what nobody can open.
		other := finder.Generate("Somebody <some@body.example>", "0", time.Now().Add(-24*time.Hour))
		mail = &gpgtest.Mail{From: "Other <other@elsewhere.example>", To: "support@northmere.example", Subject: "Hello", Text: "Nothing."}
		write("support@northmere.example", finder.Encrypted(mail, "", other))
		p.eventually("it is a case too", func() bool { return p.count(`SELECT COUNT(*) FROM cases`) == 4 })
		if n := p.count(`SELECT COUNT(*) FROM reports`); n != 3 {
			p.Errorf("%d reports", n)
		}
	})

	// What has no business here, and what cannot be used, is refused at start, by name.
	secret, _, err := team.Run(nil, "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--armor", "--export-secret-keys", fpr)
	if err != nil {
		t.Fatal(err)
	}
	gone := team.Generate("Old team <old@northmere.example>", "1d", time.Now().Add(-72*time.Hour))
	two := append(team.Export(fpr), team.Export(gone)...)
	for name, content := range map[string][]byte{"holds a secret key": secret, "no usable key": []byte("nonsense"), "must hold one key": two} {
		bad := filepath.Join(t.TempDir(), "bad.asc")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c := testConfig(t, "")
		c.TeamKey = bad
		if k, err := teamKey(c); err == nil || k != nil || !strings.Contains(err.Error(), "report.team_key") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if check := checkTeamKey(c, time.Now()); check.State != "bad" || check.Mend == "" {
			t.Errorf("the doctor, %s: %+v", name, check)
		}
	}
	// One that has expired shuts no door, and is offered to nobody.
	old := filepath.Join(t.TempDir(), "old.asc")
	if err := os.WriteFile(old, team.Export(gone), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t, "")
	cfg.TeamKey = old
	if check := checkTeamKey(cfg, time.Now()); check.State != "bad" || check.Mend == "" {
		t.Errorf("the doctor, of an expired key: %+v", check)
	}
	p := openPagesOf(t, cfg, nil)
	for _, path := range []string{"/keys", "/.well-known/security.txt"} {
		if w := p.do("", "GET", path, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "/keys/"+gone+".asc") {
			t.Errorf("%s: %d, with a key that has expired", path, w.Code)
		}
	}
	c := testConfig(t, "")
	if c.TeamKey = filepath.Join(t.TempDir(), "none"); true {
		if _, err := teamKey(c); err == nil {
			t.Error("a file that is not there")
		}
	}
}

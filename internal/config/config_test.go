package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNothingSetWorks(t *testing.T) {
	c, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != "https://localhost:8443" || c.Mailbox != "support@localhost" || c.RelayAddr != "" {
		t.Errorf("%+v", c)
	}
}

func TestEnvironmentGoesOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.toml")
	os.WriteFile(file, []byte("[org]\nname = \"File\"\n[smtp]\nmax_bytes = 1000\n"), 0o600)
	c, err := Load(file, []string{"POSTERN_ORG_NAME=Env", "PATH=/bin", "POSTERN_CONFIG=x"})
	if err != nil {
		t.Fatal(err)
	}
	if c.OrgName != "Env" || c.MaxMail != 1000 {
		t.Errorf("%+v", c)
	}
}

func TestWrongSettingIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ file, env, names string }{
		{"", "POSTERN_WEB_URL=http://desk.example", "web.url"},
		{"", "POSTERN_WEB_URL=https://desk.example/path", "web.url"},
		{"", "POSTERN_RELAY_TLS=maybe", "relay.tls"},
		{"relay.addr = \"mail.example:25\"\nrelay.tls = \"none\"", "", "relay.tls"},
		{"", "POSTERN_SMTP_MAX_BYTES=-1", "smtp.max_bytes"},
		{"", "POSTERN_SMTP_REQUIRE_TLS=perhaps", "smtp.require_tls"},
		{"", "POSTERN_ORG_TIMEZONE=Mars/Base", "org.timezone"},
		{"", "POSTERN_ORG_HOURS=nine to five", "org.hours"},
		{"", "POSTERN_ORG_HOLIDAYS=Christmas", "org.holidays"},
		{"", "POSTERN_PROMISE_TAKE_HOURS=0", "promise.take_hours"},
		{"", "POSTERN_TYPO=1", "POSTERN_TYPO"},
		{"smtp.adr = \"x\"", "", "smtp.adr"},
		{"", "POSTERN_WEB_TLS_CERT=a.pem", "web.tls_cert"},
		{"", "POSTERN_LOG_LEVEL=loud", "log.level"},
		{"", "POSTERN_SMTP_ADDR=25", "smtp.addr"},
		{"", "POSTERN_ORG_MAILBOX=nobody", "org.mailbox"},
		{"texts.url = \"https://sms.example/\"", "", "texts.secret"},
		{"links.own = \"https://example.org\"", "", "links.own"},
		{"links.listed = \"survey.example, org\"", "", "links.listed"},
		{"links.fetch = \"perhaps\"", "", "links.fetch"},
		{"", "POSTERN_TEXTS_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "texts.url"},
		{"texts.url = \"https://sms.example/\"\ntexts.secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "POSTERN_TEXTS_CAPTURE=true", "texts.capture"},
		{"", "POSTERN_TEXTS_KIND=fax", "texts.kind"},
		{"", "POSTERN_TEXTS_CAPTURE=perhaps", "texts.capture"},
		{"not toml", "", "TOML"},
	} {
		file := ""
		if c.file != "" {
			file = filepath.Join(t.TempDir(), "c.toml")
			os.WriteFile(file, []byte(c.file), 0o600)
		}
		var env []string
		if c.env != "" {
			env = []string{c.env}
		}
		if _, err := Load(file, env); err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%q %q: %v, want it to name %s", c.file, c.env, err, c.names)
		}
	}
}

// TestAddressesFollowWhereItListens: who says only where to listen gets links that open.
func TestAddressesFollowWhereItListens(t *testing.T) {
	for _, x := range []struct{ env, url, staff string }{
		{"", "https://localhost:8443", "https://localhost:8443"},
		{"POSTERN_WEB_ADDR=127.0.0.1:18443", "https://localhost:18443", "https://localhost:18443"},
		{"POSTERN_WEB_STAFF_ADDR=127.0.0.1:18461", "https://localhost:8443", "https://localhost:18461"},
		{"POSTERN_WEB_URL=https://desk.example POSTERN_WEB_ADDR=127.0.0.1:18443", "https://desk.example", "https://desk.example"},
		{"POSTERN_WEB_URL=https://desk.example POSTERN_WEB_STAFF_ADDR=10.0.0.1:9443", "https://desk.example", "https://desk.example:9443"},
		{"POSTERN_WEB_URL=https://desk.example POSTERN_WEB_STAFF_ADDR=10.0.0.1:9443 POSTERN_WEB_STAFF_URL=https://staff.desk.example", "https://desk.example", "https://staff.desk.example"},
		{"POSTERN_WEB_STAFF_URL=https://staff.elsewhere.example", "", ""},
		{"POSTERN_WEB_STAFF_URL=http://localhost:8443", "", ""},
	} {
		c, err := Load("", strings.Fields(x.env))
		if (err != nil) != (x.url == "") {
			t.Errorf("%s: %v", x.env, err)
		}
		if err == nil && (c.URL != x.url || c.StaffURL != x.staff) {
			t.Errorf("%s: %s, %s", x.env, c.URL, c.StaffURL)
		}
	}
}

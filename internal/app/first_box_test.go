package app

import (
	"strings"
	"testing"

	"postern/internal/intake"
)

// TestTheNamedMailboxStandsForUs: the address that somebody named, in the set-up or in the
// settings, is the one that pages and letters give, not the one that the desk made up.
func TestTheNamedMailboxStandsForUs(t *testing.T) {
	p := openPages(t, "")
	p.work()
	if err := p.d.setUp(t.Context(), "", "help@northmere.example"); err == nil {
		t.Error("no name passed")
	}
	if err := p.d.setUp(t.Context(), "Northmere Savings", "no address"); err == nil || p.d.org.get() == "Northmere Savings" && p.d.publicOrg().Mail == "no address" {
		t.Error("a wrong address passed, or left a trace")
	}
	if err := p.d.setUp(t.Context(), "Northmere Savings", "Help@Northmere.example"); err != nil {
		t.Fatal(err)
	}
	if got := p.d.publicOrg().Mail; got != "help@northmere.example" {
		t.Errorf("pages give %s", got)
	}
	if got := p.do("", "GET", "/.well-known/security.txt", nil).Body.String(); !strings.Contains(got, "mailto:help@northmere.example") {
		t.Errorf("security.txt:\n%s", got)
	}
	// The settings are heard later too, and come first.
	p.d.cfg.Mailbox = "desk@northmere.example"
	if err := p.d.preferMailbox(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.d.publicOrg().Mail; got != "desk@northmere.example" {
		t.Errorf("pages give %s", got)
	}
	// One that refuses new mail stands for nobody, and hears answers still.
	if err := p.d.boxes.Save(t.Context(), "system", "desk@northmere.example", "Northmere", false, true); err != nil {
		t.Fatal(err)
	}
	if got := p.d.publicOrg().Mail; got == "desk@northmere.example" {
		t.Error("a closed mailbox is given")
	}
	c := p.write("kim@kestrel.example", "Hello", "Is it open?")
	for address, want := range map[string]bool{
		"desk@northmere.example": false, "desk+nothing@northmere.example": false, p.d.cases.Tokens.PlusAddress("desk@northmere.example", c.Ref): true,
		"postmaster": true, "Postmaster@northmere.example": true, "postmaster@elsewhere.example": false, "help@northmere.example": true,
	} {
		if got, err := p.d.intake.Known(t.Context(), address); err != nil || got != want {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
	raw := "From: kim@kestrel.example\r\nTo: postmaster@northmere.example\r\nSubject: Bounces\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <pm@kestrel.example>\r\n\r\nYour mail does not reach us.\r\n"
	if err := p.d.intake.Accept(t.Context(), &intake.Envelope{Door: "smtp", From: "kim@kestrel.example", To: []string{"postmaster@northmere.example"}, Raw: []byte(raw)}); err != nil {
		t.Fatal(err)
	}
	p.eventually("it is a case", func() bool {
		return p.count(`SELECT COUNT(*) FROM spool WHERE state <> 'done'`) == 0 && p.count(`SELECT COUNT(*) FROM cases`) == 2
	})
}

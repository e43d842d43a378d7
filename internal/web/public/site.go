package public

import (
	"net/http"
	"strings"

	"postern/internal/cases"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/intake"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/staff"
	"postern/internal/vault"
	"postern/internal/web"
)

// Options is what the public pages need.
type Options struct {
	DB        *db.DB
	Vault     *vault.Vault
	Cases     *cases.Store
	Contacts  *contacts.Book
	Mailboxes *mailboxes.Store
	Portal    *portal.Store
	Intake    *intake.Intake
	Outbox    *outbox.Outbox
	Passkeys  *staff.Ceremonies
	Org       func() web.Org
	Clock     func() web.Clock
	NameOf    func(staff string) string // of the member of staff who wrote
}

// Site serves the public pages.
type Site struct{ Options }

// New returns the public pages.
func New(o Options) http.Handler {
	s := &Site{o}
	mux := http.NewServeMux()
	page := func(pattern string, h web.Handler) { mux.Handle(pattern, h) }
	for _, name := range []string{"something-else", "report", "check"} {
		page("GET /"+name, s.plain(name))
	}
	page("GET /{$}", s.plain("home"))
	page("GET /keys", s.keys)
	page("GET /keys/{file}", s.keyFile)
	page("GET /.well-known/openpgpkey/{path...}", s.wkd)
	page("GET /m/{link}", s.open)
	page("POST /m/{link}", s.prove)
	page("POST /m/{link}/code", s.code)
	page("POST /m/{link}/reply", s.reply)
	page("POST /m/{link}/person", s.reply)
	page("POST /m/{link}/sign-out", s.signOut)
	page("GET /m/{link}/files/{n}", s.file)
	page("POST /m/{link}/passkey/begin", s.passkeyBegin)
	page("POST /m/{link}/passkey/finish", s.passkeyFinish)
	page("POST /m/{link}/enrol/begin", s.enrolBegin)
	page("POST /m/{link}/enrol/finish", s.enrolFinish)
	page("GET /my/protection", s.protection)
	page("GET /my/protection/{scope}", s.giveUp)
	page("POST /my/protection/{scope}", s.choose)
	page("POST /my/protection/{scope}/back", s.protectAgain)
	page("GET /back/{token}", s.back)
	page("POST /back/{token}", s.bring)
	page("/", web.NotFound)
	return mux
}

func (s *Site) base() web.Public { return web.Public{Org: s.Org(), Clock: s.Clock()} }

// plain serves a page that is the same for everybody.
func (s *Site) plain(name string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p := HomePage{Public: s.base()}
		for _, b := range s.Mailboxes.All() {
			if !b.Closed {
				p.Mailboxes = append(p.Mailboxes, Mailbox{b.Address, b.Name})
			}
		}
		return web.Render(w, r, Templates, name, p)
	}
}

// half masks an address for a page that anybody with the link may see.
func half(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "••••"
	}
	local, domain := []rune(address[:at]), address[at:]
	if len(local) < 3 {
		return string(local[:1]) + "••••" + domain
	}
	return string(local[:1]) + "••••" + string(local[len(local)-1:]) + domain
}

package public

import (
	"context"
	"net/http"
	"strings"

	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/intake"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/pgp"
	"postern/internal/portal"
	"postern/internal/publications"
	"postern/internal/security"
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
	Auth      *authorise.Flow
	Centre    *centre.Store
	Security  *security.Service
	Published *publications.Store
	Team      *pgp.Key                                  // that reports are encrypted to, and that only those who triage can open; nil: none
	Verify    func(ctx context.Context) (string, error) // what shows that our host is ours; "": nobody asked
	JWKS      func() []byte                             // keys of the tokens for the organisation's systems
	Passkeys  *staff.Ceremonies
	Agreed    *staff.AgreedCodes
	Texts     bool                                                                // codes can be sent to telephones
	AskText   func(ctx context.Context, tx *db.Tx, address, network string) error // notes that one is wanted, whoever has the address
	Org       func() web.Org
	Clock     func() web.Clock
	NameOf    func(staff string) string // of the member of staff who wrote
	RoleOf    func(staff string) string // what they are: "agent", "triager", "admin"
}

// Site serves the public pages.
type Site struct{ Options }

// New returns the public pages.
func New(o Options) http.Handler {
	s := &Site{o}
	mux := http.NewServeMux()
	page := func(pattern string, h web.Handler) { mux.Handle(pattern, h) }
	for _, name := range []string{"something-else", "report"} {
		page("GET /"+name, s.plain(name))
	}
	page("GET /{$}", s.plain("home"))
	page("GET /check", s.checkPage)
	page("POST /check", s.check)
	page("GET /help", s.help)
	page("GET /help/{id}", s.article)
	page("POST /help/{id}", s.article)
	for pattern, h := range s.formRoutes() {
		page(pattern, h)
	}
	page("GET /keys", s.keys)
	page("GET /keys/{file}", s.keyFile)
	page("GET /.well-known/openpgpkey/{path...}", s.wkd)
	page("GET /.well-known/jwks.json", s.jwks)
	page("GET /.well-known/postern-verify.txt", s.verify)
	for pattern, h := range s.published() {
		page(pattern, h)
	}
	for pattern, h := range s.placeRoutes() {
		page(pattern, h)
	}
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !web.Choose(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// placeRoutes are the customer's own part of the site.
func (s *Site) placeRoutes() map[string]web.Handler {
	return map[string]web.Handler{
		"GET /address/{token}":                    s.address,
		"POST /address/{token}":                   s.address,
		"POST /my/authorised/{id}/call-me":        s.callMe,
		"GET /my/messages/{id}":                   s.myMessageAgain,
		"GET /person/{token}":                     s.person,
		"POST /person/{token}":                    s.person,
		"GET /survey/{token}":                     s.survey,
		"POST /survey/{token}":                    s.survey,
		"GET /stop/{token}":                       s.stop,
		"POST /stop/{token}":                      s.stop,
		"GET /my":                                 s.my,
		"POST /my/sign-in":                        s.signIn,
		"POST /my/send-code":                      s.sendCode,
		"POST /my/passkey/begin":                  s.enterBegin,
		"POST /my/passkey/finish":                 s.enterFinish,
		"POST /my/enter":                          s.widen,
		"POST /my/sign-out":                       s.leave,
		"GET /my/messages":                        s.myMessages,
		"GET /my/messages/{id}/files/{n}":         s.myFile,
		"POST /my/messages/{id}/reply":            s.myReply,
		"POST /my/messages/{id}":                  s.myMessage,
		"GET /my/authorised":                      s.authorised,
		"GET /my/begin/{type}":                    s.wish,
		"POST /my/begin/{type}":                   s.wish,
		"GET /my/authorised/{id}":                 s.instruction,
		"POST /my/authorised/{id}/passkey/begin":  s.approveBegin,
		"POST /my/authorised/{id}/passkey/finish": s.approveFinish,
		"POST /my/authorised/{id}/app":            s.byApp,
		"POST /my/authorised/{id}/code":           s.byCall,
		"POST /my/authorised/{id}/show-code":      s.showCode,
		"POST /my/authorised/{id}/signed":         s.bySignature,
		"POST /my/authorised/{id}/not-mine":       s.notMine,
		"GET /my/authorised/{id}/receipt.eml":     s.receipt,
		"POST /my/authorised/{id}/cancel":         s.cancelWish,
		"GET /my/keys":                            s.myKeys,
		"POST /my/keys":                           s.bindKey,
		"POST /my/keys/{id}/revoke":               s.revokeKey,
		"GET /my/access":                          s.myAccess,
		"POST /my/access/passkeys/begin":          s.addBegin,
		"POST /my/access/passkeys/finish":         s.addFinish,
		"POST /my/access/passkeys/{id}/remove":    s.removePasskey,
		"POST /my/access/app":                     s.newApp,
		"POST /my/access/app/confirm":             s.confirmApp,
		"POST /my/access/app/remove":              s.removeApp,
		"POST /my/access/agreed":                  s.agree,
		"POST /my/access/agreed/remove":           s.unagree,
		"POST /my/access/sessions/end":            s.endOthers,
		"GET /my/data":                            s.myData,
		"GET /my/data.json":                       s.myData,
	}
}

// jwks serves GET /.well-known/jwks.json (RFC 7517).
func (s *Site) jwks(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(s.JWKS())
	return nil
}

// page is the base of every page, in the visitor's language.
func (s *Site) page(r *http.Request) web.Public {
	return web.Public{Org: s.Org(), Clock: s.Clock()}.In(r)
}

// place is the base of a page in the customer's place. What answers a form there has
// no address of its own, so no link leads to it in another language.
func (s *Site) place(r *http.Request) web.Public {
	p := s.page(r)
	if r.Method != http.MethodGet {
		p.Langs = nil
	}
	return p
}

// plain serves a page that is the same for everybody.
func (s *Site) plain(name string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		p := HomePage{Public: s.page(r)}
		p.Topics, p.Articles = s.Centre.Tree().List(p.Lang), s.leaves(p.Public, s.Centre.Shelf().About(""))
		p.Articles = p.Articles[:min(len(p.Articles), 6)]
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

// verify serves GET /.well-known/postern-verify.txt: it shows that this host is the
// organisation's own, so that the desk may watch its own doors.
func (s *Site) verify(w http.ResponseWriter, r *http.Request) error {
	token, err := s.Verify(r.Context())
	if err == nil && token == "" {
		err = fail.New(fail.NotFound, "nobody asked to watch this host")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(token + "\n"))
	return nil
}

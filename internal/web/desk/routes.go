package desk

import (
	"context"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/microcosm-cc/bluemonday"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/cases"
	"postern/internal/centre"
	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/hooks"
	"postern/internal/intake"
	"postern/internal/ladder"
	"postern/internal/links"
	"postern/internal/mailboxes"
	"postern/internal/outbox"
	"postern/internal/portal"
	"postern/internal/probe"
	"postern/internal/publications"
	"postern/internal/security"
	"postern/internal/staff"
	"postern/internal/texts"
	"postern/internal/vault"
	"postern/internal/web"
)

// Options is what the desk's pages need.
type Options struct {
	DB        *db.DB
	Vault     *vault.Vault
	Cases     *cases.Store
	Contacts  *contacts.Book
	Mailboxes *mailboxes.Store
	Portal    *portal.Store
	Outbox    *outbox.Outbox
	Intake    *intake.Intake
	Staff     *staff.Service
	Auth      *authorise.Flow
	Hooks     *hooks.Hooks
	Texts     *texts.Texts
	Centre    *centre.Store
	Published *publications.Store
	Ladder    *ladder.Ladder
	Security  *security.Service
	Own       func() []string // hosts and domains that are ours
	Probes    *probe.Watch
	Links     *links.Guard
	Closed    func(ctx context.Context, tx *db.Tx, c *cases.Case, by *staff.Person) error // what follows when somebody closes a case
	Org       func() web.Org
	Zone      *time.Location
	BaseURL   string
	StaffURL  string // where staff reach these pages
	Relay     string // where mail goes, for the tray's page
	Version   string
	Checks    func(context.Context) []Check
	Anchor    func() audit.Anchor
	Recheck   func(ctx context.Context, tx *db.Tx, c contacts.ID) error // look at a contact's mails again
	SetUp     func(ctx context.Context, org, mailbox string) error      // first set-up: name and mailbox
}

// Desk serves the staff's pages.
type Desk struct {
	db       *db.DB
	vault    *vault.Vault
	cases    *cases.Store
	book     *contacts.Book
	boxes    *mailboxes.Store
	portal   *portal.Store
	out      *outbox.Outbox
	in       *intake.Intake
	staff    *staff.Service
	auth     *authorise.Flow
	hooks    *hooks.Hooks
	o        Options
	html     *bluemonday.Policy
	people   atomic.Pointer[[]staff.Person] // everybody, for names; read again when somebody changes
	peopleAt atomic.Int64                   // when, in Unix seconds
}

// New returns the staff's pages.
func New(o Options) http.Handler {
	d := &Desk{db: o.DB, vault: o.Vault, cases: o.Cases, book: o.Contacts, boxes: o.Mailboxes, portal: o.Portal, out: o.Outbox, in: o.Intake,
		staff: o.Staff, auth: o.Auth, hooks: o.Hooks, o: o, html: mailHTML()}
	mux := http.NewServeMux()
	for _, r := range slices.Concat(d.routes(), d.authoriseRoutes(), d.securityRoutes()) {
		mux.Handle(r.pattern, d.guarded(r))
	}
	for pattern, h := range d.openRoutes() {
		mux.Handle(pattern, h)
	}
	mux.Handle("/", web.NotFound)
	return mux
}

// route is a page or an act, and the permission it needs.
type route struct {
	pattern string
	need    staff.Permission // "": being signed in is enough
	serve   func(http.ResponseWriter, *http.Request, *visitor) error
}

// canReadCases is asked where a page shows more to those who may.
const canReadCases = staff.CasesRead

// routes is the whole map of what needs a person who is signed in.
func (d *Desk) routes() []route {
	return []route{
		{"GET /desk", "", d.home},
		{"GET /desk/{$}", "", d.home},
		{"GET /desk/inbox", staff.CasesRead, d.inbox},
		{"GET /desk/inbox/{view}", staff.CasesRead, d.inbox},
		{"GET /desk/search", staff.CasesRead, d.search},
		{"GET /desk/cases/{id}", staff.CasesRead, d.showCase},
		{"POST /desk/cases/{id}/assign", staff.CasesAnswer, d.assign},
		{"POST /desk/cases/{id}/state", staff.CasesAnswer, d.setState},
		{"POST /desk/cases/{id}/sensitive", staff.CasesAnswer, d.setSensitive},
		{"POST /desk/cases/{id}/topic", staff.CasesAnswer, d.setTopic},
		{"POST /desk/cases/{id}/take", staff.CasesAnswer, d.take},
		{"POST /desk/cases/{id}/end-call", staff.CasesAnswer, d.endCall},
		{"POST /desk/cases/{id}/lift", staff.CasesAnswer, d.lift},
		{"POST /desk/cases/{id}/note", staff.CasesAnswer, d.note},
		{"GET /desk/cases/{id}/canned/{prefix}", staff.RepliesUse, d.cannedFor},
		{"POST /desk/cases/{id}/draft", staff.CasesAnswer, d.saveDraft},
		{"GET /desk/cases/{id}/draft/files/{n}", staff.CasesAnswer, d.draftFile},
		{"POST /desk/cases/{id}/preview", staff.CasesAnswer, d.showPreview},
		{"POST /desk/cases/{id}/send", staff.CasesAnswer, d.send},
		{"POST /desk/cases/{id}/messages/{message}/undo", staff.CasesAnswer, d.undo},
		{"POST /desk/cases/{id}/messages/{message}/edit", staff.CasesAnswer, d.edit},
		{"POST /desk/cases/{id}/messages/{message}/release", staff.CasesAnswer, d.release},
		{"POST /desk/cases/{id}/messages/{message}/discard", staff.CasesAnswer, d.discard},
		{"GET /desk/cases/{id}/messages/{message}/raw", staff.CasesRead, d.rawMail},
		{"GET /desk/cases/{id}/messages/{message}/html", staff.CasesRead, d.htmlOf},
		{"GET /desk/cases/{id}/messages/{message}/files/{n}", staff.CasesRead, d.fileOf},
		{"POST /desk/cases/{id}/deliveries/{delivery}/code", staff.CodesIssue, d.issueCode},
		{"POST /desk/cases/{id}/deliveries/{delivery}/recall", staff.CasesAnswer, d.recall},
		{"GET /desk/contacts", staff.ContactsEdit, d.listContacts},
		{"GET /desk/contacts/new", staff.ContactsEdit, d.newContact},
		{"POST /desk/contacts", staff.ContactsEdit, d.newContact},
		{"GET /desk/contacts/{id}", staff.ContactsEdit, d.showContact},
		{"POST /desk/contacts/{id}/name", staff.ContactsEdit, d.rename},
		{"POST /desk/contacts/{id}/addresses", staff.ContactsEdit, d.addAddress},
		{"POST /desk/contacts/{id}/phones", staff.ContactsEdit, d.addPhone},
		{"POST /desk/contacts/{id}/phones/{phone}/show", staff.CodesIssue, d.showPhone},
		{"POST /desk/contacts/{id}/keys", staff.ContactsEdit, d.addKey},
		{"POST /desk/contacts/{id}/keys/{key}/verify", staff.KeysVerify, d.verifyKey},
		{"POST /desk/contacts/{id}/keys/{key}/reject", staff.KeysVerify, d.rejectKey},
		{"POST /desk/contacts/{id}/cases", staff.CasesAnswer, d.newCase},
		{"GET /desk/tray", staff.TrayRead, d.tray},
		{"GET /desk/tray/{id}", staff.TrayRead, d.trayMail},
		{"GET /desk/tray/{id}/raw", staff.TrayRead, d.trayRaw},
		{"GET /desk/quarantine", staff.QuarantineRead, d.quarantine},
		{"GET /desk/quarantine/{id}", staff.QuarantineRead, d.quarantineMail},
		{"GET /desk/quarantine/{id}/raw", staff.QuarantineRead, d.quarantineRaw},
		{"POST /desk/quarantine/{id}/again", staff.QuarantineRerun, d.runAgain},
		{"GET /desk/people", staff.PeopleManage, d.listPeople},
		{"POST /desk/people", staff.PeopleManage, d.invite},
		{"POST /desk/people/{id}/roles", staff.PeopleManage, d.setRoles},
		{"POST /desk/people/{id}/link", staff.PeopleManage, d.newLink},
		{"POST /desk/people/{id}/disable", staff.PeopleManage, d.disable},
		{"POST /desk/people/{id}/enable", staff.PeopleManage, d.enable},
		{"GET /desk/mailboxes", staff.MailboxesManage, d.mailboxes},
		{"POST /desk/mailboxes", staff.MailboxesManage, d.mailboxes},
		{"POST /desk/mailboxes/{id}", staff.MailboxesManage, d.saveMailbox},
		{"GET /desk/topics", staff.SettingsManage, d.topics},
		{"POST /desk/topics", staff.SettingsManage, d.topics},
		{"GET /desk/replies", staff.RepliesEdit, d.replies},
		{"GET /desk/replies/{id}", staff.RepliesEdit, d.replyPage},
		{"POST /desk/replies/{id}", staff.RepliesEdit, d.saveReply},
		{"GET /desk/articles", staff.RepliesEdit, d.articles},
		{"GET /desk/articles/{id}", staff.RepliesEdit, d.articlePage},
		{"POST /desk/articles/{id}", staff.RepliesEdit, d.saveArticle},
		{"GET /desk/security-policy", staff.RepliesEdit, d.policy},
		{"POST /desk/security-policy", staff.RepliesEdit, d.policy},
		{"GET /desk/figures", staff.FiguresRead, d.figures},
		{"GET /desk/figures.csv", staff.FiguresRead, d.figuresCSV},
		{"GET /desk/keys", staff.MailboxesManage, d.keys},
		{"GET /desk/keys/{id}/export", staff.MailboxesManage, d.exportKey},
		{"GET /desk/audit", staff.AuditRead, d.auditLog},
		{"POST /desk/audit/verify", staff.AuditRead, d.auditLog},
		{"GET /desk/health", staff.SettingsManage, d.health},
		{"POST /desk/health/check", staff.SettingsManage, d.health},
		{"GET /desk/account", "", d.account},
		{"POST /desk/account/password", "", d.setPassword},
		{"POST /desk/account/totp", "", d.confirmTOTP},
		{"POST /desk/account/codes", "", d.newCodes},
		{"POST /desk/account/passkeys/begin", "", d.enrolBegin},
		{"POST /desk/account/passkeys/finish", "", d.enrolFinish},
		{"POST /desk/account/passkeys/{id}/remove", "", d.removePasskey},
		{"POST /desk/account/sessions/{id}/end", "", d.endSession},
		{"POST /desk/account/sessions/end-all", "", d.endAll},
		{"POST /desk/sign-out", "", d.signOut},
	}
}

// authoriseRoutes are those of what customers want done.
func (d *Desk) authoriseRoutes() []route {
	return []route{
		{"GET /desk/authorisations", staff.CasesRead, d.authorisations},
		{"GET /desk/authorisations/{id}", staff.CasesRead, d.authorisation},
		{"POST /desk/authorisations/{id}/code", staff.CodesIssue, d.readOut},
		{"POST /desk/authorisations/{id}/heard", staff.CodesIssue, d.heard},
		{"POST /desk/authorisations/{id}/approve", staff.InstructionsApprove, d.approve},
		{"POST /desk/authorisations/{id}/refuse", staff.InstructionsApprove, d.refuse},
		{"POST /desk/authorisations/{id}/done", staff.InstructionsApprove, d.doneByHand},
		{"POST /desk/authorisations/{id}/cancel", staff.CasesAnswer, d.cancelProposal},
		{"GET /desk/cases/{id}/propose", staff.CasesAnswer, d.propose},
		{"POST /desk/cases/{id}/propose", staff.CasesAnswer, d.propose},
		{"POST /desk/contacts/{id}/place-code", staff.CodesIssue, d.placeCode},
		{"GET /desk/types", staff.SettingsManage, d.types},
		{"GET /desk/types/{id}", staff.SettingsManage, d.typePage},
		{"POST /desk/types/{id}", staff.SettingsManage, d.saveType},
		{"POST /desk/types/{id}/agree", staff.SettingsManage, d.agreeType},
		{"POST /desk/types/{id}/keep", staff.SettingsManage, d.keepOldType},
		{"GET /desk/webhooks", staff.SettingsManage, d.webhooks},
		{"POST /desk/webhooks", staff.SettingsManage, d.addWebhook},
		{"POST /desk/webhooks/{id}/on", staff.SettingsManage, d.webhookOn},
		{"POST /desk/webhooks/{id}/off", staff.SettingsManage, d.webhookOff},
		{"POST /desk/webhooks/{id}/rotate", staff.SettingsManage, d.rotateWebhook},
		{"POST /desk/webhooks/{id}/remove", staff.SettingsManage, d.removeWebhook},
		{"POST /desk/webhooks/calls/{id}/again", staff.SettingsManage, d.callAgain},
	}
}

// securityRoutes are those of security reports. An agent flags, reads what is flagged
// and proposes; the machine refuses what takes more.
func (d *Desk) securityRoutes() []route {
	return []route{
		{"GET /desk/security", staff.SecurityTriage, d.board},
		{"GET /desk/security/rewards.csv", staff.SecurityTriage, d.ledger},
		{"POST /desk/security/sample", staff.SecurityTriage, d.judge},
		{"GET /desk/security/{id}", staff.CasesRead, d.securityCase},
		{"POST /desk/security/{id}/split", staff.SecurityTriage, d.split},
		{"POST /desk/security/{id}/link", staff.SecurityTriage, d.link},
		{"POST /desk/security/{id}/flag", staff.CasesAnswer, d.flag},
		{"POST /desk/security/{id}/decide", staff.CasesAnswer, d.decide},
		{"POST /desk/security/{id}/fill", staff.SecurityTriage, d.fillReport},
		{"POST /desk/security/{id}/move", staff.SecurityTriage, d.moveReport},
		{"POST /desk/security/{id}/ask", staff.SecurityTriage, d.askReporter},
		{"POST /desk/security/{id}/retest", staff.SecurityTriage, d.retest},
		{"POST /desk/security/{id}/reward", staff.SecurityTriage, d.reward},
		{"POST /desk/security/{id}/plan", staff.SecurityTriage, d.plan},
		{"POST /desk/security/{id}/mark", staff.SecurityTriage, d.markReport},
		{"POST /desk/security/{id}/circle", staff.SecurityTriage, d.circle},
		{"POST /desk/security/hosts", staff.SecurityTriage, d.hosts},
		{"POST /desk/security/{id}/told", staff.SecurityTriage, d.told},
		{"POST /desk/security/{id}/follow", staff.SecurityTriage, d.follow},
		{"POST /desk/security/{id}/probe", staff.SecurityTriage, d.addProbe},
		{"POST /desk/security/{id}/appeal", staff.SecurityTriage, d.answerAppeal},
	}
}

// openRoutes are the ways in; nobody is signed in yet.
func (d *Desk) openRoutes() map[string]web.Handler {
	return map[string]web.Handler{
		"GET /desk/sign-in":                 d.signInPage,
		"POST /desk/sign-in":                d.signIn,
		"POST /desk/sign-in/passkey/begin":  d.passkeyBegin,
		"POST /desk/sign-in/passkey/finish": d.passkeyFinish,
		"GET /desk/link/{token}":            d.linkPage,
		"POST /desk/link/{token}":           d.useLink,
		"GET /desk/setup/{token}":           d.setupPage,
		"POST /desk/setup/{token}":          d.setup,
	}
}

// back answers a form with a redirect to the page it belongs to.
func back(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (d *Desk) clock() web.Clock { return web.Clock{Now: d.db.Now(), Zone: d.o.Zone} }

// home serves GET /desk: the first page this person may see.
func (d *Desk) home(w http.ResponseWriter, r *http.Request, me *visitor) error {
	if me.May(staff.CasesRead) {
		return back(w, r, "/desk/inbox")
	}
	if me.May(staff.PeopleManage) {
		return back(w, r, "/desk/health")
	}
	return back(w, r, "/desk/account")
}

// chrome is the frame around a page; fillChrome adds the counts.
func (d *Desk) chrome(me *visitor, at string) web.Staff {
	return web.Staff{Org: d.o.Org(), Clock: d.clock(), At: at,
		Me: web.Me{Name: me.Name(), Roles: me.roleWords(), Cases: me.May(staff.CasesRead), Work: me.May(staff.ContactsEdit),
			Write: me.May(staff.RepliesEdit), Sums: me.May(staff.FiguresRead), Guard: me.May(staff.SecurityTriage), Admin: me.May(staff.PeopleManage)}}
}

func (d *Desk) fillChrome(ctx context.Context, tx *db.Tx, me *visitor, s *web.Staff, view string) error {
	if me.May(staff.CasesRead) {
		counts, err := cases.Counts(ctx, tx, me.viewer())
		if err != nil {
			return err
		}
		for _, v := range cases.Views {
			s.Views = append(s.Views, web.View{ID: string(v), Count: int(counts[v]), On: string(v) == view})
		}
		s.Counts.Unread = int(counts[cases.ViewOpen])
	}
	if me.May(staff.SecurityTriage) {
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT 1 FROM reports WHERE state = 'flagged' LIMIT 100) t`)
		if err != nil {
			return err
		}
		s.Counts.Flagged = int(n)
	}
	if me.May(staff.QuarantineRead) {
		n, err := db.Count(ctx, tx, `SELECT COUNT(*) FROM (SELECT 1 FROM spool WHERE state = 'quarantine' LIMIT 100) t`)
		if err != nil {
			return err
		}
		s.Counts.Quarantine = int(n)
	}
	return nil
}

// directory is everybody who works here, disabled ones too: their names stand
// in old cases.
func (d *Desk) directory() []staff.Person {
	now := time.Now().Unix()
	if p := d.people.Load(); p != nil && now-d.peopleAt.Load() < 10 {
		return *p
	}
	var list []staff.Person
	err := d.db.View(context.Background(), func(tx *db.Tx) (err error) {
		list, err = d.staff.List(context.Background(), tx)
		return err
	})
	if err != nil {
		if p := d.people.Load(); p != nil {
			return *p
		}
		return nil
	}
	d.people.Store(&list)
	d.peopleAt.Store(now)
	return list
}

func (d *Desk) peopleChanged() { d.peopleAt.Store(0) }

// nameOf is the name of a member of staff, or "".
func (d *Desk) nameOf(id string) string {
	if id == "" {
		return ""
	}
	for _, p := range d.directory() {
		if string(p.ID) == id {
			return p.Name
		}
	}
	return ""
}

func (d *Desk) staffers(current string) []Option {
	var out []Option
	for _, p := range d.directory() {
		if on := string(p.ID) == current; on || !p.Disabled && p.May(staff.CasesAnswer) {
			out = append(out, Option{string(p.ID), p.Name, on})
		}
	}
	return out
}

// clean makes a mail's HTML harmless for the frame.
func (d *Desk) clean(s string) template.HTML {
	return template.HTML(d.html.Sanitize(s)) // the sanitiser's output is the one HTML of others that we pass on
}

// passkeys counts a contact's passkeys.
func (d *Desk) passkeys(ctx context.Context, tx *db.Tx, c contacts.ID) (int, error) {
	if c == "" {
		return 0, nil
	}
	return d.staff.Passkeys().Count(ctx, tx, "contact", string(c))
}

func (d *Desk) recheck(ctx context.Context, tx *db.Tx, c contacts.ID) error {
	return d.o.Recheck(ctx, tx, c)
}

// localPath keeps a "next" address on our own pages.
func localPath(s string) string {
	if !strings.HasPrefix(s, "/desk") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n") {
		return "/desk"
	}
	return s
}

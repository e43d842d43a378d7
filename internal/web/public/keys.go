package public

import (
	"net/http"
	"strings"

	"postern/internal/fail"
	"postern/internal/mailboxes"
	"postern/internal/pgp"
	"postern/internal/web"
)

// keys serves GET /keys.
func (s *Site) keys(w http.ResponseWriter, r *http.Request) error {
	p := KeysPage{Public: s.page(r)}
	for _, b := range s.Mailboxes.All() {
		k := b.Secret.Public()
		p.Keys = append(p.Keys, Key{Fingerprint: web.Fingerprint(k.Fingerprint()), Addresses: k.Addresses(), Made: p.When(k.Created()), Expires: p.When(k.Expires()),
			Current: true, URL: "/keys/" + string(k.Fingerprint()) + ".asc", WKD: true})
	}
	if k := s.Team; k != nil && k.CanEncrypt(s.DB.Now()) == nil {
		p.Keys = append(p.Keys, Key{Fingerprint: web.Fingerprint(k.Fingerprint()), Addresses: k.Addresses(), Made: p.When(k.Created()), Expires: p.When(k.Expires()),
			Current: true, URL: "/keys/" + string(k.Fingerprint()) + ".asc", Team: true})
	}
	return web.Render(w, r, Templates, "keys", p)
}

// keyFile serves GET /keys/{fingerprint}.asc.
func (s *Site) keyFile(w http.ResponseWriter, r *http.Request) error {
	ours := []*pgp.Key{}
	for _, b := range s.Mailboxes.All() {
		ours = append(ours, b.Secret.Public())
	}
	if s.Team != nil {
		ours = append(ours, s.Team)
	}
	for _, k := range ours {
		if r.PathValue("file") == string(k.Fingerprint())+".asc" {
			w.Header().Set("Content-Type", "application/pgp-keys")
			w.Header().Set("Content-Disposition", `attachment; filename="`+string(k.Fingerprint())+`.asc"`)
			w.Write(k.Armored())
			return nil
		}
	}
	return fail.New(fail.NotFound, "there is no such key")
}

// wkd serves both ways of the Web Key Directory (draft-koch-openpgp-webkey-service,
// 3.1): hu/HASH, and DOMAIN/hu/HASH; and a policy file, which may be empty but
// must be there.
func (s *Site) wkd(w http.ResponseWriter, r *http.Request) error {
	path := strings.Split(r.PathValue("path"), "/")
	domain := ""
	if len(path) > 1 && path[0] != "hu" {
		domain, path = path[0], path[1:]
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	if len(path) == 1 && path[0] == "policy" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		return nil
	}
	if len(path) != 2 || path[0] != "hu" {
		return web.NotFound(w, r)
	}
	for _, b := range s.Mailboxes.All() {
		local, own, _ := strings.Cut(b.Address, "@")
		if (domain == "" || strings.EqualFold(domain, own)) && path[1] == pgp.WKDHash(local) && s.sameDomain(r, b) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Write(b.Secret.Public().Minimal(b.Address))
			return nil
		}
	}
	return fail.New(fail.NotFound, "no key is published for this address")
}

// sameDomain: the direct way asks for a local part alone, of the one domain
// that the host stands for. With several domains, l= names the local part only,
// so the first mailbox with that name answers.
func (s *Site) sameDomain(r *http.Request, b mailboxes.Mailbox) bool {
	l := r.FormValue("l")
	local, _, _ := strings.Cut(b.Address, "@")
	return l == "" || strings.EqualFold(l, local)
}

package public

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"postern/internal/consent"
	"postern/internal/db"
	"postern/internal/instructions"
	"postern/internal/web"
)

// myData serves GET /my/data, and as a file GET /my/data.json.
func (s *Site) myData(w http.ResponseWriter, r *http.Request) error {
	o, done, err := s.protected(w, r)
	if done {
		return err
	}
	ctx := r.Context()
	p := DataPage{Public: s.place(r), Name: o.contact.Name}
	p.Since = p.When(o.contact.Made)
	for _, a := range o.contact.Addresses {
		p.Addresses = append(p.Addresses, a.Address)
	}
	for _, n := range o.contact.Phones {
		p.Phones = append(p.Phones, n.Last())
	}
	var list []instructions.Instruction
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p.Cases = nil
		found, err := s.Cases.OfContact(ctx, tx, o.contact.ID, 500)
		if err != nil {
			return err
		}
		for _, c := range found {
			p.Cases = append(p.Cases, string(c.Ref))
		}
		if list, err = s.Auth.Instructions.OfContact(ctx, tx, o.contact.ID, 500); err != nil {
			return err
		}
		return s.Auth.Instructions.Seen(ctx, tx, list)
	})
	if err != nil {
		return err
	}
	if !strings.HasSuffix(r.URL.Path, ".json") {
		return web.Render(w, r, Templates, "my-data", p)
	}
	out := map[string]any{"name": p.Name, "addresses": p.Addresses, "telephones_end_in": p.Phones, "cases": p.Cases, "known_since": o.contact.Made}
	var keys, authorised []map[string]any
	for n := range o.contact.Keys {
		keys = append(keys, map[string]any{"fingerprint": o.contact.Keys[n].Cert.Fingerprint(), "state": o.contact.Keys[n].Trust})
	}
	for n := range list {
		authorised = append(authorised, map[string]any{"reference": list[n].Doc.Ref, "text": list[n].Doc.Text, "state": p.Lang.Must(stateKey(list[n].State)), "proposed": moment(list[n].Made), "proved": moment(list[n].ProvedAt)})
	}
	out["keys"], out["instructions"], out["choices"] = keys, authorised, choices(o.chosen)
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	web.ServeFile(w, "my-data.json", b)
	return nil
}

// moment is a time for the file; never is null.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func choices(list []consent.Consent) (out []map[string]any) {
	for _, c := range list {
		out = append(out, map[string]any{"gave_up": c.Scope, "wording_version": c.Wording, "wording_sha256": c.Sum, "channel": c.Channel, "factor": c.Factor, "key": c.Fingerprint,
			"given": moment(c.Given), "counts_from": moment(c.Starts), "until": moment(c.Expires), "asked_again": moment(c.Asked), "ended": moment(c.Ended), "how_it_ended": c.How})
	}
	return out
}

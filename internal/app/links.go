package app

import (
	"strings"
	"time"

	"postern/internal/config"
	"postern/internal/links"
	"postern/internal/safehttp"
)

// openLinks sets up the guard of links in whatever leaves.
func (d *Desk) openLinks() {
	d.links = links.NewGuard(d.ownDomains, config.Domains(d.cfg.LinksListed))
	if d.cfg.LinksFetch {
		look := safehttp.NewVisitor(safehttp.Options{Timeout: linkFor, Now: d.db.Now})
		d.links.Checker = links.NewChecker(look.Get, d.links.Judge, d.db.Now)
	}
	d.centre.Links = d.links
}

// linkFor is how long one page on the way of a link may take.
const linkFor = 8 * time.Second

// ownDomains are the names that are ours: of the desk, of its mailboxes, and what the
// settings name beside them.
func (d *Desk) ownDomains() []string {
	own := append([]string{d.cfg.URL}, config.Domains(d.cfg.LinksOwn)...)
	for _, b := range d.boxes.All() {
		own = append(own, b.Address[strings.LastIndexByte(b.Address, '@')+1:])
	}
	return own
}

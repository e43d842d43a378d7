package publications

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"postern/internal/advisory"
	"postern/internal/db"
	"postern/internal/fail"
)

// A File is one of those that programs fetch below advisory.Root.
type File struct {
	Type string
	Data []byte
}

// inForceNow lists the published advisories without what only the desk knows.
func (s *Store) inForceNow(ctx context.Context) (out []advisory.Advisory, err error) {
	var list []Record
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = Published(ctx, tx); return err })
	for _, r := range list {
		out = append(out, r.Advisory)
	}
	return out, err
}

// CSAF is a file below advisory.Root by its path there; what nobody published is
// NotFound.
func (s *Store) CSAF(ctx context.Context, name string) (*File, error) {
	list, err := s.inForceNow(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.signer()
	if err != nil {
		return nil, err
	}
	begun := key.Public().Created()
	folder := strings.TrimPrefix(advisory.Folder(advisory.White), advisory.Root)
	switch name {
	case strings.TrimPrefix(advisory.MetadataPath, advisory.Root):
		return jsonFile(advisory.Metadata(s.Publisher(), key.Public(), latest(list, begun)))
	case folder + advisory.FeedName(advisory.White):
		return jsonFile(advisory.Feed(list, s.Publisher(), begun))
	case folder + "index.txt":
		return &File{"text/plain; charset=utf-8", advisory.Index(list)}, nil
	case folder + "changes.csv":
		return &File{"text/csv; charset=utf-8", advisory.Changes(list)}, nil
	}
	for _, a := range advisory.Listed(list, advisory.White) {
		if beside, ok := strings.CutPrefix(name, folder+a.Path()); ok {
			return s.document(&a, beside)
		}
	}
	return nil, fail.New(fail.NotFound, "there is no such document")
}

// document is an advisory's own file, or one that stands beside it.
func (s *Store) document(a *advisory.Advisory, beside string) (*File, error) {
	data, err := advisory.JSON(advisory.Build(a, s.Publisher()))
	if err != nil || beside == "" {
		return jsonFile(data, err)
	}
	key, err := s.signer()
	if err != nil {
		return nil, err
	}
	files, err := advisory.Beside(a.Path(), data, key, a.Last())
	if err != nil {
		return nil, err
	}
	found, ok := files[beside]
	if !ok {
		return nil, fail.New(fail.NotFound, "there is no such document")
	}
	if beside == ".asc" {
		return &File{"application/pgp-signature", found}, nil
	}
	return &File{"text/plain; charset=utf-8", found}, nil
}

// OSV is an advisory in the format of osv.dev.
func (s *Store) OSV(ctx context.Context, id string) (*File, error) {
	var r *Record
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) { r, err = PublishedAs(ctx, tx, id); return err })
	if err != nil {
		return nil, err
	}
	if !r.ForPrograms() {
		return nil, fail.New(fail.NotFound, "there is no such document")
	}
	return jsonFile(advisory.OSV(&r.Advisory, s.Publisher()))
}

// Listing names what stands in a folder below advisory.Root, by its path there (CSAF
// 2.0, 7.1.14); what is no folder is NotFound.
func (s *Store) Listing(ctx context.Context, folder string) ([]string, error) {
	list, err := s.inForceNow(ctx)
	if err != nil {
		return nil, err
	}
	white := strings.TrimPrefix(advisory.Folder(advisory.White), advisory.Root)
	switch folder {
	case "":
		return []string{strings.TrimPrefix(advisory.MetadataPath, advisory.Root), white}, nil
	case white:
		out := []string{advisory.FeedName(advisory.White), "changes.csv", "index.txt"}
		for _, a := range advisory.Listed(list, advisory.White) {
			if year := path.Dir(a.Path()) + "/"; !slices.Contains(out, year) {
				out = append(out, year)
			}
		}
		return out, nil
	}
	var out []string
	for _, a := range advisory.Listed(list, advisory.White) {
		if dir, name := path.Split(white + a.Path()); dir == folder {
			out = append(out, name, name+".asc", name+".sha256", name+".sha512")
		}
	}
	if out == nil {
		return nil, fail.New(fail.NotFound, "there is no such folder")
	}
	return out, nil
}

func latest(list []advisory.Advisory, least time.Time) time.Time {
	for _, a := range list {
		if a.Last().After(least) {
			least = a.Last()
		}
	}
	return least
}

func jsonFile(data []byte, err error) (*File, error) {
	return &File{"application/json", data}, err
}

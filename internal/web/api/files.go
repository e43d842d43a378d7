package api

import (
	"net/http"
	"regexp"
	"strings"

	"postern/internal/cases"
	"postern/internal/fail"
	"postern/internal/web"
)

// mediaTypes that a file may have: no parameters, and none that is made of parts,
// which cannot be sent in base64 (RFC 2045, 6.4).
var mediaTypes = regexp.MustCompile(`^(application|audio|font|image|model|text|video)/[a-z0-9][a-z0-9.+_-]{0,99}$`)

func filesOf(list []newFile) (out []cases.File, err error) {
	total := 0
	for _, f := range list {
		if total += len(f.Data); total > maxFiles {
			return nil, fail.New(fail.Invalid, "the attachments are larger than 10 MiB together")
		}
		kind := strings.ToLower(f.Type)
		switch {
		case kind == "":
			kind = http.DetectContentType(f.Data)
		case !mediaTypes.MatchString(kind):
			return nil, fail.New(fail.Invalid, `"type" of an attachment must be a media type of a file, such as application/pdf`)
		}
		out = append(out, cases.File{Name: web.FileName(f.Name), Type: kind, Data: f.Data})
	}
	return out, nil
}

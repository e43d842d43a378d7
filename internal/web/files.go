package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode"

	"postern/internal/fail"
)

// MaxUpload is how much one form may bring, in bytes: 20 MB of files, and its text.
const MaxUpload = 21 << 20

// An Upload is a file that came with a form.
type Upload struct {
	Name, Type string
	Data       []byte
}

// ParseForm reads a form with files, bounded. Too much is Invalid, in words.
func ParseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, MaxUpload)
	err := r.ParseMultipartForm(1 << 20)
	big := (*http.MaxBytesError)(nil)
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart):
		return nil
	case errors.As(err, &big):
		return fail.New(fail.Invalid, "the files are larger than 20 MB together; nothing was sent. Choose fewer or smaller ones")
	}
	return fail.Wrap(fail.Invalid, err, "this form could not be read; nothing was changed")
}

// Uploads returns the files of the form's field "files".
func Uploads(r *http.Request) (out []Upload, err error) {
	if r.MultipartForm == nil {
		return nil, nil
	}
	for _, h := range r.MultipartForm.File["files"] {
		if h.Filename == "" && h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		out = append(out, Upload{FileName(h.Filename), http.DetectContentType(data), data})
	}
	return out, nil
}

// FileName is a file's name as a mere label: no folders, no control or
// invisible characters, never empty, never long.
func FileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '"' {
			return -1
		}
		return r
	}, path.Base(strings.ReplaceAll(name, "\\", "/")))
	if strings.Trim(name, "./ ") == "" {
		return "file"
	}
	if r := []rune(name); len(r) > 120 {
		name = string(r[:120])
	}
	return name
}

// ServeFile answers with a file that no browser runs or shows as a page of ours.
func ServeFile(w http.ResponseWriter, name string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": FileName(name)}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data) // a caller who has gone away is no failure of ours
}

package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
)

//go:embed css static templates
var files embed.FS

// A bundle is all static files under one hash: a change in any of them gives
// all of them a new address, and they can name each other without one.
type bundle struct {
	hash  string
	files map[string]asset
}

type asset struct {
	kind         string
	plain, small []byte
}

// assets is read once, from what is built in.
var assets = sync.OnceValue(func() *bundle {
	b := &bundle{files: map[string]asset{}}
	b.add("postern.css", styleSheet())
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // the folder is built in
	}
	sum := sha256.New()
	for _, e := range entries {
		data, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		b.add(e.Name(), data)
		fmt.Fprintf(sum, "%s %d\n%s", e.Name(), len(data), data)
	}
	sum.Write(b.files["postern.css"].plain)
	b.hash = hex.EncodeToString(sum.Sum(nil))[:12]
	return b
})

var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func (b *bundle) add(name string, data []byte) {
	kind := kinds[path.Ext(name)]
	if kind == "" {
		panic("static file of unknown kind: " + name)
	}
	var z bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // the level is valid
	zw.Write(data)
	zw.Close()
	b.files[name] = asset{kind, data, z.Bytes()}
}

var cssSpace = regexp.MustCompile(`(?s)/\*.*?\*/|\n\s*`)

// styleSheet joins css/*.css in the order of their names, without comments and line ends.
func styleSheet() []byte {
	names, err := fs.Glob(files, "css/*.css")
	if err != nil {
		panic(err)
	}
	var b bytes.Buffer
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		b.Write(cssSpace.ReplaceAll(data, nil))
	}
	return b.Bytes()
}

// Asset is the address of a static file; an unknown name is a bug in a template.
func Asset(name string) (string, error) {
	file, _, _ := strings.Cut(name, "#")
	b := assets()
	if _, ok := b.files[file]; !ok {
		return "", fmt.Errorf("no static file %q", file)
	}
	return "/static/" + b.hash + "/" + name, nil
}

// Static serves GET /static/{hash}/{name}. An address with an old hash, from a
// page of an earlier version, is answered with the file of today, uncached.
var Static = Handler(func(w http.ResponseWriter, r *http.Request) error {
	b := assets()
	f, ok := b.files[r.PathValue("name")]
	if !ok {
		return NotFound(w, r)
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("hash") == b.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	data := f.plain
	if acceptsGzip(r) {
		data = f.small
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data)
	return nil
})

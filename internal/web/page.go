package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

var zippers = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, 5); return z }} // level 5 is valid

// writePage sends a page that no cache keeps, compressed where that is safe.
// The length of a compressed answer can tell whether a guess in the address
// stands on the page too: so nothing is compressed for a request from another
// site, and padding of random length goes into the gzip header (its comment).
func writePage(w http.ResponseWriter, r *http.Request, status int, page []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if acceptsGzip(r) && r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		page = zip(page)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	w.Write(page) // a caller who has gone away is no failure of ours
}

func zip(page []byte) []byte {
	var b bytes.Buffer
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(&b)
	var n [1]byte
	rand.Read(n[:])
	z.Comment = strings.Repeat("-", int(n[0])%64)
	z.Write(page) // a buffer takes everything
	z.Close()
	return b.Bytes()
}

func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

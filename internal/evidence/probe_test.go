package evidence

import (
	"strings"
	"testing"
	"time"
)

// Mail of a few megabytes must not cost more than its size: what grows with the
// square of it would stop the desk.
func TestCostGrowsWithSize(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	l := newLab(t)
	o := l.options()
	head := "From: ada@brandt.example\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nContent-Type: "
	const size = 4 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, raw := range map[string]string{
		"signed heads":     head + "text/plain\r\n\r\n" + fill("-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"),
		"message heads":    head + "text/plain\r\n\r\n" + fill("-----BEGIN PGP MESSAGE-----\r\n"),
		"key heads":        head + "application/pgp-keys\r\n\r\n" + fill("-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\n"),
		"other heads":      head + "text/plain\r\n\r\n" + fill("-----BEGIN PGP X-----\r\n"),
		"quoted heads":     head + "text/plain\r\n\r\n" + fill("> -----BEGIN PGP MESSAGE-----\r\n"),
		"tags":             head + "text/html\r\n\r\n" + fill("<"),
		"comments":         head + "text/html\r\n\r\n" + fill("<!--"),
		"styles":           head + "text/html\r\n\r\n" + fill("<style>"),
		"open a":           head + "text/html\r\n\r\n" + fill("<a href='"),
		"entities":         head + "text/html\r\n\r\n" + fill("&"),
		"tables":           head + "text/html\r\n\r\n" + fill("<table><tr><td>"),
		"lists":            head + "text/html\r\n\r\n" + fill("<ul><li>"),
		"closing":          head + "text/html\r\n\r\n" + fill("</p>"),
		"quotes":           head + "text/html\r\n\r\n" + fill("<blockquote>"),
		"equals":           head + "text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + fill("="),
		"blanks qp":        head + "text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + fill(" \t"),
		"boundary like":    head + "multipart/mixed; boundary=\"" + strings.Repeat("-", 60) + "\"\r\n\r\n" + fill("-"),
		"boundary lines":   head + "multipart/mixed; boundary=\"" + strings.Repeat("-", 60) + "\"\r\n\r\n" + fill(strings.Repeat("-", 61)+"\r\n"),
		"report":           head + "multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" + fill("Action: failed\r\n\r\n"),
		"report mail":      head + "multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" + fill("--b\r\nContent-Type: message/rfc822\r\n\r\n"),
		"fields":           head + "text/plain\r\n" + fill("A:\r\n") + "\r\n",
		"fold":             head + "text/plain" + fill("\r\n ") + "\r\n\r\n",
		"words":            head + "text/plain\r\nSubject: " + fill("=?utf-8?q?") + "\r\n\r\n",
		"alternatives":     head + "multipart/alternative; boundary=b\r\n\r\n" + fill("--b\r\nContent-Type: text/html\r\n\r\nx y z\r\n--b\r\n\r\nx y z 1\r\n"),
		"signed parts":     head + "multipart/mixed; boundary=b\r\n\r\n" + fill("--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\n--c\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\n--c--\r\n"),
		"autocrypt":        head + "text/plain\r\n" + fill("Autocrypt: addr=ada@brandt.example; keydata=\r\n") + "\r\n",
		"encrypted parts":  head + "multipart/mixed; boundary=b\r\n\r\n" + fill("--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n\r\n"),
		"armour headers":   head + "text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n" + fill("A: b\r\n") + "\r\n",
		"armour of dashes": head + "text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" + fill("-----END PGP MESSAGE----\r\n"),
		"from comments":    "From: ada@brandt.example " + fill("(") + "\r\n\r\n",
		"from quotes":      "From: " + fill("\"a\"") + "<ada@brandt.example>\r\n\r\n",
		"NULs":             head + "text/plain\r\n\r\n" + fill("\x00"),
		"CRs":              head + "text/plain\r\n\r\n" + fill("\r"),
		"CRCRLF":           head + "text/plain\r\n\r\n" + fill("\r\r\n"),
		"bidi":             head + "text/plain; charset=utf-8\r\n\r\n" + fill("\u202e"),
		"japanese":         head + "text/plain; charset=iso-2022-jp\r\n\r\n" + fill("\x1b$B"),
	} {
		took := time.Hour
		for range 3 { // the machine may be busy with something else
			start := time.Now()
			Examine([]byte(raw), o)
			if took = min(took, time.Since(start)); took < 1500*time.Millisecond {
				break
			}
		}
		if took > 1500*time.Millisecond {
			t.Errorf("%s: %s", name, took)
		} else if took > 250*time.Millisecond {
			t.Logf("%s: %s", name, took)
		}
	}
}

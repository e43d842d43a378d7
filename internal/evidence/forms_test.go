package evidence

import (
	"bytes"
	"strings"
	"testing"
)

// Forms that people's mail programs write. None of what is peculiar to them may
// cost a good mail its verdict.
func TestFormsOfMailPrograms(t *testing.T) {
	l := newLab(t)
	alternative := "Content-Type: multipart/alternative;\r\n boundary=\"------------in2\"\r\n\r\n--------------in2\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		crlf([]byte(wrap64([]byte(secretWords+"\r\n")))) + "--------------in2\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><head><meta http-equiv=3D\"content-type\"></head><body><p>Please pay 1.204,=\r\n50 EUR to account 4711</p></body></html>\r\n\r\n--------------in2--\r\n"
	thunderbird := "Content-Type: multipart/mixed; boundary=\"------------in1\";\r\n protected-headers=\"v1\"\r\nFrom: Ada <ada@brandt.example>\r\nTo: support@northmere.example\r\nMessage-ID: <x1@brandt.example>\r\nSubject: Payment\r\n\r\n--------------in1\r\n" +
		alternative + "\r\n--------------in1\r\nContent-Type: application/pgp-keys; name=\"OpenPGP_0x1.asc\"\r\nContent-Disposition: attachment; filename=\"OpenPGP_0x1.asc\"\r\nContent-Description: OpenPGP public key\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		strings.ReplaceAll(crlf(l.g.Export(l.ada)), "=", "=3D") + "\r\n--------------in1--\r\n"
	legacy := "Content-Type: multipart/mixed; boundary=\"in\"; protected-headers=\"v1\"\r\nSubject: Secret\r\n\r\n--in\r\nContent-Type: text/rfc822-headers; charset=utf-8; protected-headers=\"v1\"\r\nContent-Disposition: inline\r\n\r\nSubject: Secret\r\n\r\n--in\r\nContent-Type: text/plain\r\n\r\n" + secretWords + "\r\n--in--\r\n"
	mutt := "Content-Type: text/plain; charset=us-ascii\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + secretWords + "\r\n--=20\r\nAda\r\n"
	modern := "Content-Type: text/plain; charset=\"utf-8\"; hp=\"cipher\"; hp-legacy-display=\"1\"\r\nSubject: Secret\r\nFrom: Ada <ada@brandt.example>\r\nTo: support@northmere.example\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nHP-Outer: Subject: [...]\r\nHP-Outer: From: Ada <ada@brandt.example>\r\n\r\nSubject: Secret\r\n\r\n" + secretWords
	for name, part := range map[string]string{"Thunderbird": thunderbird, "legacy display": legacy, "Mutt": mutt, "RFC 9788": modern} {
		p := []byte(part)
		signature := strings.Replace(signedBody(p, l.g.Sign(p, l.ada)), "Content-Type: application/pgp-signature; name=\"signature.asc\"", "Content-Type: application/pgp-signature; name=\"OpenPGP_signature.asc\"\r\nContent-Description: OpenPGP digital signature\r\nContent-Disposition: attachment; filename=\"OpenPGP_signature\"", 1)
		r := l.good(t, []byte(l.head(signedType)+"This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n"+signature))
		for _, f := range r.Attachments {
			if f.Type == "application/pgp-signature" {
				t.Errorf("%s: the signature is listed as a file", name)
			}
		}
		r = l.good(t, l.encrypted(l.g.SignEncrypt(p, l.ada, l.usFpr)))
		if strings.Contains(part, "Subject: Secret") && r.Subject != "Secret" {
			t.Errorf("%s: subject %q", name, r.Subject)
		}
		if name == "Thunderbird" && (len(r.Keys) != 1 || r.HTML == "" || len(r.Attachments) != 1) {
			t.Errorf("%s: %d keys, %+v", name, len(r.Keys), r.Attachments)
		}
		l.good(t, l.encrypted(l.g.SignEncrypt(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")), l.ada, l.usFpr)))
		for _, status := range r.Reasons {
			t.Errorf("%s: %s", name, status)
		}
	}
}

// Differences that a relay may make on the way to a mail outside what is signed.
func TestRelaysChangeNothing(t *testing.T) {
	l := newLab(t)
	good := l.signed()
	for _, raw := range [][]byte{
		append([]byte("Received: from a by b; Tue, 24 Nov 2026 09:00:00 +0000\r\nReturn-Path: <ada@brandt.example>\r\nDKIM-Signature: v=1; a=b;\r\n\tc=d\r\n"), good...),
		append(bytes.Clone(good), "\r\n\r\n"...),
		append(bytes.Clone(good), "-- \r\nlist footer behind the end\r\n"...),
		swap(t, good, "--sig--", "--sig--  "),
		swap(t, good, `boundary="sig"`, `boundary=sig`),
		swap(t, good, `boundary="sig"`, "\r\n\tboundary=\"sig\""),
		swap(t, good, "multipart/signed", "Multipart/Signed"),
		swap(t, good, "application/pgp-signature;", "APPLICATION/PGP-Signature;"),
		swap(t, good, "MIME-Version: 1.0\r\n", ""),
		swap(t, good, "Subject: Payment", "subject:Payment"),
	} {
		l.good(t, raw)
	}
}

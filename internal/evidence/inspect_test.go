package evidence

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// files is a folder of mails and keys for the command line.
func files(t *testing.T, list map[string][]byte) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range list {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return filepath.Join(dir, name) }
}

func inspect(t *testing.T, args ...string) (code int, rows []map[string]any, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Inspect(args, strings.NewReader(""), &out, &errs)
	for line := range strings.Lines(out.String()) {
		var row map[string]any
		if json.Unmarshal([]byte(line), &row) == nil {
			rows = append(rows, row)
		}
	}
	return code, rows, out.String(), errs.String()
}

func TestInspectRows(t *testing.T) {
	l := newLab(t)
	good := l.sealed()
	at := l.now.Add(time.Minute).UTC().Format(time.RFC3339)
	f := files(t, map[string][]byte{
		"good.eml": good, "lf.eml": bytes.ReplaceAll(l.signed(), []byte("\r\n"), []byte("\n")), "plain.eml": l.mail().Plain(), "empty.eml": nil,
		"mbox.eml":  append([]byte("From ada@brandt.example Tue Nov 24 09:00:00 2026\n"), bytes.ReplaceAll(l.signed(), []byte("\r\n"), []byte("\n"))...),
		"two.eml":   swap(t, good, "From: ", "From: eve@evil.example\r\nFrom: "),
		"files.eml": []byte(l.head(`multipart/mixed; boundary="m"`) + "--m\r\n\r\nhello\r\n--m\r\nContent-Type: text/csv; name=\"a.csv\"\r\n\r\n1,2\r\n--m--\r\n"),
		"ada.asc":   l.g.Export(l.ada), "eve.asc": l.g.Export(l.eve), "us.key": l.us.Bytes(), "junk": []byte("no key"),
	})
	args := func(mails ...string) []string {
		out := []string{"--json", "--at", at, "--contact", l.adaAddr + "=" + f("ada.asc"), "--key", f("eve.asc"), "--secret=" + f("us.key")}
		for _, m := range mails {
			out = append(out, f(m))
		}
		return out
	}
	code, rows, _, stderr := inspect(t, args("good.eml", "lf.eml", "mbox.eml", "plain.eml", "two.eml", "empty.eml", "files.eml", "missing.eml")...)
	if code != 1 || len(rows) != 8 || !strings.Contains(stderr, "missing.eml") {
		t.Fatalf("code %d, %d rows, %s", code, len(rows), stderr)
	}
	for i, want := range []string{"V accept", "V accept", "V accept", "N accept", "X refuse", "X refuse", "N accept", "N refuse"} {
		got := rows[i]["signature"].(map[string]any)["verdict"].(string) + " " + rows[i]["disposition"].(string)
		if got != want {
			t.Errorf("%v: %s, want %s: %v", rows[i]["file"], got, want, rows[i]["reasons"])
		}
		shape(t, rows[i])
	}
	if rows[4]["from"] != nil || rows[5]["from"] != nil || rows[7]["from"] != nil {
		t.Error("a sender where there is none")
	}
	first := rows[0]
	if first["file"] != f("good.eml") || first["subject"] != "Payment" || first["date"] != l.now.UTC().Format(time.RFC3339) || strings.ContainsAny(first["message_id"].(string), "<>") {
		t.Errorf("%v", first)
	}
	if got := first["from"]; !reflect.DeepEqual(got, map[string]any{"name": "Ada", "address": l.adaAddr}) {
		t.Errorf("%v", got)
	}
	if s := first["signature"].(map[string]any); s["fingerprint"] != l.ada || s["signer"] != l.adaAddr || s["covers"] != "whole" || s["scheme"] != "openpgp" || s["signed_at"] == "" {
		t.Errorf("%v", s)
	}
	if a := rows[6]["attachments"].([]any); len(a) != 1 || !reflect.DeepEqual(keysOf(a[0].(map[string]any)), []string{"name", "sha256", "size", "type"}) || a[0].(map[string]any)["size"] != 3.0 {
		t.Errorf("%v", a)
	}
}

// shape holds a row against the form that is promised: every field, always.
func shape(t *testing.T, row map[string]any) {
	t.Helper()
	if got := keysOf(row); !slices.Equal(got, strings.Fields("attachments automatic cc date disposition domain encryption file from message_id reasons reply_to signature subject text to")) {
		t.Errorf("fields %v", got)
	}
	for _, name := range []string{"attachments", "cc", "reasons", "reply_to", "to"} {
		if _, ok := row[name].([]any); !ok {
			t.Errorf("%s is %v, not an array", name, row[name])
		}
	}
	for name, fields := range map[string]string{"encryption": "decrypted error scheme whole", "signature": "covers fingerprint scheme signed_at signer verdict", "domain": "dkim dmarc spf"} {
		if m, ok := row[name].(map[string]any); !ok || !slices.Equal(keysOf(m), strings.Fields(fields)) {
			t.Errorf("%s is %v", name, row[name])
		}
	}
}

func keysOf(m map[string]any) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestInspectCommandLine(t *testing.T) {
	l := newLab(t)
	f := files(t, map[string][]byte{"good.eml": l.sealed(), "ada.asc": l.g.Export(l.ada), "us.key": l.us.Bytes(), "junk": []byte("no key"), "void": nil})
	for _, args := range [][]string{
		{}, {"--json"}, {"--nonsense", f("good.eml")}, {"--at", "yesterday", f("good.eml")}, {f("good.eml"), "--at"}, {"--key", f("missing"), f("good.eml")}, {"--key", f("junk"), f("good.eml")},
		{"--contact", f("ada.asc"), f("good.eml")}, {"--contact", "ada=" + f("ada.asc"), f("good.eml")}, {"--contact", "ada@brandt.example=" + f("missing"), f("good.eml")},
		{"--secret", f("ada.asc"), f("good.eml")}, {"--secret", f("missing"), f("good.eml")}, {"--secret", f("junk"), f("good.eml")}, {"--key", f("us.key"), f("good.eml")}, {"-x", f("good.eml")}, {"--json=no", f("good.eml")},
	} {
		code, rows, out, stderr := inspect(t, args...)
		if code != 2 || len(rows) > 0 || out != "" || stderr == "" {
			t.Errorf("%v: code %d, %q, %q", args, code, out, stderr)
		}
	}
	code, _, out, _ := inspect(t, "--help")
	if code != 0 || !strings.Contains(out, "usage:") {
		t.Error(code, out)
	}
	code, _, out, _ = inspect(t, "--at", l.now.UTC().Format(time.RFC3339), "--contact", l.adaAddr+"="+f("ada.asc"), "--secret", f("us.key"), "--", f("good.eml"))
	if code != 0 || !strings.Contains(out, "signed by a verified key of the sender") {
		t.Error(code, out)
	}
	code, rows, _, _ := inspect(t, "--json", filepath.Dir(f("x")))
	if code != 1 || len(rows) != 1 {
		t.Errorf("a folder: %d, %v", code, rows)
	}
}

package instructions

import (
	"strings"
	"testing"
	"time"
)

func sample() (text, ref string) {
	ref = NewRef()
	ty := Shipped()[0]
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	return ty.Canonical(Facts{Org: "Northmere", Ref: ref, For: "Ada", By: "by our staff", Made: now, Expires: now.Add(time.Hour),
		Values: map[string]string{"amount": "1250.00 EUR", "payee": "Zoë Müller", "account": "DE89 3704 0044 0532 0130 00"}}), ref
}

func quote(s string) string {
	return "> " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n> ") + "\n"
}

func TestApprovalIsTheWholeTextAndOneLine(t *testing.T) {
	text, ref := sample()
	ours := []string{"support@northmere.example"}
	ok := map[string]string{
		"plain":        "I approve " + ref + "\n\n" + text,
		"quoted":       "I approve " + ref + ".\n\nOn Tue, 24 Nov 2026 Northmere <support@northmere.example> wrote:\n" + quote("Hello Ada,\n\n"+text+"\nHow to approve: ..."),
		"twice quoted": "I approve " + ref + "\n" + quote(quote(text)),
		"rewrapped":    "I approve " + ref + "\n" + strings.ReplaceAll(text, "\n", " \n\t"),
		"footer":       "i APPROVE " + ref + "\n" + quote(text) + "-- \nAda, by phone +49",
		"crlf":         strings.ReplaceAll("I approve "+ref+"\n"+text, "\n", "\r\n"),
	}
	for name, s := range ok {
		if !Approves(s, text, ref, ours) {
			t.Errorf("%s was refused:\n%s", name, s)
		}
	}
	other, otherRef := sample()
	bad := map[string]string{
		"no line":              text,
		"line only quoted":     quote("I approve " + ref + "\n" + text),
		"no text":              "I approve " + ref,
		"another reference":    "I approve " + otherRef + "\n" + text,
		"another text":         "I approve " + ref + "\n" + other,
		"edited amount":        "I approve " + ref + "\n" + strings.Replace(text, "1250.00", "9250.00", 1),
		"a word taken out":     "I approve " + ref + "\n" + strings.Replace(text, "Zoë ", "", 1),
		"a line put in":        "I approve " + ref + "\n" + strings.Replace(text, "  Payee", "  Not\n  Payee", 1),
		"half quoted":          "I approve " + ref + "\n" + quote(text[:len(text)/2]) + text[len(text)/2:],
		"a condition":          "I approve " + ref + "\nbut only half of it\n" + quote(text),
		"a condition, colon":   "I approve " + ref + "\nonly if this is the old account:\n" + quote(text),
		"a refusal":            "I do not approve " + ref + "\n" + quote(text),
		"a refusal after":      "I approve " + ref + "\n" + quote(text) + "no, I do not",
		"a refusal before":     "Never. I approve " + ref + "\n" + quote(text),
		"the line in pieces":   "I\napprove\n" + ref + "\n" + quote(text),
		"below the signature":  "-- \nI approve " + ref + "\n" + text,
		"wrote, and more":      "I approve " + ref + "\nto support@northmere.example wrote:\nno\nno:\n" + quote(text),
		"another payee letter": "I approve " + ref + "\n" + strings.Replace(text, "Müller", "Mϋller", 1),
	}
	for name, s := range bad {
		if Approves(s, text, ref, ours) {
			t.Errorf("%s was taken:\n%s", name, s)
		}
	}
}

func TestReferencesAreFound(t *testing.T) {
	a, b := NewRef(), NewRef()
	if a == b || len(a) != 19 {
		t.Fatalf("%s %s", a, b)
	}
	got := Refs("see " + a + ", " + a + " and (" + b + ") but not X" + a + " or 1111-AAAA-BBBB-CCCC")
	if len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("%v", got)
	}
	for text, want := range map[string]int{a: 1, "-" + a: 0, a + "-AAAA": 0, a[:18]: 0, "----" + strings.Repeat("-", 30): 0, "\n" + a + "\n>" + b: 2, strings.ToLower(a): 0, a + b: 0, "é" + a: 0} {
		if got := Refs(text); len(got) != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzApproves(f *testing.F) {
	text, ref := sample()
	f.Add("I approve "+ref+"\n"+text, 3)
	f.Add("I approve "+ref+"\n"+quote(text), 40)
	f.Fuzz(func(t *testing.T, s string, _ int) {
		if !Approves(s, text, ref, []string{"support@northmere.example"}) {
			return
		}
		// Whatever is taken holds every word of the text in order, and the line.
		flat := strings.Join(strings.Fields(strings.NewReplacer(">", " ", "\u00a0", " ").Replace(s)), " ")
		if !strings.Contains(flat, strings.Join(strings.Fields(text), " ")) || !strings.Contains(strings.ToLower(flat), strings.ToLower(ApproveLine(ref))) {
			t.Errorf("taken: %q", s)
		}
	})
}

func BenchmarkRefs(b *testing.B) {
	text := strings.Repeat("A line of a mail, with a well-known word or two in it.\n", 190)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Refs(text)
	}
}

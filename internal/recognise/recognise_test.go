package recognise

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func looked(t *testing.T, in Input) Verdict {
	t.Helper()
	v := Look(&in)
	for i, s := range v.Spots {
		if s.From < 0 || s.To > len(in.Text) || s.From >= s.To || i > 0 && s.From < v.Spots[i-1].To {
			t.Errorf("%q: spot %v of %v", in.Text, s, v.Spots)
		}
	}
	return v
}

// TestP10ReportsAreRecognised: what people write who have found something, by every
// door and in four languages.
func TestP10ReportsAreRecognised(t *testing.T) {
	for _, in := range []Input{
		{Text: "The link in your mail goes to http://pay.example/update and asks for my address."},
		{Text: "Ihr Formular überträgt Namen und Adressen unverschlüsselt!"},
		{Text: "Ihr Formular uebertraegt Namen und Adressen unverschluesselt", Door: "survey"},
		{Text: "I logged in and saw another customer's statement.", Door: "form"},
		{Text: "Please put me through to your security team, this is about a flaw.", Door: "phone"},
		{Text: "Ich habe eine Sicherheitslücke gefunden."},
		{Text: "My account is NOT hacked. Your page is not secure.", Previous: []string{"Our site is secure. Please change your password."}},
		{Text: "En changeant le numéro dans l'adresse je vois la facture d'un autre client.", Door: "portal"},
		{Text: "Al cambiar el número de la dirección veo la factura de otro cliente."},
		{Text: "Where is my order 55120? I wait since Monday. By the way when I opened the tracking I could see the name and the address of another customer."},
		{Text: "yоur pаge is nоt sеcurе, the fоrm is http", Door: "form"}, // letters of another alphabet
		{Text: "not\u200b secure, your login page"},
	} {
		if v := looked(t, in); !v.Flagged || len(v.Reasons) == 0 {
			t.Errorf("not flagged: %q %+v", in.Text, v)
		}
	}
	for _, in := range []Input{
		{Text: "When are you open on Friday?"}, {Text: "Wie kann ich meine Adresse ändern?"}, {Text: "My 3D Secure code does not arrive."}, {Text: "I lost my card at airport security."},
		{Text: "Vielen Dank, das hat geholfen.", Door: "survey"}, {Text: "Please send my statement of October again."}, {Text: ""}, {Text: "\x00\xff\xfe", Door: "mail"}, {Text: "???"},
	} {
		if v := looked(t, in); v.Flagged {
			t.Errorf("flagged: %q %+v", in.Text, v)
		}
	}
}

func TestOwnPageDecidesByItself(t *testing.T) {
	own := []string{"northmere.example"}
	for text, want := range map[string]bool{
		"Thanks, all good: http://pay.northmere.example/x":   true,
		"Thanks, all good: HTTP://NORTHMERE.example":         true,
		"Thanks, all good: https://pay.northmere.example/x":  false,
		"Thanks, all good: http://northmere.example.evil.io": false,
		"Thanks, all good: http://shop.example":              false,
		"Thanks, all good: http://":                          false,
	} {
		v := looked(t, Input{Text: text, Own: own})
		found := false
		for _, r := range v.Reasons {
			found = found || strings.HasPrefix(r, "a page of our own over plain HTTP")
		}
		if found != want || want && !v.Flagged {
			t.Errorf("%s: %+v", text, v)
		}
	}
}

// TestLongTextsAreBounded: whatever somebody writes, it is read in time.
func TestLongTextsAreBounded(t *testing.T) {
	for _, s := range []string{strings.Repeat("a", 1<<20), strings.Repeat("not secure page ", 1<<16), strings.Repeat("\n", 1<<20), strings.Repeat("http://", 1<<15), strings.Repeat("ü", 1<<19), strings.Repeat("> q\n", 1<<18)} {
		start := time.Now()
		looked(t, Input{Text: s})
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%.20q: %s", s, d)
		}
	}
	hidden := strings.Repeat("Nothing to see here. ", 3000) + "\nI could see the statement of another customer after I logged in."
	if v := looked(t, Input{Text: hidden}); !v.Flagged {
		t.Error("what stands at the end of a long text is not read")
	}
}

func TestCommand(t *testing.T) {
	in := `{"id":"1","text":"Your login page is not secure, it is http","door":"mail","previous":""}` + "\n\n" + `{"id":"2","text":"When do you open?","previous":["a","b"]}` + "\nnonsense\n" + `{"id":"3","text":"x","previous":7}` + "\n" + `{"id":"4"}`
	var out, errs bytes.Buffer
	if code := Command([]string{"--json"}, strings.NewReader(in), &out, &errs); code != 1 {
		t.Errorf("exit %d", code)
	}
	var got []answer
	for line := range strings.Lines(out.String()) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	if len(got) != 3 || got[0].ID != "1" || !got[0].Flagged || got[0].Class != Report || got[1].Flagged || got[1].Reasons == nil || got[2].ID != "4" {
		t.Errorf("%+v", got)
	}
	if s := errs.String(); !strings.Contains(s, "line 4") || !strings.Contains(s, `line 5: "previous" is a text`) {
		t.Error(s)
	}
	for _, args := range [][]string{{}, {"--json", "--what"}} {
		if code := Command(args, nil, &out, &errs); code != 2 {
			t.Errorf("%v: exit %d", args, code)
		}
	}
	if code := Command([]string{"--json", "/nothing"}, nil, &out, &errs); code != 1 {
		t.Error("a file that is not there")
	}
}

func FuzzLook(f *testing.F) {
	f.Add("http://x", "not secure", "form")
	f.Fuzz(func(t *testing.T, text, before, door string) {
		looked(t, Input{Text: text, Previous: []string{before}, Door: door, Own: []string{"x.example"}})
	})
}

func BenchmarkLook(b *testing.B) {
	text := strings.Repeat("I wanted to pay my bill and followed the link in your mail. The page asked for my name and address and the browser said that it is not secure. ", 3)
	b.ReportAllocs()
	for b.Loop() {
		Look(&Input{Text: text, Door: "mail", Previous: []string{"Our site is secure."}})
	}
}

// BenchmarkLookLong is a mail of 10 KB, as the load program sends them.
func BenchmarkLookLong(b *testing.B) {
	text := strings.Repeat("I wanted to pay my bill and followed the link in your letter of Monday, which arrived late. Could you tell me when the next one is due and where it goes? ", 66)
	b.ReportAllocs()
	for b.Loop() {
		Look(&Input{Text: text, Door: "mail"})
	}
}

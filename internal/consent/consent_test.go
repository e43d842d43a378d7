package consent

import (
	"strings"
	"testing"
	"time"

	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/lang"
)

var noon = time.Date(2026, 5, 12, 12, 0, 0, 0, time.UTC)

func TestStandingGivenEndedExpired(t *testing.T) {
	given := Consent{Scope: Encryption, Given: noon, Starts: noon, Expires: noon.Add(Life)}
	ended, waits := given, given
	waits.Starts = noon.Add(Wait)
	if err := ended.End(ByPortal, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		c     Consent
		at    time.Time
		now   bool // it counts now
		stood bool // it counted then, seen from later
		due   bool
	}{
		{"given", given, noon, true, true, false},
		{"before it was given", given, noon.Add(-time.Second), false, false, false},
		{"given by a code that was read out", waits, noon.Add(Wait - time.Second), false, false, false},
		{"a day later", waits, noon.Add(Wait), true, true, false},
		{"a month before its end", given, noon.Add(Life - AskAhead), true, true, true},
		{"a day more", given, noon.Add(Life - AskAhead - 24*time.Hour), true, true, false},
		{"the last second", given, noon.Add(Life - time.Second), true, true, true},
		{"its end", given, noon.Add(Life), false, false, false},
		{"ended, before that", ended, noon.Add(time.Minute), false, true, false},
		{"ended", ended, noon.Add(time.Hour), false, false, false},
	} {
		if got := c.c.Standing(c.at); got != c.now {
			t.Errorf("%s: standing %v", c.name, got)
		}
		if got := c.c.Stood(c.at); got != c.stood {
			t.Errorf("%s: stood %v", c.name, got)
		}
		if got := c.c.Due(c.at); got != c.due {
			t.Errorf("%s: due %v", c.name, got)
		}
	}
	if err := ended.End(ByPortal, noon); !fail.Is(err, fail.Conflict) {
		t.Errorf("ended twice: %v", err)
	}
}

// TestP5WordingsNeverChange: a receipt names the version and its hash. A changed
// text is a new version; whoever changed one in place sees it here.
func TestP5WordingsNeverChange(t *testing.T) {
	for version, sums := range map[int64]map[Scope]string{1: {Encryption: sumEncryption1, Signature: sumSignature1, Factor: sumFactor1, Proof: sumProof1},
		2: {Encryption: sumEncryption2, Signature: sumSignature2, Factor: sumFactor2, Proof: sumProof2}} {
		for s, want := range sums {
			w, err := Shown(s, version)
			if err != nil {
				t.Fatal(err)
			}
			if w.Sum() != want {
				t.Errorf("%s, version %d: %s, want %s", s, version, w.Sum(), want)
			}
			for _, line := range w.Lines {
				if len(line) < 20 || !strings.HasSuffix(line, ".") {
					t.Errorf("%s: %q is no line to be warned by", s, line)
				}
			}
		}
	}
	for _, s := range Scopes() {
		if _, err := Current(s); err != nil || !s.Known() {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := Current("everything"); !fail.Is(err, fail.NotFound) {
		t.Errorf("a made-up scope: %v", err)
	}
}

// TestWordingsInEveryLanguage: what is shown today counts in each of them, and its
// phrase gives up what it says; who wants another language reads English.
func TestWordingsInEveryLanguage(t *testing.T) {
	for _, l := range lang.All {
		for _, s := range Scopes() {
			w, err := In(s, l)
			if err != nil || w.Lang != l {
				t.Fatalf("%s in %s: %v, %v", s, l, w, err)
			}
			if n, err := Prepare("ada", s, w.Version, BySession("ada", "passkey", "", noon), noon); err != nil || n.Sum != w.Sum() {
				t.Errorf("%s in %s cannot be given up: %v", s, l, err)
			}
			scopes, version := FromMail("\n" + w.Phrase() + "\n")
			if len(scopes) != 1 || scopes[0] != s || version != w.Version {
				t.Errorf("%q gives up %v, version %d", w.Phrase(), scopes, version)
			}
		}
	}
	if w, err := In(Factor, lang.Pseudo); err != nil || w.Lang != lang.English {
		t.Errorf("in another language: %v, %v", w, err)
	}
	english, _ := In(Encryption, lang.English)
	german, _ := In(Proof, lang.German)
	if scopes, _ := FromMail(english.Phrase() + "\n" + german.Phrase()); len(scopes) != 0 {
		t.Errorf("a mail in two languages gives up %v", scopes)
	}
}

func TestP5PhraseStandsAlone(t *testing.T) {
	const enc, proof = "I give up: encryption of my mails (version 1)", "I give up: proof of my instructions (version 1)"
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"alone", enc, 1},
		{"with an end of line", enc + "\r\n", 1},
		{"two", enc + "\n\n" + proof + "\n", 2},
		{"above a signature block", "\n" + enc + "\n\n-- \nAda Brandt\n> old text", 1},
		{"with format=flowed", enc + " \r\n", 1},
		{"quoted", "> " + enc, 0},
		{"led in", "Please do not: " + enc, 0},
		{"led in on the line before", "They want me to write\n" + enc, 0},
		{"followed", enc + "\nor should I not?", 0},
		{"above a quote", enc + "\n\n> You wrote", 0},
		{"forwarded", "---------- Forwarded message\n" + enc, 0},
		{"indented", " " + enc, 0},
		{"in capitals", strings.ToUpper(enc), 0},
		{"with a no-break space", strings.Replace(enc, " ", "\u00a0", 1), 0},
		{"with a Cyrillic letter", strings.Replace(enc, "e", "е", 1), 0},
		{"without a version", "I give up: encryption of my mails", 0},
		{"of a version that never was", "I give up: encryption of my mails (version 7)", 0},
		{"of a scope that is not offered", "I give up: everything (version 1)", 0},
		{"twice", enc + "\n" + enc, 0},
		{"below the signature block", "-- \n" + enc, 0},
		{"nothing", "", 0},
	} {
		scopes, version := FromMail(c.text)
		if len(scopes) != c.want || (version == 1) != (c.want > 0) {
			t.Errorf("%s: %v, version %d", c.name, scopes, version)
		}
	}
}

func FuzzFromMail(f *testing.F) {
	f.Add("I give up: encryption of my mails (version 1)\n-- \nx")
	f.Fuzz(func(t *testing.T, text string) {
		scopes, version := FromMail(text)
		if (len(scopes) == 0) != (version == 0) {
			t.Errorf("%v of version %d", scopes, version)
		}
		for _, s := range scopes {
			if w, err := Shown(s, version); err != nil || !strings.Contains(text, w.Phrase()) {
				t.Errorf("%s is not in the text", s)
			}
		}
	})
}

func signed() *evidence.Report {
	return &evidence.Report{Text: "I give up: encryption of my mails (version 1)\n", Signature: evidence.Signature{Verdict: evidence.Verified, Covers: "whole",
		Fingerprint: "AB12", SignedAt: noon, Known: &evidence.Known{Owner: "ada"}}}
}

// TestP5MailIsProofOnlyWhenVerifiedFreshAndTheirs: each refusal differs from the
// mail that counts by one change.
func TestP5MailIsProofOnlyWhenVerifiedFreshAndTheirs(t *testing.T) {
	for name, change := range map[string]func(*evidence.Report){
		"unsigned":             func(r *evidence.Report) { r.Signature.Verdict = evidence.Unsigned },
		"key not verified":     func(r *evidence.Report) { r.Signature.Verdict = evidence.Signed },
		"does not fit":         func(r *evidence.Report) { r.Signature.Verdict = evidence.Mismatch },
		"part of it signed":    func(r *evidence.Report) { r.Signature.Covers = "part" },
		"no key named":         func(r *evidence.Report) { r.Signature.Known = nil },
		"somebody else's key":  func(r *evidence.Report) { r.Signature.Known = &evidence.Known{Owner: "ben"} },
		"signed three days":    func(r *evidence.Report) { r.Signature.SignedAt = noon.Add(-72 * time.Hour) },
		"signed in the future": func(r *evidence.Report) { r.Signature.SignedAt = noon.Add(2 * time.Hour) },
		"automatic":            func(r *evidence.Report) { r.Automatic = "auto-reply" },
		"other words":          func(r *evidence.Report) { r.Text = "Hello" },
	} {
		r := signed()
		change(r)
		if p, err := BySignedMail("ada", r, "m1", noon); !fail.Is(err, fail.Denied) || len(p.Scopes()) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := BySignedMail("ada", signed(), "m1", noon.Add(time.Hour))
	if err != nil || len(p.Scopes()) != 1 || p.Version() != 1 {
		t.Errorf("the mail that counts: %v %v", p, err)
	}
	if _, err := BySignedMail("", signed(), "m1", noon); !fail.Is(err, fail.Denied) {
		t.Errorf("of nobody: %v", err)
	}
}

// TestP5OnlyTheCustomerGives: without their proof, with the proof of another
// person, session or scope, and under an old wording nothing is prepared.
func TestP5OnlyTheCustomerGives(t *testing.T) {
	mail, err := BySignedMail("ada", signed(), "m1", noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		who     string
		scope   Scope
		version int64
		proof   Proven
		want    fail.Kind
	}{
		{"an agent, who has no proof", "ada", Encryption, 1, Proven{}, fail.Denied},
		{"a session without a factor", "ada", Encryption, 1, BySession("ada", "", "", noon), fail.Denied},
		{"somebody else's session", "ada", Encryption, 1, BySession("ben", "passkey", "", noon), fail.Denied},
		{"nobody's session", "", Encryption, 1, BySession("", "passkey", "", noon), fail.Denied},
		{"a mail about another scope", "ada", Proof, 1, mail, fail.Denied},
		{"a wording that was replaced", "ada", Encryption, 0, BySession("ada", "passkey", "", noon), fail.Conflict},
		{"a wording that never was", "ada", Encryption, 3, BySession("ada", "passkey", "", noon), fail.Conflict},
		{"a scope that is not offered", "ada", "everything", 1, BySession("ada", "passkey", "", noon), fail.NotFound},
	} {
		if n, err := Prepare(contactID(c.who), c.scope, c.version, c.proof, noon); n != nil || fail.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	n, err := Prepare("ada", Encryption, 1, mail, noon)
	if err != nil || n.Message != "m1" || n.Fingerprint != "AB12" || n.Channel != SignedMail || !n.Expires.Equal(noon.Add(Life)) || n.Sum != sumEncryption1 {
		t.Errorf("%+v %v", n, err)
	}
}

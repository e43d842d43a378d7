package links

import (
	"slices"
	"strings"
	"testing"
)

func testJudge() *Judge {
	return NewJudge([]string{"https://desk.goodbank.example:8443", "goodbank.example", "müllerbank.de", "MyBank.com", "acme.org"}, []string{"survey.example", "xn--bcher-kva.de", "mybank.net"})
}

// TestRows has every row that is seen in the writing, with what differs from it by one
// change and passes.
func TestRows(t *testing.T) {
	const fine, stranger = "", "warn 22 stranger"
	for _, c := range []struct{ name, text, want string }{
		{"1 http", "Pay at http://goodbank.example/pay.", "block 1 clear"},
		{"1 https", "Pay at https://goodbank.example/pay.", fine},
		{"1 capitals", "HTTP://GOODBANK.EXAMPLE", "block 1 clear"},
		{"1 hidden by a zero width space", "ht\u200btp://goodbank.example/", "block 1 clear"},
		{"1 www", "see www.goodbank.example", "block 1 clear"},
		{"1 www inside https", "see https://www.goodbank.example", fine},
		{"1 bare with a path", "see mybank.com/pay", "block 1 clear"},
		{"1 bare with a port", "see mybank.com:80/pay", "block 1 clear"},
		{"1 bare without a path", "see mybank.com for more", fine},
		{"1 not a domain", "see section 3.4/5, and/or readme.txt/x, z.B./u.a./o.Ä.", fine},
		{"1 an address is not a host", "write to ada@mybank.com/x", fine},
		{"1 markdown", "[pay](http://goodbank.example)", "block 1 clear"},
		{"1 quoted", "> http://goodbank.example/", "block 1 clear"},
		{"1 in html", `<img src="http://goodbank.example/x.png">`, "block 1 clear"},

		{"14 other letters", "https://gооgle.example/", "block 14 homograph"}, // Cyrillic о
		{"14 plain letters", "https://google.example/", stranger},
		{"14 one alphabet", "https://почта.example/", "block 14 homograph"},
		{"14 punycode", "https://xn--80a1acny.example/", "block 14 homograph"},
		{"14 listed", "https://bücher.de/", fine},
		{"14 listed, as punycode", "https://xn--bcher-kva.de/", fine},
		{"14 ours", "https://müllerbank.de/konto", fine},
		{"14 broken punycode", "https://xn--a.example/", "block 14 homograph"},
		{"14 other dots", "https://mybank。com/", fine},
		{"14 percent", "https://mybank%2ecom/", "block 21 malformed"},

		{"15 a letter changed", "https://goodbanc.example/", "block 15 lookalike"},
		{"15 letters swapped", "https://godobank.example/", "block 15 lookalike"},
		{"15 a hyphen", "https://good-bank.example/", "block 15 lookalike"},
		{"15 another TLD", "https://mybank.org/", "block 15 lookalike"},
		{"15 another TLD, listed", "https://mybank.net/", fine},
		{"15 a word more", "https://mybank-login.com/", "block 15 lookalike"},
		{"15 in front of another", "https://mybank.com.evil.example/", "block 15 lookalike"},
		{"15 a digit", "https://g00dbank.example/", "block 15 lookalike"},
		{"15 rn for m", "https://rnybank.com/", "block 15 lookalike"},
		{"15 a short name", "https://acrne.org/", "block 15 lookalike"},
		{"15 a short name, another", "https://acne.org/", stranger},
		{"15 Cyrillic", "https://mуbаnk.com/", "block 15 lookalike"},
		{"15 a part of ours", "https://pay.mybank.com/", fine},
		{"15 another name", "https://riverbank.example/", stranger},
		{"15 a customer's place at others", "https://mybank.desk.example/", stranger},

		{"16 userinfo", "https://mybank.com@evil.example/", "block 16 userinfo"},
		{"16 userinfo, encoded", "https://mybank.com%2f@evil.example/", "block 16 userinfo"},
		{"16 on our own host", "https://ada@mybank.com/", "block 16 userinfo"},
		{"16 an @ in the path", "https://mybank.com/@ada", fine},

		{"17 markdown", "[https://mybank.com/pay](https://survey.example/x)", "block 17 disguise"},
		{"17 the same", "[https://mybank.com/pay](https://mybank.com/pay?x=1)", fine},
		{"17 a bare name", "[mybank.com](https://survey.example/)", "block 17 disguise"},
		{"17 words", "[our survey](https://survey.example/)", fine},
		{"17 words with a name", "[go to https://mybank.com now](https://survey.example/)", "block 17 disguise"},
		{"17 html", `<a class=x href="https://survey.example/"><b>mybank.com</b></a>`, "block 17 disguise"},
		{"17 html, the same", `<a href="https://survey.example/">survey.example</a>`, fine},
		{"17 by reference", "[mybank.com][1]\n\n[1]: https://survey.example/", "block 17 disguise"},
		{"17 by reference, words", "[the survey][1]\n\n[1]: https://survey.example/", fine},
		{"17 mail for a page", "[https://mybank.com](mailto:eve@survey.example)", "block 17 disguise"},

		{"18 shortener", "https://bit.ly/3xY", "block 18 shortener"},
		{"18 below it", "https://www.tinyurl.com/3xY", "block 18 shortener"},
		{"18 no shortener", "https://rabbit.ly/3xY", stranger},

		{"19 passes on", "https://survey.example/go?u=https%3A%2F%2Fevil.example", "warn 19 passon"},
		{"19 to itself", "https://survey.example/go?u=https%3A%2F%2Fsurvey.example%2Fx", fine},

		{"20 a number", "https://198.51.100.7/", "block 20 number"},
		{"20 IPv6", "https://[2001:db8::1]/", "block 20 number"},
		{"20 in decimal", "https://2130706433/", "block 20 number"},
		{"20 in hex", "https://0x7f.1/", "block 20 number"},
		{"20 in octal", "https://0177.0.0.1/", "block 20 number"},
		{"20 a port", "https://mybank.com:8080/", "block 20 number"},
		{"20 the usual port", "https://mybank.com:443/", fine},
		{"20 the desk's own port", "https://desk.goodbank.example:8443/case", fine},
		{"20 another port there", "https://desk.goodbank.example:8444/case", "block 20 number"},
		{"20 inside", "https://wiki.corp/x", "block 20 number"},
		{"20 one word", "https://intranet/x", "block 20 number"},
		{"20 a port that is none", "https://mybank.com:99999999/", "block 20 number"},

		{"21 javascript", "javascript:alert(1)", "block 21 scheme"},
		{"21 javascript in markdown", "[x](javascript:alert(1))", "block 21 scheme"},
		{"21 javascript, encoded", "[x](&#106;avascript:alert(1))", "block 21 scheme"},
		{"21 javascript, with a tab", "<a href=\"java\tscript:alert(1)\">x</a>", "block 21 scheme"},
		{"21 data", "data:text/html;base64,PGI+", "block 21 scheme"},
		{"21 data as a word", "the data: see below, data:text is a word", fine},
		{"21 file", "file:///etc/passwd", "block 21 scheme"},
		{"21 file as a word", "the file: report.pdf", fine},
		{"21 another program", "zoommtg://join", "block 21 scheme"},
		{"21 cid in a quote", "> [cid:image001.png@01DA]", fine},
		{"21 cid as a target", "[x](cid:image001)", "block 21 scheme"},
		{"21 mail", "mailto:help@mybank.com", fine},
		{"21 mail as a target", "[x](mailto:help@mybank.com)", fine},
		{"21 telephone", "[call](tel:+4930123)", fine},

		{"22 a stranger", "https://other.example/", stranger},
		{"22 listed", "https://survey.example/form", fine},
		{"22 below a listed one", "https://eu.survey.example/form", fine},
		{"22 beside a listed one", "https://nosurvey.example/form", stranger},

		{"23 a token", "https://survey.example/?token=abcdef123", "warn 23 secret"},
		{"23 in the fragment", "https://survey.example/#access_token=abcdef123", "warn 23 secret"},
		{"23 a mail address", "https://survey.example/?who=ada%40mybank.com", "warn 23 secret"},
		{"23 a signed token", "https://survey.example/x/eyJhbGciOiJI.eyJzdWIiOiIx.sig", "warn 23 secret"},
		{"23 a short code", "https://survey.example/?code=DE&lang=de", fine},
		{"23 a link of this desk", "https://desk.goodbank.example:8443/m/0123456789abcdef?token=abcdef123", fine},

		{"no slashes", "https:evil.example", "block 21 malformed"},
		{"backslashes", `http:\\evil.example`, "block 1 clear,block 21 malformed"},
		{"one backslash", `https:/\evil.example/`, "block 21 malformed"},
		{"a backslash in the path", `https://mybank.com/a\b`, "block 21 malformed"},
		{"three slashes", "https:///evil.example/", "block 21 malformed"},
		{"no scheme", "[x](//other.example/)", stranger},
		{"no scheme, backslashes", `[x](\\evil.example)`, "block 1 clear"},
		{"a line break inside", "[x](<https://mybank.com/%0d%0aSet-Cookie:x>)", "block 21 malformed"},
		{"a tab inside", "<a href=\"https://my\tbank.com/\">x</a>", "block 21 malformed"},
		{"a page of ours", "[more](/help/cards#lost)", fine},
		{"brackets and stops", "(https://mybank.com/a_(b)), https://mybank.com/c!", fine},
		{"emphasis", "**https://mybank.com/** _https://mybank.com_", fine},
		{"case page", "Look at https://desk.goodbank.example:8443/case\nand https://desk.goodbank.example:8443/person/ABCD-1234.", fine},
		{"nothing", "Dear Ada,\n\nat 10:15 you wrote: it is done. Yours, A.B./C.D.", fine},
	} {
		var got []string
		for _, f := range testJudge().Look(c.text) {
			got = append(got, strings.Join([]string{string(f.Grade), itoa(f.Row), string(f.Kind)}, " "))
			if f.Why == "" || f.Mend == "" || f.Link == "" {
				t.Errorf("%s: %+v says too little", c.name, f)
			}
		}
		for want := range strings.SplitSeq(c.want, ",") {
			if want == "" && len(got) > 0 || want != "" && !slices.Contains(got, want) {
				t.Errorf("%s: %q gives %q, want %q", c.name, c.text, got, c.want)
			}
		}
		if strings.HasPrefix(c.want, "warn") && slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "block") }) {
			t.Errorf("%s: %q gives %q, more than %q", c.name, c.text, got, c.want)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return string(rune('0'+n/10)) + string(rune('0'+n%10))
}

func TestFind(t *testing.T) {
	for text, want := range map[string][]string{
		"https://a.example/b.":                             {"https://a.example/b"},
		"<https://a.example/>, (https://b.example)":        {"https://a.example/", "https://b.example"},
		"https://a.example/x_(y) and https://a.example/z)": {"https://a.example/x_(y)", "https://a.example/z"},
		"„https://a.example“":                              {"https://a.example"},
		"nothttps://a.example":                             {"https://a.example"},
		"[t](https://a.example/(x) \"title\") b":           {"https://a.example/(x)"},
		"https://a.example https://a.example":              {"https://a.example"},
		"see https: there, and http:":                      nil,
	} {
		var got []string
		for _, l := range Find(text) {
			got = append(got, l.URL)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What InClear finds is blocked by the judge too: P6 holds whichever of them is asked.
func TestWhatIsInClearIsBlocked(t *testing.T) {
	for _, text := range []string{"http://pay.example", "x http://pay.example/y.", "(www.pay.example)", "HTTP://PAY.EXAMPLE", "_http://pay.example_", "ahttp://x.example", "|www.x.example|", "http://a'b.example"} {
		if InClear(text) == "" || Blocked(new(Judge).Look(text)) == nil {
			t.Errorf("%q: %q and %v", text, InClear(text), new(Judge).Look(text))
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, s := range []string{"https://a.example/", "[a](b)", "[a][b]\n[b]: http://x", "<a href='x'>y</a>", "www.x.y", "x.com/", "data:text/html,x", "https://xn--a.example", "https://mуbаnk.com/"} {
		f.Add(s)
	}
	j := testJudge()
	f.Fuzz(func(t *testing.T, s string) {
		found := j.Look(s)
		if link := InClear(s); hasHost(link) && Blocked(found) == nil {
			t.Errorf("%q: %q is in clear, and the judge says %v", s, link, found)
		}
	})
}

// hasHost reports whether there is a host behind a scheme or www. at all.
func hasHost(link string) bool {
	link = strings.TrimPrefix(strings.ToLower(link), "http://")
	link = strings.TrimLeft(strings.TrimPrefix(link, "www"), ".")
	return link != "" && (letter(link[0]) || digit(link[0]))
}

var mail = strings.Repeat("Sehr geehrte Frau Brandt,\n\nvielen Dank für Ihre Nachricht vom 3.5.2026 um 10:15 Uhr. Ihre Karte (Nr. 12/34) ist gesperrt, z.B. für Zahlungen und/oder Überweisungen. Sie hören von uns.\n\n", 10)

func BenchmarkLookWithoutLinks(b *testing.B) {
	j := testJudge()
	b.SetBytes(int64(len(mail)))
	for b.Loop() {
		if j.Look(mail) != nil {
			b.Fatal("a link")
		}
	}
}

func BenchmarkLookWithLinks(b *testing.B) {
	j := testJudge()
	text := mail + "https://mybank.com/a https://other.example/b https://goodbanc.example/"
	for b.Loop() {
		j.Look(text)
	}
}

// The judge stays fast on what was written to make it slow.
func TestLookIsLinear(t *testing.T) {
	j := testJudge()
	for _, unit := range []string{"](", "[", "]", "a:", "a.com/", "www.", "https://a", "[a][b]", "[a]: b\n", "<a href=", "x/", "))](", ".com"} {
		n := testing.Benchmark(func(b *testing.B) {
			if b.N > 1 {
				return
			}
			j.Look(strings.Repeat(unit, 200_000/len(unit)))
		})
		if n.T.Seconds() > 3 {
			t.Errorf("%q repeated: %v", unit, n.T)
		}
	}
}

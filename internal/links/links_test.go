package links

import "testing"

func TestInClear(t *testing.T) {
	for text, want := range map[string]string{
		"Look at http://pay.example/update.":        "http://pay.example/update",
		"HTTP://PAY.EXAMPLE":                        "HTTP://PAY.EXAMPLE",
		"ht\u200btp://pay.example/":                 "http://pay.example/",
		"(http://pay.example/a?b=c)":                "http://pay.example/a?b=c",
		"https://pay.example/ and pay.example":      "",
		"> you wrote http://pay.example/\nNot ours": "http://pay.example/",
		"_http://pay.example_":                      "http://pay.example_",
		"See www.pay.example.":                      "www.pay.example",
		"https://www.pay.example and awww.x":        "",
		"https://x.example/?next=http:%2F%2Fy":      "",
		"":                                          "",
	} {
		if got := InClear(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

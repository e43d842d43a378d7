package message

import (
	"strings"
	"testing"
)

// TestTextHoldsWhatTheFrameShows: what a browser would show of a mail's HTML stands in its
// text too.
func TestTextHoldsWhatTheFrameShows(t *testing.T) {
	for html, want := range map[string]string{
		`<p>one</p><svg onload=x><p>styled</p>`:                      "styled",
		`<p>one</p><math><mi>x</mi><div>after</div>`:                 "after",
		`<p>one</p><object data=x>instead</object>`:                  "instead",
		`<p>one</p><noscript>without scripts</noscript>`:             "without scripts",
		`<p>one</p><svg><title>drawn</title><path/></svg><p>two</p>`: "two",
	} {
		got := htmlText(html)
		if !strings.Contains(got, want) || !strings.Contains(got, "one") {
			t.Errorf("%s: %q", html, got)
		}
	}
	if got := htmlText(`<p>one</p><svg><text>drawn</text></svg><script>no</script><style>nor</style>`); strings.Contains(got, "drawn") || strings.Contains(got, "nor") {
		t.Errorf("%q", got)
	}
}

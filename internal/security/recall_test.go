package security

import (
	"slices"
	"testing"
)

func TestRecallIsSaidOnlyOfEnough(t *testing.T) {
	for _, x := range []struct {
		read, missed, passed, found int64
		want                        int
		known                       bool
	}{
		{0, 0, 0, 0, 0, false}, {99, 1, 2000, 40, 0, false}, {100, 0, 2000, 0, 0, false}, // nothing was found anywhere
		{100, 0, 2000, 40, 100, true}, {200, 1, 2000, 90, 90, true}, {100, 5, 2000, 0, 0, true}, {100, 100, 100, 100, 50, true},
	} {
		if got, known := recall(x.read, x.missed, x.passed, x.found); got != x.want || known != x.known {
			t.Errorf("%+v: %d, %v", x, got, known)
		}
	}
}

func TestAssetNames(t *testing.T) {
	for asset, want := range map[string][]string{
		"": nil, "The  App": {"the app"}, "pay.Bank.example": {"pay.bank.example"}, "https://pay.bank.example:8443/a?b#c": {"https://pay.bank.example:8443/a?b#c", "pay.bank.example"},
		"orders at shop.bank.example, and www.bank.example/x": {"orders at shop.bank.example, and www.bank.example/x", "shop.bank.example", "www.bank.example"}, "://": {"://"}, "/ . ?": {"/ . ?"},
	} {
		if got := assetNames(asset); !slices.Equal(got, want) {
			t.Errorf("%q: %q", asset, got)
		}
	}
}

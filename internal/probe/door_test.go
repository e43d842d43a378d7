package probe

import (
	"testing"
	"time"

	"postern/internal/safehttp"
)

// A security.txt that is gone or over is red (row 26): who relies on it finds nobody.
func TestDoorThatIsShutIsRed(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	door := &Probe{Kind: Body, Target: "https://www.ours.example/.well-known/security.txt", Spec: Spec{Contains: "Contact:"}}
	ofCase := &Probe{Case: "c", Kind: Body, Target: "https://www.ours.example/pay", Spec: Spec{Contains: "Contact:"}}
	for _, x := range []struct {
		p      *Probe
		status int
		body   string
		want   State
	}{
		{door, 200, "Contact: mailto:security@ours.example\nExpires: 2027-01-01T00:00:00Z\n", Green},
		{door, 200, "Contact: mailto:security@ours.example\nExpires: 2026-11-24T08:59:59Z\n", Red},
		{door, 200, "Contact: mailto:security@ours.example\nExpires: soon\n", Red},
		{door, 404, "no such page", Red},
		{door, 503, "Contact: us later", Red},
		{ofCase, 404, "no such page", Unknown},
		{ofCase, 503, "Contact: us later", Unknown},
	} {
		if got, why := x.p.judge(&safehttp.Visit{Status: x.status, Body: []byte(x.body)}, now); got != x.want {
			t.Errorf("%d %q: %s (%s), want %s", x.status, x.body, got, why, x.want)
		}
	}
}

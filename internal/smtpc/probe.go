package smtpc

import (
	"context"
	"errors"

	"postern/internal/fail"
)

// Probe goes as far as AUTH and QUIT and sends no mail. The error's text says
// the cause and how to mend it.
func Probe(ctx context.Context, r Relay) error {
	k, err := connect(ctx, New(r).relay)
	if err != nil {
		return explain(r, err)
	}
	k.quit()
	return nil
}

func explain(r Relay, err error) error {
	s := (*stepError)(nil)
	if !errors.As(err, &s) {
		return fail.Wrap(fail.Unavailable, err, "the relay "+r.Addr+" cannot be used")
	}
	cause := map[string]string{
		StageConnect:  "cannot be reached; check its name and port, and that no firewall is between",
		StageBanner:   "does not greet; check that the port speaks SMTP (465 needs implicit TLS, 587 and 25 STARTTLS), and that this host may use it",
		StageEHLO:     "refuses our greeting; set the host name to a name it accepts",
		StageStartTLS: "does not start TLS; use a port that does, or implicit TLS on 465",
		StageTLS:      "fails the TLS handshake; check that its certificate is valid, carries the configured server name, and that its authority is among the trusted roots",
		StageAuth:     "refuses to sign us in; check user name and password, and that both PLAIN or LOGIN and TLS are enabled there",
	}[s.stage]
	kind := fail.Unavailable
	switch {
	case errors.Is(err, errPolicy), errors.Is(err, errClearNet), errors.Is(err, errClearPass):
		kind, cause = fail.Invalid, "is configured in a way that is not safe: "+s.text()
	case errors.Is(err, errNoStartTLS):
		cause = "does not offer STARTTLS; use a port that does, or implicit TLS on 465"
	}
	return fail.Wrap(kind, err, "the relay "+r.Addr+" "+cause)
}

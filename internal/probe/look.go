package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"postern/internal/fail"
	"postern/internal/links"
	"postern/internal/safehttp"
)

// look asks once and judges what came.
func (w *Watch) look(ctx context.Context, p *Probe) *Result {
	if p.Kind == Link {
		c := links.NewChecker(w.fetch, w.o.Judge, w.o.DB.Now)
		c.Patience = followFor
		r := c.Follow(ctx, p.Target)
		return &Result{Probe: p.ID, At: r.At, State: stateOf(r.Verdict), Why: r.Why(), Evidence: encode(r), Hash: r.Hash}
	}
	now := w.o.DB.Now()
	e := evidence{At: now, URL: p.Target}
	v, err := w.fetch(ctx, p.Target)
	if err != nil {
		e.Trouble = fail.Text(err)
		switch {
		case errors.Is(err, links.ErrOutside):
			e.Trouble = "the host is not confirmed any more"
		case e.Trouble == "":
			e.Trouble = "there was no answer in time"
		}
		return e.result(p, Unknown, "it could not be looked at: "+e.Trouble)
	}
	e.fill(p, v)
	state, why := p.judge(v, now)
	return e.result(p, state, why)
}

func stateOf(v links.Verdict) State {
	switch v {
	case links.Green:
		return Green
	case links.Amber:
		return Amber
	case links.Red:
		return Red
	}
	return Unknown
}

// evidence is what is kept of one answer, besides links.Report. Of the page itself only
// its hash: it may hold what is nobody's business here.
type evidence struct {
	At      time.Time   `json:"at"`
	URL     string      `json:"url"`
	Status  int         `json:"status,omitempty"`
	Address string      `json:"address,omitempty"`
	Cert    *links.Cert `json:"certificate,omitempty"`
	Header  []string    `json:"header,omitempty"` // the one that was asked for
	Page    string      `json:"page,omitempty"`
	Trouble string      `json:"trouble,omitempty"`
}

func (e *evidence) fill(p *Probe, v *safehttp.Visit) {
	e.Status, e.Address = v.Status, v.Address
	if v.Certificate != nil {
		e.Cert = links.NewCert(p.Host, v.Certificate)
		for _, f := range v.Faults {
			e.Cert.Faults = append(e.Cert.Faults, string(f))
		}
	}
	if p.Kind == Header {
		e.Header = v.Header.Values(p.Spec.Name)
	}
	sum := sha256.Sum256(v.Body)
	e.Page = hex.EncodeToString(sum[:])
}

func (e *evidence) result(p *Probe, s State, why string) *Result {
	b := encode(e)
	sum := sha256.Sum256(b)
	return &Result{Probe: p.ID, At: e.At, State: s, Why: why, Evidence: b, Hash: hex.EncodeToString(sum[:])}
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage(`{}`) // there is nothing in it that cannot be written
	}
	return b
}

// judge compares an answer with what must be so. A host that is in trouble says nothing
// about its pages.
func (p *Probe) judge(v *safehttp.Visit, now time.Time) (State, string) {
	if len(v.Faults) > 0 {
		return Red, "its certificate vouches for nothing: " + string(v.Faults[0])
	}
	if v.Status >= 500 && p.Kind != Status && p.Kind != Certificate && !p.door() {
		return Unknown, fmt.Sprintf("it answers with an error (%d)", v.Status)
	}
	s := p.Spec
	switch p.Kind {
	case Header:
		values := v.Header.Values(s.Name)
		if len(values) == 0 {
			return Red, "the header " + s.Name + " is not sent"
		}
		if !holds(strings.Join(values, ", "), s.Contains) {
			return Red, "the header " + s.Name + " does not hold " + s.Contains
		}
	case Certificate:
		if v.Certificate == nil {
			return Unknown, "no certificate was shown"
		}
		if left := int(v.Certificate.NotAfter.Sub(now) / day); left < s.Days {
			return Red, fmt.Sprintf("the certificate ends in %d days", left)
		}
	case Status:
		if v.Status != s.Status {
			return Red, fmt.Sprintf("it answers with %d and not with %d", v.Status, s.Status)
		}
	case Body:
		return p.judgeBody(v, now)
	}
	return Green, ""
}

// door reports whether it watches a page of our own that must show something to whoever
// comes.
func (p *Probe) door() bool { return p.Case == "" && p.Kind == Body && p.Spec.Contains != "" }

func (p *Probe) judgeBody(v *safehttp.Visit, now time.Time) (State, string) {
	switch {
	case v.Status >= 400 && p.door(): // one that shows nothing is shut
		return Red, fmt.Sprintf("it answers with an error (%d)", v.Status)
	case v.Status >= 400:
		return Unknown, fmt.Sprintf("it answers with an error (%d)", v.Status)
	}
	s, body := p.Spec, string(v.Body)
	if s.Without != "" && holds(body, s.Without) {
		return Red, "the page holds what it must not hold"
	}
	if v.Cut && (s.Without != "" || !holds(body, s.Contains)) {
		return Unknown, "the page is longer than what is read of it"
	}
	if !holds(body, s.Contains) {
		return Red, "the page does not hold what it must hold"
	}
	if m := expires.FindStringSubmatch(body); m != nil && strings.HasSuffix(p.Target, "/.well-known/security.txt") {
		if at, err := time.Parse(time.RFC3339, m[1]); err != nil || !now.Before(at) {
			return Red, "it has expired: nobody may rely on it any more (RFC 9116, 2.5.5)"
		}
	}
	return Green, ""
}

var expires = regexp.MustCompile(`(?im)^Expires:\s*(\S+)\s*$`)

func holds(text, words string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(words))
}

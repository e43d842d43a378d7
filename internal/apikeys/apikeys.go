// Package apikeys keeps the keys by which the organisation's own systems speak
// to the desk: core banking, billing, the customer register.
//
// A key is shown once, when it is made. What is kept is its keyed hash, so that
// neither a stolen database nor a row written into it opens anything. A key may
// do only what its scopes name; revoked or expired, it stops with the next
// request. A key is nobody: what it sends is never counted as a person's answer.
//
// Layout: table api_keys, one row a key; no row is ever deleted.
package apikeys

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"postern/internal/audit"
	"postern/internal/db"
	"postern/internal/fail"
)

// ID names a key. It is the first part of the key itself, and no secret.
type ID string

// Scope is one thing a key may do.
type Scope string

const (
	MessagesSend        Scope = "messages.send"
	MessagesRead        Scope = "messages.read"
	ContactsRead        Scope = "contacts.read"
	ContactsWrite       Scope = "contacts.write"
	InstructionsPropose Scope = "instructions.propose"
	InstructionsRead    Scope = "instructions.read"
	WebhooksManage      Scope = "webhooks.manage"
	ReportsSend         Scope = "reports.send"
)

// Scopes lists all, in the order they are shown.
var Scopes = []Scope{MessagesSend, MessagesRead, ContactsRead, ContactsWrite, InstructionsPropose, InstructionsRead, WebhooksManage, ReportsSend}

// A Key opens the API for one system.
type Key struct {
	ID      ID
	Name    string // which system holds it
	Scopes  []Scope
	By      string // the actor who made it
	Made    time.Time
	Used    time.Time // to the hour
	Expires time.Time // zero: it does not
	Revoked time.Time
	hash    string
}

// May reports whether the key may do something; nothing is granted by default.
func (k *Key) May(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Live reports whether the key opens anything now.
func (k *Key) Live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// Stale reports whether the time of last use should be written again: once an
// hour is enough to see which keys are needed.
func (k *Key) Stale(now time.Time) bool { return now.Sub(k.Used) >= time.Hour }

// Actor is the key's name in the audit log and as the author of messages.
func (k *Key) Actor() string { return audit.APIKey(string(k.ID)) }

// ParseScopes reads scope names; an unknown one is Invalid.
func ParseScopes(names []string) ([]Scope, error) {
	var out []Scope
	for _, n := range names {
		s := Scope(strings.TrimSpace(n))
		if !slices.Contains(Scopes, s) {
			return nil, fail.New(fail.Invalid, "there is no scope %q; there are %s", n, list(Scopes))
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fail.New(fail.Invalid, "a key needs at least one scope; there are %s", list(Scopes))
	}
	return out, nil
}

func list(scopes []Scope) string {
	var s []string
	for _, x := range scopes {
		s = append(s, string(x))
	}
	return strings.Join(s, ", ")
}

// check refuses what a key cannot be.
func (k *Key) check(now time.Time) (err error) {
	k.Name = strings.TrimSpace(k.Name)
	if k.Name == "" || len(k.Name) > 100 || strings.ContainsFunc(k.Name, unicode.IsControl) {
		return fail.New(fail.Invalid, "name the system that will hold the key, in at most 100 characters")
	}
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		return fail.New(fail.Invalid, "a key must expire in the future")
	}
	var names []string
	for _, s := range k.Scopes {
		names = append(names, string(s))
	}
	k.Scopes, err = ParseScopes(names)
	return err
}

// Prefix begins every key, so that scanners of code and logs find a leaked one.
const Prefix = "pk_"

const idLen, secretLen = 26, 32

// newToken makes a key: its id, and 160 random bits.
func newToken() (token string, id ID, secret string) {
	id, secret = ID(db.NewID()), db.NewSecret()
	return Prefix + string(id) + "_" + secret, id, secret
}

// split takes a key apart; ok is false for what no key looks like.
func split(token string) (id ID, secret string, ok bool) {
	rest, ok := strings.CutPrefix(token, Prefix)
	if !ok || len(rest) != idLen+1+secretLen || rest[idLen] != '_' {
		return "", "", false
	}
	id, secret = ID(rest[:idLen]), rest[idLen+1:]
	return id, secret, !strings.ContainsFunc(string(id)+secret, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') })
}

package policy

// Level is how sure a proof of an instruction makes us, weakest first. The
// numbers are stored.
type Level int64

const (
	ByCall      Level = 1 // a code that crossed between a call to the number on file and the portal
	ByTOTP      Level = 2 // a code of their authenticator app, in a session on the portal
	ByPasskey   Level = 3 // with user verification, on the page that shows the text
	BySignature Level = 4 // OpenPGP, by their verified key, over the text
)

// Wish is what the proof that an instruction needs depends on.
type Wish struct {
	Type    Level // what its type and its values demand
	Signer  Level // what its type demands of somebody who can do better
	Able    bool  // they have a verified key or a passkey
	Strict  bool  // the organisation takes passkeys and verified keys only
	Consent bool  // they chose: a call-back is enough for my instructions
	Risky   bool  // the type is listed: their choice does not lower it
}

// Proof says how strong a proof must be, and why, for the agent and the page.
//
// Who can sign is not believed unsigned: whoever took over a mailbox or a phone
// would else simply choose the weaker way.
func Proof(w Wish) (Level, string) {
	level, why := w.Type, "this kind of instruction needs it"
	switch {
	case w.Consent && !w.Strict && !w.Risky:
		return ByCall, "they chose that a call-back is enough"
	case w.Able && w.Signer > level:
		level, why = w.Signer, "they can sign or use a passkey, so nothing weaker counts"
	}
	if w.Strict && level < ByPasskey {
		level, why = ByPasskey, "we take passkeys and checked signatures only"
	}
	return level, why
}

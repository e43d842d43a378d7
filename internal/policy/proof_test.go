package policy

import "testing"

func TestP3WhoCanSignIsNotBelievedUnsigned(t *testing.T) {
	for _, level := range []Level{ByCall, ByTOTP, ByPasskey, BySignature} {
		for _, signer := range []Level{ByCall, ByTOTP, ByPasskey, BySignature} {
			for bits := range 16 {
				w := Wish{level, signer, bits&1 > 0, bits&2 > 0, bits&4 > 0, bits&8 > 0}
				got, why := Proof(w)
				chose := w.Consent && !w.Strict && !w.Risky
				switch {
				case why == "":
					t.Errorf("%+v has no reason", w)
				case !chose && got < level:
					t.Errorf("%+v: %d is less than its type demands", w, got)
				case !chose && w.Able && got < signer:
					t.Errorf("%+v: %d from somebody who can do better", w, got)
				case w.Strict && got < ByPasskey:
					t.Errorf("%+v: %d though only passkeys and keys count", w, got)
				case chose && got != ByCall:
					t.Errorf("%+v: %d though they chose otherwise", w, got)
				}
			}
		}
	}
}

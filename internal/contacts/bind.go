package contacts

import (
	"context"
	"time"

	"postern/internal/db"
	"postern/internal/fail"
	"postern/internal/pgp"
)

// What a person proved that they want (package instructions) changes their card
// here. There is no other way to replace a verified key or a number.

// ByInstruction is how a key was verified that its owner bound by an instruction.
const ByInstruction = "instruction"

// BindKey makes the certificate the contact's verified key, and takes authority
// from those that were before it.
func (b *Book) BindKey(ctx context.Context, tx *db.Tx, c *Contact, cert *pgp.Key, instruction string) error {
	if _, err := b.AddKey(ctx, tx, c, cert, Seen, ByInstruction); err != nil {
		return err
	}
	fresh, err := b.Get(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for i := range fresh.Keys {
		k := &fresh.Keys[i]
		switch {
		case k.Cert.Fingerprint() == cert.Fingerprint() && (k.Trust == Rejected || k.Trust == Revoked):
			return fail.New(fail.Conflict, "this key was %s and cannot be used again", k.Trust)
		case k.Cert.Fingerprint() == cert.Fingerprint():
			if err := cert.CanEncrypt(tx.Now); err != nil {
				return err
			}
			k.Trust, k.Via, k.By, k.ByName, k.Verified, k.Pending = Verified, ByInstruction, instruction, "their own instruction", tx.Now, false
			k.Replaced = ""
		case k.Trust == Verified:
			if err := GaveUp(ctx, tx, c.ID); err != nil { // the new one is too new for some things
				return err
			}
			k.Trust, k.Replaced = Expired, instruction
		default:
			continue
		}
		if err := b.SaveKey(ctx, tx, k); err != nil {
			return err
		}
	}
	return nil
}

// UnbindKey takes a key away that an instruction bound, and gives back those whose
// place it took. It stays on file, without authority: its owner may prove it again.
func (b *Book) UnbindKey(ctx context.Context, tx *db.Tx, c *Contact, fp pgp.Fingerprint, instruction string) error {
	for i := range c.Keys {
		k := &c.Keys[i]
		switch {
		case k.Cert.Fingerprint() == fp && k.Trust == Verified:
			k.Trust, k.Via, k.By, k.ByName, k.Verified = Seen, "", "", "", time.Time{}
		case k.Replaced == instruction && k.Trust == Expired:
			k.Trust, k.Replaced = Verified, ""
		default:
			continue
		}
		if err := b.SaveKey(ctx, tx, k); err != nil {
			return err
		}
	}
	return nil
}

// DropKeys takes authority from all of the contact's verified keys: they lost them.
func (b *Book) DropKeys(ctx context.Context, tx *db.Tx, c *Contact) error {
	for i := range c.Keys {
		if k := &c.Keys[i]; k.Trust == Verified || k.Replaced != "" { // nothing of it comes back
			if k.Replaced = ""; k.Trust == Verified {
				k.Trust = Expired
			}
			if err := b.SaveKey(ctx, tx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReplacePhone puts a number on file in place of all earlier ones.
func (b *Book) ReplacePhone(ctx context.Context, tx *db.Tx, id ID, number, instruction string) error {
	if err := b.AddPhone(ctx, tx, id, number, ByInstruction, instruction); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM contact_phones WHERE contact_id = $1 AND by_staff <> $2`, id, instruction)
	return err
}

// PreferAddress makes an address the one we write to; theirs already or new. The
// others stay: they are told of what happens.
func (b *Book) PreferAddress(ctx context.Context, tx *db.Tx, id ID, address string) error {
	n, err := tx.Exec(ctx, `UPDATE contact_addresses SET preferred_at = $3 WHERE lookup = $1 AND contact_id = $2`, b.lookup(address), id, db.Micros(tx.Now))
	if err != nil || n > 0 {
		return err
	}
	if err := b.AddAddress(ctx, tx, id, address, ByInstruction); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE contact_addresses SET preferred_at = $3 WHERE lookup = $1 AND contact_id = $2`, b.lookup(address), id, db.Micros(tx.Now))
	return err
}

// able is how long somebody who gave up a passkey or a key is still held to it:
// whoever took over an account must not lower what it takes to empty it.
const able = 30 * 24 * time.Hour

// Able reports whether the contact has, or had not long ago, a key that proves
// more than a code, checked by some moment; one that was revoked counts, or whoever
// stole it would lower what is needed. Passkeys are counted elsewhere.
func (c *Contact) Able(now, by time.Time) bool {
	if now.Before(c.AbleUntil) {
		return true
	}
	for _, k := range c.Keys {
		end := k.Cert.Expires()
		if k.Trust == Verified && !k.Verified.After(by) && (end.IsZero() || now.Before(end.Add(able))) {
			return true
		}
	}
	return false
}

// GaveUp notes that the contact gave up what was stronger than a code.
func GaveUp(ctx context.Context, tx *db.Tx, id ID) error {
	return tx.Put(ctx, `UPDATE contacts SET able_until = $2 WHERE id = $1 AND able_until < $2`, id, db.Micros(tx.Now.Add(able)))
}

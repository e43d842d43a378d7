package contacts_test

import (
	"context"
	"testing"
	"time"

	"postern/internal/contacts"
	"postern/internal/db"
	"postern/internal/db/dbtest"
	"postern/internal/evidence"
	"postern/internal/fail"
	"postern/internal/pgp"
	"postern/internal/vault"
)

// book is a book of contacts with one person in it.
type book struct {
	*testing.T
	*contacts.Book
	d *db.DB
	v *vault.Vault
	c contacts.ID
}

const ada = "ada@brandt.example"

func each(t *testing.T, f func(*book)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v, err := vault.New(vault.NewMaster())
		if err != nil {
			t.Fatal(err)
		}
		b := &book{t, contacts.NewBook(v), d, v, ""}
		n := b.New("Ada Brandt", ada, "mail", d.Now())
		b.c = n.ID
		b.update(func(ctx context.Context, tx *db.Tx) error { return b.Add(ctx, tx, n) })
		f(b)
	})
}

func (b *book) update(f func(context.Context, *db.Tx) error) {
	b.Helper()
	if err := b.d.Update(b.Context(), func(tx *db.Tx) error { return f(b.Context(), tx) }); err != nil {
		b.Fatal(err)
	}
}

func (b *book) view(f func(context.Context, *db.Tx) error) error {
	return b.d.View(b.Context(), func(tx *db.Tx) error { return f(b.Context(), tx) })
}

func (b *book) get() (c *contacts.Contact) {
	b.Helper()
	if err := b.view(func(ctx context.Context, tx *db.Tx) (err error) { c, err = b.Get(ctx, tx, b.c); return err }); err != nil {
		b.Fatal(err)
	}
	return c
}

func (b *book) learn(cert *pgp.Key) (l contacts.Learnt) {
	b.Helper()
	b.update(func(ctx context.Context, tx *db.Tx) error {
		c, err := b.Get(ctx, tx, b.c)
		if err == nil {
			l, err = b.AddKey(ctx, tx, c, cert, contacts.Harvested, "autocrypt")
		}
		return err
	})
	return l
}

func generate(t testing.TB, at time.Time) *pgp.Key {
	t.Helper()
	s, err := pgp.Generate("Ada", ada, at)
	if err != nil {
		t.Fatal(err)
	}
	return s.Public()
}

// What a mail brings along teaches once, and never takes a verified key's place.
func TestSecondKeyNeverTakesTheFirstOnesPlace(t *testing.T) {
	each(t, func(b *book) {
		one, two := generate(t, b.d.Now().Add(-time.Hour)), generate(t, b.d.Now().Add(-time.Minute))
		for i, want := range []contacts.Learnt{contacts.Fresh, contacts.Nothing} {
			if got := b.learn(one); got != want {
				t.Errorf("%d: learnt %q, want %q", i, got, want)
			}
		}
		k := b.get().Keys[0]
		if k.Trust != contacts.Harvested || k.Pending {
			t.Errorf("%+v", k)
		}
		if use, _ := b.get().VerifiedKey(b.d.Now()); use != nil {
			t.Error("a key that only came along is used")
		}
		if err := k.Verify("call-back", "noor", "Noor", b.d.Now()); err != nil {
			t.Fatal(err)
		}
		b.update(func(ctx context.Context, tx *db.Tx) error { return b.SaveKey(ctx, tx, &k) })
		if got := b.learn(two); got != contacts.Beside {
			t.Errorf("learnt %q beside a verified key", got)
		}
		c := b.get()
		use, err := c.VerifiedKey(b.d.Now())
		if err != nil || use.Cert.Fingerprint() != one.Fingerprint() || use.ByName != "Noor" || len(c.Keys) != 2 {
			t.Errorf("%v, %+v", err, use)
		}
		for _, k := range c.Keys {
			if pending := k.Cert.Fingerprint() == two.Fingerprint(); k.Pending != pending {
				t.Errorf("%s pending %v", k.Cert.Fingerprint(), k.Pending)
			}
		}
	})
}

// A comparison by mail proves nothing: whoever forges the key forges the mail.
func TestVerifyNeedsAnotherWay(t *testing.T) {
	k := contacts.Key{Cert: generate(t, time.Now().Add(-time.Hour)), Trust: contacts.Harvested}
	for _, way := range []string{"", "mail", "e-mail", "Call-back"} {
		if err := k.Verify(way, "noor", "Noor", time.Now()); !fail.Is(err, fail.Invalid) || k.Trust != contacts.Harvested {
			t.Errorf("%q: %v, %s", way, err, k.Trust)
		}
	}
	k.Reject("noor", "Noor")
	if err := k.Verify("letter", "noor", "Noor", time.Now()); !fail.Is(err, fail.Conflict) {
		t.Errorf("a rejected key: %v", err)
	}
}

func TestAddressBelongsToOne(t *testing.T) {
	each(t, func(b *book) {
		for _, address := range []string{ada, "ADA@Brandt.Example"} {
			other := b.New("Mallory", address, "mail", b.d.Now())
			if err := b.d.Update(t.Context(), func(tx *db.Tx) error { return b.Add(t.Context(), tx, other) }); !fail.Is(err, fail.Conflict) {
				t.Errorf("%s: %v", address, err)
			}
		}
		var found *contacts.Contact
		err := b.view(func(ctx context.Context, tx *db.Tx) (err error) {
			found, err = b.Find(ctx, tx, "Ada@brandt.example")
			return err
		})
		if err != nil || found.ID != b.c || len(found.Addresses) != 1 {
			t.Errorf("%v %+v", err, found)
		}
		if err := b.view(func(ctx context.Context, tx *db.Tx) error {
			_, err := b.Find(ctx, tx, "ada@brandt.example.evil")
			return err
		}); !fail.Is(err, fail.NotFound) {
			t.Errorf("%v", err)
		}
	})
}

// Who is asked for with the data key gets both, in one go.
func TestAskBringsTheDataKey(t *testing.T) {
	each(t, func(b *book) {
		for address, want := range map[string]bool{ada: true, "nobody@brandt.example": false} {
			who := b.Ask(address)
			key := who.AskKey(b.v)
			if err := b.view(func(ctx context.Context, tx *db.Tx) error { return tx.Read(ctx, who.Queries...) }); err != nil {
				t.Fatal(err)
			}
			c, err := who.Contact()
			k, err2 := key.Key()
			if (err == nil) != want || (err2 == nil) != want || want && (c.Title() != "Ada Brandt" || k.ID != c.KeyID) {
				t.Errorf("%s: %v %v %v", address, c, err, err2)
			}
		}
	})
}

// The verdict's view of the book: by address and by key id, with the trust.
func TestLookup(t *testing.T) {
	each(t, func(b *book) {
		one := generate(t, b.d.Now().Add(-time.Hour))
		b.learn(one)
		l := b.Lookup(t.Context(), b.d)
		for name, got := range map[string][]evidence.Known{"address": l.ByAddress(ada), "id": l.ByID(one.KeyIDs(), nil)} {
			if len(got) != 1 || got[0].Key.Fingerprint() != one.Fingerprint() || got[0].Trust != contacts.Harvested || got[0].Owner != string(b.c) {
				t.Errorf("by %s: %+v", name, got)
			}
		}
		if got := l.ByAddress("nobody@brandt.example"); len(got) != 0 || l.Err() != nil {
			t.Errorf("%v %v", got, l.Err())
		}
		b.d.Close()
		if l.ByAddress("ben@other.example"); l.Err() == nil {
			t.Error("a verdict without the database would count")
		}
	})
}

func TestSearchFindsByBeginnings(t *testing.T) {
	each(t, func(b *book) {
		for query, want := range map[string]int{"ada": 1, "BRAN": 1, "ada brandt": 1, "brandx": 0, "": 0, "ben": 0} {
			var got []contacts.Contact
			if err := b.view(func(ctx context.Context, tx *db.Tx) (err error) { got, err = b.Search(ctx, tx, query, 10); return err }); err != nil || len(got) != want {
				t.Errorf("%q: %d found, %v; want %d", query, len(got), err, want)
			}
		}
	})
}

func TestPhoneNeedsDigits(t *testing.T) {
	each(t, func(b *book) {
		err := b.d.Update(t.Context(), func(tx *db.Tx) error { return b.AddPhone(t.Context(), tx, b.c, "call me", "staff", "noor") })
		if !fail.Is(err, fail.Invalid) {
			t.Errorf("%v", err)
		}
		b.update(func(ctx context.Context, tx *db.Tx) error {
			return b.AddPhone(ctx, tx, b.c, "0171 5550142", "staff", "noor")
		})
		if c := b.get(); len(c.Phones) != 1 || c.Phones[0].Number != "0171 5550142" || c.Phones[0].Last() != "•• 42" {
			t.Errorf("%+v", c.Phones)
		}
	})
}

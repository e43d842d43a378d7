package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/authorise"
	"postern/internal/instructions"
	"postern/internal/pgp"
)

func newCustomer(name, address string) (customer, error) {
	secret, err := pgp.Generate(name, address, time.Now().Add(-time.Hour))
	return customer{name, address, secret}, err
}

// ada signs and encrypts, and her key is compared with her by telephone; then a
// mail comes in her name that is not signed.
func (s *scene) ada(ctx context.Context) error {
	ada, err := newCustomer("Ada Brandt", "ada@brandt-family.example")
	if err != nil {
		return err
	}
	if err := s.write(ctx, ada, "New address from 1 December", `Good morning,

we are moving on 1 December. From then on please send everything to
Tannery Lane 12, 2nd floor. My new card can still go to the old address,
I am there until the 30th.

Do you need anything else from me?
Ada Brandt`, true); err != nil {
		return err
	}
	if err := s.phone(ctx, ada.address, "+44 555 0142"); err != nil {
		return err
	}
	if err := s.compare(ctx, ada.address); err != nil {
		return err
	}
	if err := s.answer(ctx, ada.address, `Dear Ada,

thank you. Your new card goes to the old address on Tuesday.
For the change itself I call you tomorrow on the number we hold.

Kind regards,
Mara Stein`, false); err != nil {
		return err
	}
	if err := s.move(ctx, ada); err != nil {
		return err
	}
	return s.write(ctx, customer{"Ada Brandt", ada.address, nil}, "Payee for the rent", `Hi, sorry, in a hurry, writing from my phone. Please also change the payee
for the rent, details are here: http://rent-forms.example/form

✔ Verified message. Signed by Ada Brandt.

Thanks, A.`, false)
}

// move: the triager proposed Ada's move out of her mail, and she signed the text;
// it waits for a yes of somebody else's.
func (s *scene) move(ctx context.Context, ada customer) error {
	i, err := s.propose(ctx, ada.address, "postal-address", map[string]string{"street": "Tannery Lane 12, 2nd floor", "town": "4418 Westhaven", "from": time.Now().AddDate(0, 1, 0).Format(time.DateOnly)})
	if err != nil {
		return err
	}
	text := instructions.ApproveLine(i.Doc.Ref) + "\n\n> " + strings.ReplaceAll(strings.TrimSpace(i.Doc.Text), "\n", "\n> ")
	if err := s.write(ctx, ada, "Re: Please approve, or stop it", text, true); err != nil {
		return err
	}
	return s.until(ctx, `SELECT COUNT(*) FROM instructions WHERE state = 'proposed'`)
}

// propose is the triager's idea of what a customer wants.
func (s *scene) propose(ctx context.Context, address, kind string, values map[string]string) (*instructions.Instruction, error) {
	p, c, err := s.of(ctx, address)
	if err != nil {
		return nil, err
	}
	i, wrong, err := s.d.auth.Propose(ctx, &authorise.Proposal{Contact: p.ID, Case: c.ID, Type: kind, Values: values, Proposer: audit.Staff(s.triager)})
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("the demo's instruction is wrong: %v", wrong)
	}
	return i, err
}

// jonas signs; his key came with the mail and nobody has compared it.
func (s *scene) jonas(ctx context.Context) error {
	jonas, err := newCustomer("Jonas Feld", "jonas@feld.example")
	if err != nil {
		return err
	}
	if err := s.write(ctx, jonas, "Opening hours in the holidays", "Hello,\n\nare you open on 27 December?\n\nJonas Feld", false); err != nil {
		return err
	}
	return s.answer(ctx, jonas.address, "Dear Jonas Feld,\n\nyes, from 9 to 13.\n\nKind regards,\nMara Stein", false)
}

// lena has no key: what is sensitive waits for her on the portal.
func (s *scene) lena(ctx context.Context) error {
	lena := customer{"Lena Okafor", "lena@kestrelmail.example", nil}
	if err := s.write(ctx, lena, "My yearly statement has a page missing", "Good evening,\n\npage 3 of my statement is missing. Could you send it again?\nMy account is DE89 3704 0044 0532 0130 00.\n\nLena Okafor", false); err != nil {
		return err
	}
	if err := s.phone(ctx, lena.address, "+44 555 0177"); err != nil {
		return err
	}
	if _, err := s.propose(ctx, lena.address, "card", map[string]string{"card": "ending in 4471", "reason": "Lost"}); err != nil {
		return err
	}
	return s.answer(ctx, lena.address, "Dear Lena Okafor,\n\nthe missing page says: interest 12.40, fees none, closing balance 3,118.02.\nThe printed one comes by post.\n\nKind regards,\nMara Stein", true)
}

// odd are the mails that every desk gets: a false name, a newsletter, and one
// that nobody can read.
func (s *scene) odd(ctx context.Context) error {
	if err := s.write(ctx, customer{"ada@brandt-family.example", "helpdesk@northmere-support.example", nil}, "Urgent: confirm my new phone number", "Please note my new number +44 555 0666 and send the codes there.", false); err != nil {
		return err
	}
	if err := s.write(ctx, customer{"Sam Whitlock", "sam@whitlock.example", nil}, "Is the mail of Friday from you?", "I got a mail that says my account will be closed. It asks for my PIN. Was that you?", false); err != nil {
		return err
	}
	return s.send(ctx, "odd@mailer.example", []byte("From: Odd <odd@mailer.example>\r\nTo: "+s.cfg.Mailbox+"\r\nSubject: Invoice\r\nDate: "+time.Now().Format(time.RFC1123Z)+
		"\r\nMessage-ID: <odd-1@mailer.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+ADw-script+AD4-\r\n"))
}

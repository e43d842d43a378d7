package app

import (
	"context"

	"postern/internal/centre"
	"postern/internal/lang"
	"postern/internal/staff"
)

// upstairs are those who are called when nobody below answered.
func (s *scene) upstairs() []*staff.Person {
	return []*staff.Person{{Name: "Runa Vik", Email: "runa@northmere.example", Roles: []staff.Role{staff.Lead}}, {Name: "Sol Amaya", Email: "sol@northmere.example", Roles: []staff.Role{staff.Executive}}}
}

// shelf is what people find before they write, and what agents need not type.
func (s *scene) shelf(ctx context.Context) error {
	for _, a := range []centre.Article{
		{Published: true, Topic: "getting-in", Texts: map[lang.Lang]centre.ArticleIn{
			lang.English: {Title: "Card lost or stolen", Text: "Call us at any hour: we block it at once, and a new one is with you in four days.\n\n## What we need from you\n\n- which card it is\n- where the new one may go\n\nNobody of us asks for your PIN."},
			lang.German:  {Title: "Karte verloren oder gestohlen", Text: "Rufen Sie zu jeder Stunde an: Wir sperren sie sofort, und eine neue ist in vier Tagen bei Ihnen.\n\n## Was wir von Ihnen brauchen\n\n- welche Karte es ist\n- wohin die neue darf\n\nNiemand von uns fragt nach Ihrer PIN."}}},
		{Published: true, Topic: "payments-and-bills", Texts: map[lang.Lang]centre.ArticleIn{lang.English: {Title: "A bill came twice", Text: "Pay it once. The second is void, and no reminder follows."}, lang.German: {Title: "Eine Rechnung kam zweimal", Text: "Zahlen Sie sie einmal. Die zweite gilt nicht, und es folgt keine Mahnung."}}},
	} {
		if _, err := s.d.centre.SaveArticle(ctx, "demo", &a); err != nil {
			return err
		}
	}
	for _, r := range []centre.Reply{
		{Folder: "General", Name: "When we are open", Prefix: "hours", Texts: centre.Texts{lang.English: "Dear {name},\n\nwe are open from Monday to Friday, nine to five, except on public holidays. You find us at Quay Street 4; the nearest stop of the tram is Harbour.\n\nKind regards\n{agent}"}},
		{Folder: "Cards", Name: "Card is blocked", Prefix: "lost", Texts: centre.Texts{lang.English: "Dear {name},\n\nyour card is blocked since this minute, and nobody can use it any more. A new one is with you in four days. Your reference is {reference}.\n\nKind regards\n{agent}"}, Do: centre.Do{Assign: true}},
	} {
		if _, err := s.d.centre.SaveReply(ctx, "demo", &r); err != nil {
			return err
		}
	}
	return nil
}

// sam, who asked whether a mail is ours, asks for a person: somebody further up is called.
func (s *scene) sam(ctx context.Context) error {
	_, c, err := s.of(ctx, "sam@whitlock.example")
	if err != nil {
		return err
	}
	_, err = s.d.intake.AskPerson(ctx, s.d.cases.Tokens.Make(c.Ref))
	return err
}

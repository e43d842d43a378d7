// Package desk is the staff's side: inbox, cases, contacts, and the house's
// own affairs. Each page has a struct in a *_view.go and a template in
// templates/; the struct holds words and numbers fit to be shown, the template
// holds the texts.
package desk

package desk

import "postern/internal/web"

// WebhooksPage is "webhooks".
type WebhooksPage struct {
	web.Staff
	Rows   []WebhookRow
	Events []Option
	URL    string // as typed

	Secret, SecretOf string // shown once, and the address of the webhook it is of
}

// WebhookRow is one system that is told.
type WebhookRow struct {
	ID, Address, Why, Events string
	Turn                     string // which secret a new one takes the place of
	Enabled                  bool
	Made                     web.When
	Calls                    []CallRow
}

// CallRow is one call of it.
type CallRow struct {
	ID, Event, State, Reason string
	Tries                    int64
	At                       web.When
	Again                    bool
}

package desk

import "postern/internal/web"

// WebhooksPage is "webhooks".
type WebhooksPage struct {
	web.Staff
	Rows   []WebhookRow
	Events []Option
	URL    string // as typed
	Secret string // shown once
}

// WebhookRow is one system that is told.
type WebhookRow struct {
	ID, Host, Why, Events string
	Enabled               bool
	Made                  web.When
	Calls                 []CallRow
}

// CallRow is one call of it.
type CallRow struct {
	ID, Event, State, Reason string
	Tries                    int64
	At                       web.When
	Again                    bool
}

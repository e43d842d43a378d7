package desk

import "postern/internal/web"

// InboxPage is "inbox": one view of the cases, newest first.
type InboxPage struct {
	web.Staff
	View   string // open, mine, unassigned, waiting, held, lifted, closed
	Total  int    // cases in the view, as counted for the rail
	Unread int    // of those on this page
	Rows   []Row
	Older  string // address of the next page; empty on the last
	Newer  string // address of the first page; empty on it
	Peek   *Peek  // the case that is open beside the list; may be nil
}

// Row is a case in a list.
type Row struct {
	ID       string
	Who      string
	Subject  string
	At       web.When // of the last word
	Trust    web.Trust
	Unread   bool
	Held     bool
	Alarm    bool
	Lifted   bool     // somebody further up was called
	Due      web.When // when a person's word is due
	Late     bool     // and it is past
	Waiting  bool
	Closed   bool
	Assignee string // empty: nobody
	On       bool   // it is the one beside the list
}

// Peek shows the newest message of a case beside the list.
type Peek struct {
	ID, Ref, Subject, Who string
	Sensitive             bool
	Message               Message
	Protection            web.Protection // how an answer to the person would go
}

// SearchPage is "search".
type SearchPage struct {
	web.Staff
	Query    string
	Rows     []Row
	Contacts []ContactRow
	More     bool // there is more than is shown
}

package public

import (
	"html/template"

	"postern/internal/centre"
	"postern/internal/web"
)

// HelpPage is "help": articles, and the doors.
type HelpPage struct {
	web.Public
	Query    string
	Articles []Leaf
	Topics   []centre.Choice
}

// Leaf is an article in a list.
type Leaf struct{ URL, Title, Lang, First string }

// ArticlePage is "article", and "article-said" once they said whether it helped.
type ArticlePage struct {
	web.Public
	ID, Title string
	In        string // language of the text
	Topic     string // what a message about it is about
	Body      template.HTML
	Changed   web.When
	Said      string // "yes", "no"
}

package desk

import (
	"html/template"

	"postern/internal/centre"
	"postern/internal/web"
)

// ArticlesPage is "articles".
type ArticlesPage struct {
	web.Staff
	Rows []ArticleRow
}

// ArticleRow is an article in the list.
type ArticleRow struct {
	ID, Title, Topic string
	Langs            []string
	Published        bool
	Changed          web.When
	centre.Votes
}

// ArticlePage is "article-edit".
type ArticlePage struct {
	web.Staff
	ID, Title string
	Version   int64
	Published bool
	Texts     []ArticleText
	Topics    []Option
	Versions  []ReplyVersion
}

// ArticleText is the article in one language, and how it reads.
type ArticleText struct {
	Lang, Name, Title, Text string
	Preview                 template.HTML
	Wrong, WrongText        string // with title and text
}

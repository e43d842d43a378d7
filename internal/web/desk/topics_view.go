package desk

import (
	"postern/internal/centre"
	"postern/internal/web"
)

// TopicsPage is "topics": the list as text, and as people see it.
type TopicsPage struct {
	web.Staff
	Text    string
	Version int64
	List    []centre.Choice
	German  []centre.Choice
}

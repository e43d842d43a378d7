package public

import (
	"embed"
	"html/template"

	"postern/internal/web"
)

//go:embed templates
var templates embed.FS

// Templates has every public page; the comment of each page's struct names its
// template.
var Templates = web.Parse(templates, template.FuncMap{"icon": web.DrawnIcon})

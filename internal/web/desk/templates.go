package desk

import (
	"embed"

	"postern/internal/web"
)

//go:embed templates
var templates embed.FS

// Templates has every page of the desk; the comment of each page's struct
// names its template.
var Templates = web.Parse(templates, funcs)

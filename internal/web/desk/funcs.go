package desk

import (
	"fmt"
	"html/template"
	"strings"

	"postern/internal/figures"
	"postern/internal/web"
)

var funcs = template.FuncMap{
	"inCase":    func(id string, w Way) wayInCase { return wayInCase{id, w} },
	"ofContact": func(c ContactCard, k Key) keyOfContact { return keyOfContact{c.ID, c.Name, k} },
	"roles":     roleNames,
	"said": func(e web.Errors, field string) web.FieldError {
		return web.FieldError{Field: field, Text: e.Of(field)}
	},
	"opinions": func(title string, list []figures.Opinion) opinionsOf { return opinionsOf{title, list} },
	"otpauth":  otpauth,
	"qr":       qr,
}

// opinionsOf is one table of what people said.
type opinionsOf struct {
	Title string
	List  []figures.Opinion
}

// wayInCase is a delivery with the case its buttons belong to.
type wayInCase struct {
	Case string
	Way  Way
}

// keyOfContact is a key with the person it may belong to.
type keyOfContact struct {
	Contact, Name string
	Key           Key
}

func roleNames(p Person) []string {
	var names []string
	for _, r := range p.Roles {
		if r.On {
			names = append(names, r.Name)
		}
	}
	return names
}

// otpauth lets the one scheme through that opens a code app.
func otpauth(address string) template.URL {
	if !strings.HasPrefix(address, "otpauth://totp/") {
		return ""
	}
	return template.URL(address)
}

// qr draws the rows of a code, "1" for dark, with the quiet zone scanners need.
func qr(rows []string) template.HTML {
	var b strings.Builder
	n := len(rows) + 8
	fmt.Fprintf(&b, `<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="The secret as a picture for the code app"><path class="qr__paper" d="M0 0h%dv%dH0z"/><path d="`, n, n, n, n)
	for y, row := range rows {
		for x, c := range row {
			if c == '1' {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+4, y+4)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String())
}

package internal

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// floors lists the packages from the ground up. A package may import only
// what stands before it.
var floors = strings.Fields(`
	fail db db/dbtest jobs vault safehttp jws
	message pgp mailauth evidence smtpc dlp links
	lang hours recognise recognise/learn recognise/train advisory
	gpgtest browsertest passkeytest
	audit staff contacts mailboxes apikeys hooks texts
	policy consent cases probe centre publications portal instructions ladder security figures
	outbox authorise intake
	smtpd web web/public web/desk web/api
	config app
`)

// fences: a module that only the named packages (and their tests) may import.
var fences = map[string][]string{
	"github.com/riverqueue/river":         {"jobs"},
	"github.com/ProtonMail/go-crypto":     {"pgp"},
	"github.com/jackc/pgx/v5":             {"db", "db/dbtest"},
	"modernc.org/sqlite":                  {"db", "db/dbtest"},
	"net/http":                            {"web", "web/public", "web/desk", "web/api", "safehttp", "hooks", "app", "staff"},
	"postern/internal/smtpc":              {"outbox", "app"},
	"github.com/prometheus/client_golang": {"app"},
	"github.com/emersion/go-smtp":         {"smtpd", "smtpc"},
	"github.com/microcosm-cc/bluemonday":  {"web/desk"},
	"github.com/yuin/goldmark":            {"centre"},
}

func TestFloors(t *testing.T) {
	at := map[string]int{}
	for i, p := range floors {
		at["postern/internal/"+p] = i
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath, Doc string
			Imports         []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p.ImportPath, "/internal") {
			continue
		}
		n, ok := at[p.ImportPath]
		if !ok {
			t.Errorf("%s stands on no floor", p.ImportPath)
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, i := range p.Imports {
			if m, ok := at[i]; ok && m >= n {
				t.Errorf("%s may not import %s, which stands above it", p.ImportPath, i)
			}
			for module, allowed := range fences {
				if (i == module || strings.HasPrefix(i, module+"/")) && !member(strings.TrimPrefix(p.ImportPath, "postern/internal/"), allowed) {
					t.Errorf("%s may not import %s: only %v may", p.ImportPath, i, allowed)
				}
			}
		}
	}
}

func member(s string, list []string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

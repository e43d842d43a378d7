// Package recognise says whether a text may be a security report, whatever door it
// came by. It errs towards yes: a person looks at what it flags, and what it flags no
// script answers.
package recognise

import (
	"regexp"
	"strings"
)

// rule is one thing that makes a text suspect.
type rule struct {
	why string
	re  *regexp.Regexp
}

func words(why string, list ...string) rule {
	return rule{why, regexp.MustCompile(`(?i)(^|[^\pL\pN])(` + strings.Join(list, "|") + `)`)}
}

var rules = []rule{
	words("speaks of a page that is not encrypted", `http://`, `plain http\b`, `not (secure|encrypted|https)\b`, `unencrypted`, `insecure (page|form|link|site|connection)`, `without (https|encryption|tls|ssl)`, `no (https|padlock|encryption)\b`,
		`unverschlüsselt`, `nicht (sicher|verschlüsselt)`, `ohne (https|verschlüsselung)`, `non (sécurisé|chiffré)`, `no (es )?(seguro|cifrado)`),
	words("names a weakness", `vulnerab`, `security (hole|problem|issue|flaw|bug|leak|report|researcher)`, `exploit`, `xss\b`, `sql.?injection`, `csrf\b`, `idor\b`, `open redirect`, `data (leak|breach)`, `leak(s|ed|ing)?\b`,
		`sicherheits(lücke|problem|luecke|forscher|meldung)`, `schwachstelle`, `datenleck`, `datenpanne`, `faille`, `vulnérab`, `vulnerabilidad`, `fallo de seguridad`),
	words("other people's data was seen", `(other|someone else'?s|somebody else'?s|another) (people'?s?|person'?s?|customers?'?s?|users?'?s?|client'?s?)[^.]{0,30}(data|account|name|address|statement|invoice|bill|details|record|letter|mail|message|card|contract|document|order|balance)`,
		`(daten|konto|name|adresse|rechnung|auszug|brief|post|vertrag|karte|nachricht)[^.]{0,30}(eines|einer|von) (anderen|fremden|dritten)`, `fremde (daten|konten|kunden)`),
	words("asks for the security people", `security (team|people|department|officer|contact)`, `(your|the) (ciso|dpo|data protection officer)\b`, `sicherheits(team|abteilung|beauftragte)`, `datenschutzbeauftragte`),
	words("names a date of disclosure", `disclos(e|ure)`, `go(ing)? public`, `veröffentlich`, `bug.?bounty`),
	words("looks like somebody's test", `proof of concept`, `\bpoc\b`, `burp\b`, `\bcve-\d`, `phish`, `fake (mail|page|site)`),
}

// Suspect lists why a text may be a security report; nothing: it does not look like one.
func Suspect(text string) (reasons []string) {
	if len(text) > 200_000 {
		text = text[:200_000]
	}
	for _, r := range rules {
		if r.re.MatchString(text) {
			reasons = append(reasons, r.why)
		}
	}
	return reasons
}

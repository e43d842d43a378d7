package desk

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/internal/audit"
	"postern/internal/web"
)

func asError(err error, target any) bool { return errors.As(err, target) }

func escape(s string) string { return url.QueryEscape(s) }

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

func numberWords(n int64) string {
	small := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n >= 0 && int(n) < len(small) {
		return small[n]
	}
	return fmt.Sprint(n)
}

// acts are the words of the audit log, for people.
var acts = []struct{ act, words string }{
	{"case.opened", "Case opened"}, {"case.assigned", "Assigned"}, {"case.open", "Opened again"}, {"case.closed", "Closed"}, {"case.waiting", "Set to waiting"},
	{"case.raised", "Marked as sensitive"}, {"case.lowered", "Made routine"},
	{"case.lifted", "Called the next rung"}, {"case.handed-up", "Handed up by a colleague"}, {"case.spam", "Closed as spam"}, {"case.call-ended", "Call ended without an answer"}, {"case.macro", "Changed by a macro"}, {"phone.noted", "Telephone call written down"}, {"case.taken", "Taken by somebody who was called"}, {"canary.passed", "The weekly canary came through"}, {"canary.failed", "The weekly canary was lost"}, {"canned.saved", "Prepared text changed"}, {"article.saved", "Article changed"}, {"policy.saved", "Security policy changed"}, {"advisory.saved", "Advisory written"}, {"advisory.published", "Advisory published"}, {"credit.consented", "They want to be named"}, {"credit.shown", "Named on the page of thanks"}, {"credit.withdrawn", "Name taken off the page of thanks"}, {"opinion.given", "Survey answered"},
	{"message.in", "Message in"}, {"message.bounce", "A mail of ours came back"}, {"message.queued", "Message written"}, {"message.undone", "Answer taken back before it left"},
	{"message.rechecked", "Signature checked again"}, {"note.added", "Note added"}, {"mail.downloaded", "Raw mail downloaded"}, {"file.downloaded", "File downloaded"},
	{"delivery.sent", "Mail sent"}, {"delivery.captured", "Mail kept in the tray"}, {"delivery.held", "Mail held"}, {"delivery.failed", "Mail refused by the relay"},
	{"delivery.bounced", "Mail came back"}, {"delivery.repeated", "Mail sent again, fate of the first unknown"}, {"delivery.retried", "Held mail checked again"}, {"delivery.discarded", "Held mail discarded"},
	{"item.placed", "Placed on the portal"}, {"item.fetched", "Portal link fetched, nothing shown"}, {"item.code-issued", "Access code given"}, {"item.refused", "Portal refused a code"},
	{"person.asked", "They asked for a person"}, {"item.released", "Viewed on the portal"}, {"item.recalled", "Recalled, never viewed"}, {"item.expired", "Expired on the portal"}, {"passkey.added", "Passkey added"}, {"passkey.removed", "Passkey removed"},
	{"mail.repeated", "The same mail came again, merged"}, {"mail.quarantined", "Mail put into quarantine"}, {"mail.rerun", "Quarantined mail run again"}, {"mail.dropped", "Mail of ours came back, dropped"},
	{"case.page-opened", "Case page opened with its code"}, {"case.page-read", "Answer seen on the case page"}, {"case.topic", "Topic chosen"}, {"topics.changed", "Topics changed"},
	{"text.sent", "Code sent by text message"}, {"text.failed", "A code by text message could not be sent"}, {"agreed.set", "Code of their own choice set"}, {"agreed.removed", "Code of their own choice removed"},
	{"consent.given", "Gave up a protection"}, {"consent.ended", "A protection is back"}, {"consent.asked", "Asked whether they still want less protection"}, {"consent.refused", "A mail that would give up a protection did not count"},
	{"contact.added", "Contact added"}, {"contact.renamed", "Contact renamed"}, {"address.added", "Address added"}, {"phone.added", "Telephone number added"},
	{"key.harvested", "Key found in a mail"}, {"key.pending", "A different key turned up"}, {"key.renewed", "Known key renewed by its owner"}, {"key.added", "Key added"}, {"key.verified", "Key compared with its owner"}, {"key.rejected", "Key rejected"},
	{"mailbox.made", "Mailbox made"}, {"mailbox.changed", "Mailbox changed"}, {"desk.set-up", "Desk set up"}, {"api-key.made", "API key made"}, {"api-key.revoked", "API key revoked"},
	{"staff.invited", "Invited"}, {"staff.signed-in", "Signed in"}, {"staff.refused", "Sign-in refused"}, {"staff.signed-out", "Signed out"}, {"staff.roles", "Roles changed"},
	{"instruction.proposed", "Instruction proposed"}, {"instruction.call-asked", "They ask to be called about an instruction"}, {"instruction.code-issued", "Call-back code given"},
	{"instruction.proof-refused", "A proof for an instruction did not count"}, {"instruction.proved", "Instruction proved"}, {"instruction.approved", "Instruction approved"},
	{"instruction.executed", "Instruction done"}, {"instruction.stuck", "Instruction approved, but not done"}, {"instruction.done-too-late", "Done by a system after the instruction had ended"},
	{"instruction.refused", "Instruction refused"}, {"instruction.cancelled", "Instruction taken back"}, {"instruction.expired", "Instruction lapsed"}, {"instruction.frozen", "Instruction frozen: they did not ask for it"},
	{"instruction.disputed", "They did not ask for this instruction"}, {"instruction.undone", "What an instruction did was taken away again"}, {"instruction.address-answered", "The new address answered"},
	{"instruction-type.saved", "Kind of instruction changed"}, {"instruction-type.lowering", "A change of a kind of instruction waits"}, {"instruction-type.kept", "A change of a kind of instruction dropped"}, {"place.code-issued", "Code for their place given"}, {"place.entered", "They came into their place"}, {"app.added", "Code app added"}, {"app.removed", "Code app removed"},
	{"security.alarm", "Alarm"}, {"phone.shown", "Telephone number shown"},
	{"webhook.added", "Webhook added"}, {"webhook.enabled", "Webhook switched on"}, {"webhook.disabled", "Webhook switched off"}, {"webhook.rotated", "Webhook got a new secret"}, {"webhook.removed", "Webhook removed"},
	{"webhook.sent", "Webhook called"}, {"webhook.failed", "A webhook did not take its call"}, {"webhook.retried", "Call of a webhook tried again"},
	{"report.flagged", "May be a security report"}, {"report.wrote", "They wrote about a report"}, {"report.spoke", "A person answered about a report"}, {"report.unspoke", "An answer about a report never reached them"}, {"report.struck", "A promise about a report was missed"}, {"report.due", "A wait in a report is over"}, {"report.red", "A probe is red: it is back"}, {"report.blind", "A probe of a report sees nothing any more"}, {"report.filled", "Report filled in"}, {"report.split", "A report split in two"}, {"report.linked", "Reports linked"}, {"report.asked", "Questions to who reported"}, {"report.answered", "They answered a question"}, {"report.acknowledged", "Taken on as a security report"}, {"report.dismissed", "Said to be no security report"}, {"report.unsure", "Not sure whether it is a security report"}, {"report.rewarded", "Reward moved"}, {"report.planned", "Day of publication set"}, {"report.moved", "Report moved"}, {"report.proposed", "Proposed for a report"}, {"report.retested", "Retested"}, {"report.law", "Marked what the law wants"}, {"report.appealed", "They appeal"}, {"report.let-in", "Let into the circle of a report"}, {"report.let-out", "Taken out of the circle of a report"}, {"report.decided-appeal", "Appeal answered"}, {"case.flagged", "Flagged by a colleague"}, {"report.green", "A probe is green"}, {"report.followed", "The links in a report followed"}, {"host.named", "A host of ours named, to be watched"}, {"host.confirmed", "A host showed that it is ours"}, {"host.lost", "A host does not show any more that it is ours"}, {"probe.made", "A probe watches"}, {"probe.red", "A probe turned red"}, {"probe.green", "A probe turned green"}, {"probe.blind", "A probe sees nothing any more"}, {"probe.stopped", "A probe stopped"}, {"report.credit", "They say whether they want to be thanked"},
	{"staff.disabled", "Disabled"}, {"staff.enabled", "Enabled"}, {"staff.link", "Sign-in link made"}, {"staff.password", "Password and code set"}, {"staff.codes", "Recovery codes made"},
}

func (d *Desk) actWords(r audit.Row) string {
	words := r.Act
	for _, a := range acts {
		if a.act == r.Act {
			words = a.words
			break
		}
	}
	if more := detailWords(r); more != "" {
		words += ": " + more
	}
	if strings.HasPrefix(r.Actor, "staff:") {
		if name := d.nameOf(strings.TrimPrefix(r.Actor, "staff:")); name != "" {
			words += ", by " + name
		}
	}
	return words
}

// detailWords says of an act's detail what people want to read in a list.
func detailWords(r audit.Row) string {
	switch r.Act {
	case "security.alarm":
		_, why, _ := strings.Cut(r.Detail, ": ") // behind the id of an instruction
		if why == "" {
			why = r.Detail
		}
		return web.Plain(why)
	case "key.verified":
		if key, _, ok := strings.Cut(r.Detail, " by instruction "); ok {
			return web.Plain(key) + " by an instruction"
		}
		return web.Plain(r.Detail)
	case "message.in":
		for verdict, words := range map[string]string{"V": "signed, checked", "S": "signed, key not checked", "N": "not signed", "X": "signed by somebody else"} {
			if strings.HasPrefix(r.Detail, "verdict "+verdict) {
				return words
			}
		}
	}
	return ""
}

func (d *Desk) actorWords(actor string) string {
	kind, id, _ := strings.Cut(actor, ":")
	switch kind {
	case "staff":
		if name := d.nameOf(id); name != "" {
			return name
		}
	case "system":
		return "The desk"
	case "contact":
		return "A contact"
	case "api":
		return "One of our systems"
	}
	return actor
}

// actorsNamed finds the actors whose name holds the words; nil for no words.
func (d *Desk) actorsNamed(words string) []string {
	words = strings.ToLower(strings.TrimSpace(words))
	if words == "" {
		return nil
	}
	out := []string{}
	for _, p := range d.directory() {
		if strings.Contains(strings.ToLower(p.Name), words) {
			out = append(out, audit.Staff(string(p.ID)))
		}
	}
	if strings.Contains("the desk system", words) {
		out = append(out, audit.System)
	}
	return out
}

package web_test

import (
	"time"

	"postern/internal/cases"
	"postern/internal/recognise"
	"postern/internal/security"
	"postern/internal/web"
	"postern/internal/web/desk"
)

func securityFixtures() []fixture {
	d := desk.Templates
	look := &desk.ClockFace{Words: "Somebody looks", At: at(-.4), Late: true}
	fix := &desk.ClockFace{Words: "Fixed", At: at(24 * 9)}
	card := func(title, rating, grade, state string, c *desk.ClockFace, marks ...string) desk.Card {
		return desk.Card{ID: "7", Ref: "K7QM-2V4X", Title: title, Who: "Ines Calder", State: state, Rating: rating, Grade: grade, Clock: c, Marks: marks}
	}
	board := desk.BoardPage{Staff: staff("security", ""), Open: 7, Waiting: 2, Late: 1,
		Suspicions: []desk.Suspicion{{ID: "1", Ref: "K7QM-2V4X", Who: "Somebody without a name", Door: "form", Subject: "My account is not hacked but there was no other box", Why: []string{"insists that nobody hacked them", "a link over plain HTTP, and what it asks"}, Clock: *look},
			{ID: "2", Ref: "M3RT-9P1C", Who: "Petra Lund", Door: "survey", Subject: "I could see another person’s balance for a second", Why: []string{"other people's data was seen"}, Clock: desk.ClockFace{Words: "Somebody looks", At: at(3)}}},
		Columns: []desk.Column{{Title: "New", Cards: []desk.Card{card("Old reset link still works", "", "", "Acknowledged", &desk.ClockFace{Words: "A person’s first word", At: at(20)})}},
			{Title: "Triage", Cards: []desk.Card{card("Statement PDF guessable by number", "High 7.5", "stop", "Assessing", &desk.ClockFace{Words: "Assessed", At: at(30)}), card("Mail from our name passes at one provider", "Medium 5.3", "warn", "Asked them", &desk.ClockFace{Words: "They answer", At: at(200), Paused: true})}},
			{Title: "Reproduced", Cards: []desk.Card{card("Second factor skipped after language switch", "Critical 9.1", "stop", "Reproduced", &desk.ClockFace{Words: "Fixed", At: at(-6), Late: true}, "Data of people exposed", "Reward needs a second yes")}},
			{Title: "Fixing", Cards: []desk.Card{card("Session lives on after sign-out", "Low 3.1", "", "Retest", fix)}}, {Title: "Disclosed, closed", Cards: []desk.Card{card("Address book readable by neighbour", "High 7.7", "stop", "Disclosed", nil, "Was closed before", "About pay.northmere.example", "The reward is paid")}}, {Title: "Not accepted", Cards: []desk.Card{card("Session lives on", "Low 3.1", "", "Duplicate", nil, "Repeats K7QM-2V4X", "They appeal")}}},
		Sample: desk.Sample{Left: 12, Read: 96, Missed: 1, Recall: 94, Known: true, Rows: []desk.SampleRow{{Message: "m1", Text: "Where is my parcel? It was to come on Friday."}}}}
	var classes []desk.Option
	for _, c := range recognise.Classes[1:] {
		classes = append(classes, desk.Option{ID: string(c), Name: recognise.Names[c]})
	}
	sus := desk.SuspicionPage{Staff: staff("security", ""), ID: "1", Ref: "K7QM-2V4X", Who: "Somebody without a name", Door: "form", Clock: look, Contacts: 3, Decide: true, Two: true, Classes: classes,
		First:    desk.Said{At: at(-5), Subject: []desk.Stretch{{Text: "My account is hacked"}}, Text: []desk.Stretch{{Text: "My account is "}, {Text: "not hacked", Hot: true}, {Text: " but there was no other box.\n\nThe mail you send to confirm a payment has a link. "}, {Text: "The address in the link starts with http and my name was in it", Hot: true}, {Text: ", and my street. I wrote twice and got the answer that your site is secure."}}},
		Again:    []desk.Said{{At: at(-2), Text: []desk.Stretch{{Text: "And the address book of my neighbour is there too. "}, {Text: "I write about it in public on Monday", Hot: true}, {Text: "."}}}},
		Reasons:  []string{"insists that nobody hacked them", "a link over plain HTTP, and what it asks", "reads like one: 97 of 100"},
		Before:   []string{"Dear customer, our site is secure. Please change your password."},
		Proposed: &desk.ProposedBy{Who: "Ivo Keller", What: "No report", Reason: "he means the shop", At: at(-1)}}
	sus.Links = []desk.LinkRow{{URL: "https://pay.northmere.example/update", Ours: true, Why: []string{"it leads on to plain HTTP"}}, {URL: "https://elsewhere.example/x"}}
	sus.Tried = []string{"We tried the link.\nFollowed 21 November 2026 08:12 UTC: red\n- https://pay.northmere.example/update 200"}
	propose := sus
	propose.Decide, propose.Proposed, propose.Two = false, nil, false
	wrong := sus
	wrong.Errors = web.Errors{{Field: "reason", Text: "Say why it is no security report, in a line."}}
	r := &security.Report{Case: "7", State: security.Retest, Owner: "mara", Doc: security.Doc{Title: "Name and address sent over plain HTTP from the pay link", Received: now.Add(-90 * time.Hour), Contact: "by this case", Publish: "after the fix, with my name", Asset: "pay.northmere.example/update",
		Scope: "in scope", Sought: true, Safety: "names and addresses of who followed the link", Exposed: true, Extortion: true, Steps: "Open the link of the mail of 3 May. The page loads over HTTP and holds a form.", CWE: "CWE-319", CVSS: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Severity: security.High, Fixer: "noor", Verifier: "mara", FirstReply: now.Add(-80 * time.Hour),
		Disclosure: security.Disclosure{Text: "A form was reachable over plain HTTP."}}}
	people := []desk.Option{{ID: "mara", Name: "Mara Stein", On: true}, {ID: "ivo", Name: "Ivo Keller"}}
	rep := desk.ReportPage{Staff: staff("security", ""), ID: "7", Ref: "K7QM-2V4X", Title: r.Title, Who: "Ines Calder", State: "Retest", R: r, Owner: "Mara Stein", Deputy: "Ivo Keller", Score: "High 7.5", People: people, Deputies: people, Fixers: people, CWEs: security.Weaknesses,
		Severities: []desk.Option{{ID: "high", Name: "High", On: true}, {ID: "low", Name: "Low"}}, Clocks: []desk.ClockFace{{Words: "Retested", At: at(200)}, {Words: "Published", At: at(24 * 60)}, *look},
		Next:      []desk.NextState{{To: "resolved", Words: "Resolved", Missing: []string{"a retest that found it gone, by them or by somebody who did not fix it", "a probe that is green"}}, {To: "fixing", Words: "Fixing"}, {To: "not-reproducible", Words: "Not reproducible", Two: true}},
		Questions: []desk.Asked{{Text: "Which page was it, and on which day?", Answer: "The pay page, on the third of May", At: at(-40)}, {Text: "Did the padlock show?"}},
		Law:       []desk.Owed{{Law: "GDPR", Name: "Notice to the supervisory authority", By: at(20)}, {N: 1, Law: "GDPR", Name: "Decide whether the people are told", By: at(20), Done: at(-2), Why: "They were told by letter"}},
		Knew:      "2026-11-24T08:33",
		Regimes:   []desk.Option{{ID: "gdpr", Name: "GDPR, articles 33 and 34: personal data exposed"}}, Similar: []desk.Likely{{ID: "3", Ref: "M3RT-9P1C", Subject: "The pay page says not secure", Shared: 9}},
		Circle: []desk.Let{{ID: "emre", Name: "Emre Aksoy", By: "Mara Stein"}}, Others: []desk.Option{{ID: "tom", Name: "Tom Wood"}}, Looks: []desk.Event{{At: at(-1), Text: "Mara Stein, 4 times that day"}},
		History:  []desk.Event{{At: at(-90), Text: "The desk flagged it. insists that nobody hacked them"}, {At: at(-80), Text: "Mara Stein took it on: Waits for a look to Acknowledged"}},
		Proposed: &desk.ProposedBy{Who: "Ivo Keller", What: "Not reproducible", Reason: "I see the padlock"}, Appeal: &desk.Appealed{Text: "You looked at another page than I did.", At: at(-3), Open: true, May: true}, Lead: true, Day: "2027-01-30", Target: "2026-12-02",
		Reward: desk.Rewarded{State: "proposed", Words: "Proposed", What: "250.00 EUR", By: "Ivo Keller", Why: "It was found twice", Currency: "EUR", Promised: "500.00 EUR", Amount: "500", Next: []desk.Option{{ID: "approved", Name: "Approved"}, {ID: "proposed", Name: "Proposed"}, {ID: "none", Name: "None"}}, MayApprove: true}}
	rep.Links, rep.Tried = sus.Links, sus.Tried
	r.SSVC = security.SSVC{Exploitation: "active", Total: true, People: "medium"}
	rep.Linked = []cases.Link{{Other: "8", Ref: "M3RT-9P1C", Why: "split"}}
	rep.Calculators, rep.Decision, rep.Exploitations, rep.Harm = security.Calculators, "Attend", []desk.Option{{ID: "active", Name: "it is, now", On: true}}, []desk.Option{{ID: "medium", Name: "something", On: true}}
	rep.Probes = []desk.Watched{{ID: "p1", Kind: "link", Target: "https://pay.northmere.example/update", State: "green", Since: at(-3)}, {ID: "p2", Kind: "status", Target: "https://pay.northmere.example/", State: "red", Since: at(-1)}}
	board.Doors, board.Hosts = rep.Probes, []desk.HostRow{{Name: "pay.northmere.example", Token: "k3j4h5", Confirmed: true, How: "dns"}, {Name: "www.northmere.example", Token: "k3j4h5k3j4h5k3j4h5"}}
	board.Figures = []string{"Flagged: 41; said to be none: 30; reproduced: 7", "Flagged messages by door: mail 20, form 12, survey 9"}
	board.Charts = []desk.Chart{desk.ChartOf("Reports that were judged", []string{"31 Aug", "7 Sep", "14 Sep", "21 Sep"}, desk.Series{Name: "reproduced", N: []int64{1, 0, 3, 2}}, desk.Series{Name: "said to be none", N: []int64{6, 9, 4, 8}, Tone: desk.Other})}
	rep.Credit = "Ines Calder"
	bad := rep
	bad.Errors = web.Errors{{Field: "move", Text: "Still missing: a probe that is green."}}
	empty := desk.BoardPage{Staff: staff("security", ""), Columns: []desk.Column{{Title: "New"}, {Title: "Triage"}, {Title: "Reproduced"}, {Title: "Fixing"}, {Title: "At rest"}}}
	return []fixture{{"d-security", d, "security", board}, {"d-security-none", d, "security", empty}, {"d-suspicion", d, "suspicion", sus}, {"d-suspicion-agent", d, "suspicion", propose}, {"d-suspicion-error", d, "suspicion", wrong},
		{"d-report", d, "report", rep}, {"d-report-error", d, "report", bad}}
}

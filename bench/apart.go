package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"time"
)

// apart measures whether the time of an answer tells a reference that there is from one
// that there is not (S13): wrong codes for both, each from another address of
// this machine's own network, so that no limit slows them. What comes out is the chance
// that of two answers the slower one is that of the real reference: 0.5 tells nothing.
func (l *lab) apart(d *deskUnder, kind string) error {
	ref, err := d.reported()
	if err != nil {
		return err
	}
	other := ref[:len(ref)-1] + map[bool]string{true: "2", false: "3"}[ref[len(ref)-1] == '3']
	var took [2][]time.Duration
	for n := range *tries {
		which := rand.IntN(2) // by turns they would meet whatever else goes by turns
		r := [2]string{ref, other}[which]
		t, err := d.wrongCode(r, n)
		if err != nil {
			return err
		}
		if n >= 4 { // the first ones warm the desk up
			took[which] = append(took[which], t)
		}
	}
	auc := chance(took[0], took[1])
	fmt.Printf("  %d wrong codes: a real reference is the slower one with a chance of %.3f\n", *tries, auc)
	l.most("S13", "what time tells of a reference, "+kind, max(auc, 1-auc), 0.55, "")
	return nil
}

var refOnPage = regexp.MustCompile(`class="code">([A-Z0-9-]{6,12})<`)

// reported hands a report in by the form and returns its reference.
func (d *deskUnder) reported() (string, error) {
	for _, step := range []struct {
		path string
		form url.Values
	}{{"/contact/about/security", url.Values{"text": {"The form of your pay page is sent by plain http."}}}, {"/contact/you", url.Values{}}, {"/contact/send", url.Values{}}} {
		if err := d.post(step.path, step.form); err != nil {
			return "", err
		}
	}
	page, err := d.get("/contact/done")
	if err != nil {
		return "", err
	}
	m := refOnPage.FindStringSubmatch(page)
	if m == nil {
		return "", fmt.Errorf("no reference on the page of what was sent")
	}
	return m[1], nil
}

// wrongCode tries a reference with a wrong code, from the n-th address of this machine.
func (d *deskUnder) wrongCode(ref string, n int) (time.Duration, error) {
	c := d.from(n)
	start := time.Now()
	res, err := c.PostForm(d.url+"/case", url.Values{"ref": {ref}, "code": {"0000 0000 0000 0000"}})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusUnprocessableEntity && res.StatusCode != http.StatusForbidden {
		return 0, fmt.Errorf("a wrong code was answered %s", res.Status)
	}
	return time.Since(start), nil
}

// chance is that of one of a being greater than one of b, ties in halves.
func chance(a, b []time.Duration) float64 {
	sort.Slice(b, func(i, j int) bool { return b[i] < b[j] })
	sum := 0.0
	for _, x := range a {
		less := sort.Search(len(b), func(i int) bool { return b[i] >= x })
		most := sort.Search(len(b), func(i int) bool { return b[i] > x })
		sum += float64(less) + float64(most-less)/2
	}
	return sum / float64(len(a)*len(b))
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"postern/internal/apikeys"
)

type sample struct {
	Name  string    `json:"name" min:"1" max:"3" about:"a name"`
	Kind  string    `json:"kind,omitempty" enum:"a b"`
	On    *bool     `json:"on,omitempty"`
	Count int       `json:"count,omitempty"`
	List  []inner   `json:"list,omitempty" max:"2"`
	At    time.Time `json:"at,omitzero"`
	Data  []byte    `json:"data,omitempty"`

	Named map[string]string `json:"named,omitempty" max:"2"`
}

type inner struct {
	X string `json:"x"`
}

func TestSchemaIsMadeFromTheType(t *testing.T) {
	s := schemas{}
	s.of(reflect.TypeFor[sample](), true)
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Inner":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"],"additionalProperties":false},` +
		`"Sample":{"type":"object","properties":{"at":{"type":"string","format":"date-time"},"count":{"type":"integer"},"data":{"type":"string","contentEncoding":"base64"},` +
		`"kind":{"type":"string","enum":["a","b"]},"list":{"type":"array","maxItems":2,"items":{"$ref":"#/components/schemas/Inner"}},` +
		`"name":{"type":"string","description":"a name","minLength":1,"maxLength":3},` +
		`"named":{"type":"object","additionalProperties":{"type":"string"},"maxProperties":2},"on":{"type":"boolean"}},"required":["name"],"additionalProperties":false}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBodyIsHeldAgainstTheSchema(t *testing.T) {
	a := &API{schemas: schemas{}}
	for body, good := range map[string]bool{`{"name":"äöü","kind":"a","on":false,"count":7,"list":[{"x":""},{"x":"y"}],"at":"2026-11-24T09:00:00Z","data":"YQ=="}`: true,
		`{"name":"a"}`: true, ` {"name":"a"} `: true, `{}`: false, `{"name":""}`: false, `{"name":"äöüx"}`: false, `{"name":"a","kind":"c"}`: false, `{"name":"a","on":"true"}`: false,
		`{"name":"a","on":null}`: false, `{"name":"a","count":1.5}`: false, `{"name":"a","count":"1"}`: false, `{"name":"a","list":[{"x":"1"},{"x":"2"},{"x":"3"}]}`: false,
		`{"name":"a","list":[{}]}`: false, `{"name":"a","list":[{"x":"1","y":"2"}]}`: false, `{"name":"a","list":{"x":"1"}}`: false, `{"name":"a","data":"*"}`: false,
		`{"name":"a","at":"yesterday"}`: false, `{"name":"a","named":{}}`: true, `{"name":"a","named":{"x y":"1","X y":"2"}}`: true, `{"name":"a","named":{"x":1}}`: false,
		`{"name":"a","named":{"x":{"y":"1"}}}`: false, `{"name":"a","named":{"x":"1","x":"2"}}`: false, `{"name":"a","named":{"x":"1","y":"2","z":"3"}}`: false, `{"name":"a","named":["x"]}`: false, `{"name":"a","more":1}`: false, `{"name":"a","\u006eame":"b"}`: false, `"name"`: false, ``: false} {
		err := a.read([]byte(body), reflect.TypeFor[sample](), new(sample))
		if (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
		if k, text := kindOf(err); err != nil && (k != malformed && k != invalid || text == "") {
			t.Errorf("%s is answered %d %q", body, k.status, text)
		}
	}
}

// FuzzBody: whatever comes in, what is taken is JSON that says one thing.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"name":"a"}`, `{"name":"a","list":[{"x":"1"}]}`, `{"name":"a","name":"b"}`, strings.Repeat("[", 50), `{"name":"\ud800"}`, "\xff", `{"a":1}{}`} {
		f.Add([]byte(s))
	}
	a := &API{schemas: schemas{}}
	f.Fuzz(func(t *testing.T, body []byte) {
		in := new(sample)
		if err := a.read(body, reflect.TypeFor[sample](), in); err != nil {
			if k, _ := kindOf(err); k == internal {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		var again sample
		if b, err := json.Marshal(in); err != nil || json.Unmarshal(b, &again) != nil || again.Name != in.Name || in.Name == "" {
			t.Errorf("%q was read as %+v, and that as %+v", body, in, again)
		}
	})
}

func TestBucketFillsWithTime(t *testing.T) {
	var r rates
	now := time.Unix(1e9, 0)
	take := func(id apikeys.ID, n int) (got int) {
		for range n {
			if r.take(id, now) == 0 {
				got++
			}
		}
		return got
	}
	if got := take("a", 2*burst); got != burst {
		t.Errorf("%d at once, want %d", got, burst)
	}
	if wait := r.take("a", now); wait != time.Second/perSecond {
		t.Errorf("wait %s", wait)
	}
	if got := take("b", 1); got != 1 {
		t.Error("one key waits for another")
	}
	now = now.Add(time.Second)
	if got := take("a", burst); got != perSecond {
		t.Errorf("%d after a second, want %d", got, perSecond)
	}
	now = now.Add(-time.Hour)
	if got := take("a", burst); got != 0 {
		t.Errorf("%d from a clock that went back", got)
	}
	now = now.Add(100 * time.Hour)
	if got := take("a", 2*burst); got != burst {
		t.Errorf("%d after days, want %d", got, burst)
	}
	for d, want := range map[time.Duration]string{time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2"} {
		if got := seconds(d); got != want {
			t.Errorf("%s is said as %s", d, got)
		}
	}
}

// TestLargeBodiesWaitForRoom: small ones pass by, and who goes away gives up.
func TestLargeBodiesWaitForRoom(t *testing.T) {
	a := &API{rooms: make(chan struct{}, 1)}
	request := func(ctx context.Context, size int64) *http.Request {
		r := httptest.NewRequestWithContext(ctx, "POST", "/", nil)
		r.ContentLength = size
		return r
	}
	leave, err := a.room(request(t.Context(), roomy+1))
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, size := range []int64{roomy + 1, -1} { // -1: nobody said how long it is
		if _, err := a.room(request(gone, size)); !errors.Is(err, context.Canceled) {
			t.Errorf("%d bytes with no room: %v", size, err)
		}
	}
	if _, err := a.room(request(gone, roomy)); err != nil {
		t.Errorf("a small one: %v", err)
	}
	leave()
	if leave, err = a.room(request(t.Context(), -1)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	leave()
}

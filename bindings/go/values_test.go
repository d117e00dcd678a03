package wfext

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAResultThatIsNoJSONIsNotTriedAgain(t *testing.T) {
	app := openApp(t)
	var tries atomic.Int32
	w := Workflow(app, "w", func(ctx context.Context, _ none) (float64, error) {
		return Step(ctx, "bad", func(context.Context) (float64, error) { tries.Add(1); return math.NaN(), nil }, Attempts(4), Backoff(10*time.Millisecond))
	})
	work(t, app)
	fails(t, w, none{}, "is NaN")
	equal(t, tries.Load(), int32(1))
}

type values struct {
	Big   int64   `json:"big"`
	Float float64 `json:"float"`
	Null  *int    `json:"null"`
	Text  string  `json:"text"`
	Small float64 `json:"small"`
	Large float64 `json:"large"`
}

func TestBigIntegersAndFloats(t *testing.T) {
	app := openApp(t)
	value := values{Big: math.MaxInt64, Float: 3, Text: "\u2028 ö 🦆 <&>", Small: 1e-7, Large: 1e300}
	w := Workflow(app, "w", func(ctx context.Context, _ none) (values, error) { return Step(ctx, "give", returns(value)) })
	work(t, app)
	h := begun(t, w, none{})
	out, err := result(t, h)
	must(t, err)
	equal(t, out, value)
	text, err := app.Call("wf_result", h.ID())
	must(t, err)
	if !strings.Contains(text.(string), `"float":3,`) || !strings.Contains(text.(string), "<&>") {
		t.Fatal(text)
	}
}

func TestValuesThatAreNotJSON(t *testing.T) {
	app := openApp(t)
	loop := map[string]any{}
	loop["again"] = loop
	cases := []struct {
		value any
		with  string
	}{
		{map[string]any{"list": []any{1, map[string]any{"f": math.NaN()}}}, "what bad returns.list[1].f is NaN"},
		{func() {}, "is a func()"},
		{loop, "contains itself"},
		{"\xff", "is no UTF-8"},
		{make(chan int), "is a chan int"},
	}
	w := Workflow(app, "w", func(ctx context.Context, i int) (none, error) {
		_, err := Step(ctx, "bad", func(context.Context) (any, error) { return cases[i].value, nil })
		return none{}, err
	})
	work(t, app)
	for i, each := range cases {
		fails(t, w, i, each.with)
	}
}

func TestIntegersInAny(t *testing.T) {
	app := openApp(t)
	big := json.Number("9007199254740993")
	w := Workflow(app, "w", func(ctx context.Context, in any) (any, error) {
		return Step(ctx, "give", returns(map[string]any{"in": in, "list": []any{1, 2.5, big}, "small": 7}))
	})
	work(t, app)
	equal(t, finish(t, w, any(big)), any(map[string]any{"in": big, "list": []any{1.0, 2.5, big}, "small": 7.0}))
	text, err := decode[struct{ A any }](`{"A": [9007199254740993, 9007199254740992, 1234567890123456.5]}`)
	must(t, err)
	equal(t, text.A, any([]any{big, 9007199254740992.0, 1234567890123456.5}))
}

package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"net/netip"
	"os"
	"strconv"
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

// The same numbers as in the other packages.
func TestNumbersAreWrittenAlikeInEveryLanguage(t *testing.T) {
	app := openApp(t)
	text, err := os.ReadFile("../numbers.json")
	must(t, err)
	var file struct {
		Floats   [][2]string
		Integers []string
	}
	must(t, json.Unmarshal(text, &file))
	type values struct {
		Floats   []float64     `json:"floats"`
		Integers []json.Number `json:"integers"`
	}
	var value values
	floats := []string{}
	for _, pair := range file.Floats {
		f, err := strconv.ParseFloat(pair[0], 64)
		must(t, err)
		value.Floats, floats = append(value.Floats, f), append(floats, pair[1])
	}
	for _, integer := range file.Integers {
		value.Integers = append(value.Integers, json.Number(integer))
	}
	w := Workflow(app, "w", func(ctx context.Context, _ none) (values, error) { return Step(ctx, "give", returns(value)) })
	work(t, app)
	h := begun(t, w, none{})
	out, err := result(t, h)
	must(t, err)
	equal(t, out.Integers, value.Integers)
	got, err := app.Call("wf_result", h.ID())
	must(t, err)
	equal(t, got, `{"floats":[`+strings.Join(floats, ",")+`],"integers":[`+strings.Join(file.Integers, ",")+"]}")
	for i, f := range value.Floats {
		if out.Floats[i] != f {
			t.Fatal(file.Floats[i], out.Floats[i])
		}
		whole, isWhole := new(big.Int).SetString(floats[i], 10)
		if isWhole && whole.IsInt64() { // whoever has written it, an int64 reads it
			n, err := decode[int64](floats[i])
			must(t, err)
			equal(t, n, whole.Int64())
		}
	}
	for _, integer := range file.Integers {
		value, err := decode[any](integer)
		must(t, err)
		back, err := marshal(value, "it")
		must(t, err)
		equal(t, back, integer)
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
		{struct{ ref string }{"r9"}, "what bad returns is a struct { ref string }, of which no field is exported"},
		{[]any{map[string]any{"err": errors.New("declined")}}, "what bad returns[0].err is a errors.errorString"},
		{map[string]any{"n": *big.NewInt(7)}, "what bad returns.n is a big.Int"},
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

func TestValuesThatWriteThemselves(t *testing.T) {
	type inner struct{ X int }
	for want, value := range map[string]any{
		`"127.0.0.1"`:                   netip.MustParseAddr("127.0.0.1"),
		`7`:                             big.NewInt(7),
		`{"X":1}`:                       struct{ inner }{inner{1}},
		`{}`:                            none{},
		`["127.0.0.1"]`:                 []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		`{"At":"2026-01-01T00:00:00Z"}`: struct{ At time.Time }{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		text, err := marshal(value, "it")
		must(t, err)
		equal(t, text, want)
	}
}

func TestErrorsAreRecordedWithATypeThatSaysSomething(t *testing.T) {
	for want, err := range map[string]error{
		`{"message":"away","type":"error"}`:                                  errors.New("away"),
		`{"message":"asking: away","type":"error"}`:                          fmt.Errorf("asking: %w", errors.New("away")),
		`{"message":"asking: context canceled","type":"context.Canceled"}`:   fmt.Errorf("asking: %w", context.Canceled),
		`{"message":"reading: open x: no","type":"fs.PathError"}`:            fmt.Errorf("reading: %w", &fs.PathError{Op: "open", Path: "x", Err: errors.New("no")}),
		`{"message":"a\nopen x: no","type":"fs.PathError"}`:                  errors.Join(errors.New("a"), &fs.PathError{Op: "open", Path: "x", Err: errors.New("no")}),
		`{"message":"panic: oh","type":"panic"}`:                             &panicked{"oh"},
		`{"message":"ask: wfext: it did not come in time","type":"Timeout"}`: fmt.Errorf("ask: %w", ErrTimeout),
	} {
		equal(t, errorValue(err), want)
	}
	equal(t, recorded(errorValue(errors.New("away"))).String(), "away")
}

func TestAWorkflowOfANameThatIsTaken(t *testing.T) {
	app := openApp(t)
	declare := func(name string) (said string) {
		defer func() { said = fmt.Sprint(recover()) }()
		Workflow(app, name, func(context.Context, none) (none, error) { return none{}, nil })
		return ""
	}
	equal(t, []string{declare("w"), declare("w"), declare("")}, []string{"<nil>", `wfext: the workflow "w" is declared twice`, `wfext: the name is "": steps and workflows have one`})
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

package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a workflow may rely on, one scenario a test. The names are those of the table in bindings/README.md; every language has the same.

const long = 60 * time.Second // a net for hangs, no measure

type none struct{}

func openApp(t *testing.T) *App {
	t.Helper()
	app, err := Open(filepath.Join(t.TempDir(), "test.db"), Synchronous("normal"))
	must(t, err)
	t.Cleanup(app.Close)
	return app
}

func work(t *testing.T, app *App, options ...WorkerOption) *Worker {
	t.Helper()
	w, err := app.Start(append([]WorkerOption{Logger(slog.New(slog.NewTextHandler(io.Discard, nil)))}, options...)...)
	must(t, err)
	t.Cleanup(w.Stop)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, want %#v", got, want)
	}
}

func begun[In, Out any](t *testing.T, d *Definition[In, Out], in In, options ...StartOption) *Handle[Out] {
	t.Helper()
	h, err := d.Start(context.Background(), in, options...)
	must(t, err)
	return h
}

func result[Out any](t *testing.T, h *Handle[Out]) (Out, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	return h.Result(ctx)
}

func finish[In, Out any](t *testing.T, d *Definition[In, Out], in In, options ...StartOption) Out {
	t.Helper()
	out, err := result(t, begun(t, d, in, options...))
	must(t, err)
	return out
}

func fails[In, Out any](t *testing.T, d *Definition[In, Out], in In, with string, options ...StartOption) {
	t.Helper()
	_, err := result(t, begun(t, d, in, options...))
	var failed *WorkflowFailed
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), with) {
		t.Fatalf("got %v, want a failure with %q", err, with)
	}
}

func until(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it has not come")
		}
	}
}

func isWaiting[Out any](h *Handle[Out]) func() bool {
	return func() bool { status, _ := h.Status(); return status == "waiting" }
}

func returns[T any](value T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return value, nil }
}

func TestReplay(t *testing.T) {
	app := openApp(t)
	var runs, done atomic.Int32
	twice := Workflow(app, "twice", func(ctx context.Context, n int) (int, error) {
		runs.Add(1)
		double := func(n int) (int, error) {
			return Step(ctx, "work", func(context.Context) (int, error) { done.Add(1); return n * 2, nil })
		}
		first, err := double(n)
		if err != nil {
			return 0, err
		}
		if err := Sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		second, err := double(n + 1)
		return first + second, err
	})
	work(t, app)
	equal(t, finish(t, twice, 3), 14)
	equal(t, []int32{runs.Load(), done.Load()}, []int32{2, 2})
}

func TestParallelBranches(t *testing.T) {
	app := openApp(t)
	fan := Workflow(app, "fan", func(ctx context.Context, _ none) ([]int, error) {
		branch := func(n int) *Future[int] {
			return Go(ctx, "branch", func(ctx context.Context) (int, error) {
				time.Sleep(time.Duration(50/n) * time.Millisecond)
				first, err := Step(ctx, "first", returns(n))
				if err != nil {
					return 0, err
				}
				return Step(ctx, "second", returns(first*10))
			})
		}
		futures := []*Future[int]{branch(1), branch(2), branch(3)}
		out := []int{}
		for _, future := range futures {
			value, err := future.Join()
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, Sleep(ctx, 10*time.Millisecond)
	})
	work(t, app)
	h := begun(t, fan, none{})
	out, err := result(t, h)
	must(t, err)
	equal(t, out, []int{10, 20, 30})
	steps, err := h.Steps()
	must(t, err)
	names := map[string]bool{}
	for _, step := range steps {
		names[step.Name] = true
	}
	equal(t, names, map[string]bool{"branch.first": true, "branch.second": true, "branch#2.first": true, "branch#2.second": true, "branch#3.first": true, "branch#3.second": true, "sleep": true})
}

func TestParallelBranchesOfOneName(t *testing.T) {
	app := openApp(t)
	wrong := Workflow(app, "wrong", func(ctx context.Context, _ none) ([]int, error) {
		var group sync.WaitGroup
		errs := make([]error, 2)
		for i := range 2 {
			group.Add(1)
			go func() {
				defer group.Done()
				_, errs[i] = Step(ctx, "same", returns(i))
			}()
		}
		group.Wait()
		return nil, errors.Join(errs...)
	})
	apart := Workflow(app, "apart", func(ctx context.Context, _ none) (int, error) {
		var group sync.WaitGroup
		values := make([]int, 2)
		errs := make([]error, 2)
		for i, name := range []string{"a", "b"} {
			group.Add(1)
			go func() {
				defer group.Done()
				values[i], errs[i] = Step(ctx, name, returns(i+1))
			}()
		}
		group.Wait()
		return values[0] + values[1], errors.Join(errs...)
	})
	work(t, app)
	fails(t, wrong, none{}, "WF_NONDETERMINISM")
	equal(t, finish(t, apart, none{}), 3)
}

func TestRecordedFailure(t *testing.T) {
	app := openApp(t)
	var tries atomic.Int32
	charge := func(ctx context.Context) error {
		_, err := Step(ctx, "charge", func(context.Context) (none, error) { tries.Add(1); return none{}, errors.New("declined") })
		return err
	}
	buy := Workflow(app, "buy", func(ctx context.Context, _ none) (string, error) {
		err := charge(ctx)
		var failed *StepFailed
		if !errors.As(err, &failed) {
			return "charged", err
		}
		return failed.Cause.Message, Sleep(ctx, 10*time.Millisecond)
	})
	uncaught := Workflow(app, "uncaught", func(ctx context.Context, _ none) (none, error) { return none{}, charge(ctx) })
	work(t, app)
	equal(t, finish(t, buy, none{}), "declined")
	equal(t, tries.Load(), int32(1))
	fails(t, uncaught, none{}, "declined")
	equal(t, tries.Load(), int32(2))
}

func TestFailureIsTriedAgain(t *testing.T) {
	app := openApp(t)
	var tries atomic.Int32
	flaky := func(good int32) func(context.Context) (int32, error) {
		return func(context.Context) (int32, error) {
			if n := tries.Add(1); n >= good {
				return n, nil
			}
			return 0, errors.New("away")
		}
	}
	patient := Workflow(app, "patient", func(ctx context.Context, _ none) (int32, error) {
		return Step(ctx, "flaky", flaky(3), Attempts(3), Backoff(10*time.Millisecond))
	})
	hopeless := Workflow(app, "hopeless", func(ctx context.Context, _ none) (int32, error) {
		return Step(ctx, "broken", flaky(math.MaxInt32), Attempts(2), Backoff(10*time.Millisecond))
	})
	work(t, app)
	equal(t, finish(t, patient, none{}), int32(3))
	tries.Store(0)
	fails(t, hopeless, none{}, "away")
	equal(t, tries.Load(), int32(2))
}

func TestFailureOfTheCodeIsTriedAgain(t *testing.T) {
	app := openApp(t)
	var runs atomic.Int32
	shaky := Workflow(app, "shaky", func(context.Context, none) (int32, error) {
		switch n := runs.Add(1); n {
		case 1:
			return 0, errors.New("not now")
		case 2:
			panic("not now either")
		default:
			return n, nil
		}
	})
	_, err := app.Call("wf_config", "backoff", `{"initial": 0.01}`)
	must(t, err)
	work(t, app)
	equal(t, finish(t, shaky, none{}), int32(3))
}

func TestWaitsSideBySide(t *testing.T) {
	app := openApp(t)
	both := Workflow(app, "both", func(ctx context.Context, _ none) ([]any, error) {
		wait := func(name string, d time.Duration) *Future[any] {
			return Go(ctx, "branch "+name, func(ctx context.Context) (any, error) {
				value, err := WaitSignal[any](ctx, name, Timeout(d))
				if errors.Is(err, ErrTimeout) {
					return "late", nil
				}
				return value, err
			})
		}
		a, b, c := wait("a", time.Hour), wait("b", time.Hour), wait("c", 50*time.Millisecond)
		out := make([]any, 3)
		errs := make([]error, 3)
		for i, future := range []*Future[any]{a, b, c} {
			out[i], errs[i] = future.Join()
		}
		return out, errors.Join(errs...)
	})
	work(t, app)
	h := begun(t, both, none{})
	until(t, isWaiting(h))
	must(t, h.Signal("b", 2))
	time.Sleep(200 * time.Millisecond)
	must(t, h.Signal("a", 1))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, []any{1.0, 2.0, "late"})
}

func TestWaitBesideAStep(t *testing.T) {
	app := openApp(t)
	var done atomic.Int32
	agent := Workflow(app, "agent", func(ctx context.Context, _ none) (string, error) {
		slow := Go(ctx, "slow", func(ctx context.Context) (string, error) {
			return Step(ctx, "work", func(context.Context) (string, error) {
				time.Sleep(200 * time.Millisecond)
				done.Add(1)
				return "slow", nil
			})
		})
		signal := Go(ctx, "signal", func(ctx context.Context) (string, error) { return WaitSignal[string](ctx, "go", Timeout(time.Hour)) })
		first, err := slow.Join()
		second, err2 := signal.Join()
		return first + " " + second, errors.Join(err, err2)
	})
	unjoined := Workflow(app, "unjoined", func(ctx context.Context, _ none) (none, error) {
		future := Go(ctx, "slow", func(context.Context) (none, error) { time.Sleep(100 * time.Millisecond); return none{}, nil })
		err := Sleep(ctx, time.Hour)
		_, _ = future.Join()
		return none{}, err
	})
	work(t, app)
	h := begun(t, agent, none{})
	until(t, isWaiting(h))
	must(t, h.Signal("go", "gone"))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, "slow gone")
	equal(t, done.Load(), int32(1))
	fails(t, unjoined, none{}, "join them first", Option("max_attempts", 1))
}

func TestAStepInFlightIsWaitedForWhenAnotherGivesBack(t *testing.T) {
	app := openApp(t)
	var done atomic.Int32
	slowBegun := make(chan struct{})
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		slow := Go(ctx, "slow", func(ctx context.Context) (none, error) {
			return Step(ctx, "s", func(context.Context) (none, error) {
				close(slowBegun)
				time.Sleep(300 * time.Millisecond)
				done.Add(1)
				return none{}, nil
			})
		})
		_, err := Step(ctx, "away", func(context.Context) (none, error) { <-slowBegun; return none{}, errors.New("away") }, Attempts(3), Backoff(time.Minute))
		_, err2 := slow.Join()
		return none{}, errors.Join(err, err2)
	})
	waits := Workflow(app, "waits", func(ctx context.Context, _ none) (none, error) {
		begun, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = Step(ctx, "s", func(context.Context) (none, error) {
				close(begun)
				time.Sleep(200 * time.Millisecond)
				return none{}, nil
			})
		}()
		<-begun
		err := Sleep(ctx, time.Hour)
		<-ended
		return none{}, err
	})
	work(t, app)
	h := begun(t, w, none{})
	until(t, func() bool {
		status, _ := h.Status()
		rows, _ := app.Query("SELECT count(*) FROM wf_steps WHERE name = 'slow.s' AND status = 'done'")
		return status == "pending" && rows[0][0] == int64(1)
	})
	equal(t, done.Load(), int32(1))
	fails(t, waits, none{}, "in flight", Option("max_attempts", 1))
}

func TestTimeoutOfAWait(t *testing.T) {
	app := openApp(t)
	patient := Workflow(app, "patient", func(ctx context.Context, _ none) (bool, error) {
		if _, err := WaitSignal[any](ctx, "never", Timeout(10*time.Millisecond)); !errors.Is(err, ErrTimeout) {
			return false, err
		}
		value, err := WaitSignal[any](ctx, "null", Timeout(time.Hour))
		return value == nil, err
	})
	work(t, app)
	h := begun(t, patient, none{})
	must(t, h.Signal("null", nil))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, true)
}

func TestSuspensionSwallowed(t *testing.T) {
	app := openApp(t)
	deaf := Workflow(app, "deaf", func(ctx context.Context, _ none) (string, error) {
		value, err := WaitSignal[string](ctx, "go", Timeout(time.Hour))
		if err != nil {
			_, err = Step(ctx, "after", returns(1))
			if !errors.Is(err, ErrSuspended) {
				return "", err
			}
			return "nothing came", nil
		}
		return value, nil
	})
	work(t, app)
	h := begun(t, deaf, none{})
	until(t, isWaiting(h))
	time.Sleep(50 * time.Millisecond)
	equal(t, isWaiting(h)(), true)
	must(t, h.Signal("go", "it came"))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, "it came")
}

func TestCancelReachesTheCode(t *testing.T) {
	app := openApp(t)
	started, told := make(chan struct{}), make(chan struct{})
	looping := Workflow(app, "looping", func(ctx context.Context, _ none) (none, error) {
		close(started)
		<-ctx.Done()
		close(told)
		return none{}, ctx.Err()
	})
	work(t, app)
	h := begun(t, looping, none{})
	<-started
	must(t, h.Cancel("enough"))
	select {
	case <-told:
	case <-time.After(long):
		t.Fatal("the code was not told")
	}
	_, err := result(t, h)
	var cancelled *WorkflowCancelled
	if !errors.As(err, &cancelled) || !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
}

func TestChildren(t *testing.T) {
	app := openApp(t)
	child := Workflow(app, "child", func(_ context.Context, n int) (int, error) {
		if n == 3 {
			return 0, &NotJSON{"no threes"}
		}
		return n * n, nil
	})
	parent := Workflow(app, "parent", func(ctx context.Context, _ none) ([]any, error) {
		one, err := StartChild(ctx, child, 1)
		if err != nil {
			return nil, err
		}
		two, err := StartChild(ctx, child, 2)
		if err != nil {
			return nil, err
		}
		squares, err := Join(ctx, []Child[int]{one, two})
		if err != nil {
			return nil, err
		}
		_, err = Call(ctx, child, 3)
		var failed *WorkflowFailed
		if !errors.As(err, &failed) {
			return nil, err
		}
		five, err := Call(ctx, child, 5, WithID("by name"))
		return []any{squares[0], squares[1], failed.Cause.Message, five}, err
	})
	work(t, app)
	equal(t, finish(t, parent, none{}), []any{1.0, 4.0, "no threes", 25.0})
}

func TestEffect(t *testing.T) {
	app := openApp(t)
	var mu sync.Mutex
	var keys []string
	buy := Workflow(app, "buy", func(ctx context.Context, _ none) (string, error) {
		return Effect(ctx, "charge", func(ctx context.Context) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			keys = append(keys, Key(ctx))
			if len(keys) == 1 {
				return "", errors.New("no answer")
			}
			return "paid", nil
		}, Attempts(2), Backoff(10*time.Millisecond))
	})
	work(t, app)
	equal(t, finish(t, buy, none{}), "paid")
	equal(t, len(keys), 2)
	if keys[0] == "" || keys[0] != keys[1] {
		t.Fatal(keys)
	}
}

func TestTransactionWithRows(t *testing.T) {
	app := openApp(t)
	for _, sql := range []string{"CREATE TABLE answer(run TEXT, text TEXT)", "CREATE TABLE one(a UNIQUE)", "INSERT INTO one VALUES (1)"} {
		_, err := app.Query(sql)
		must(t, err)
	}
	remember := Workflow(app, "remember", func(ctx context.Context, text string) (int, error) {
		return Transaction(ctx, "remember", func(tx *Tx) (int, error) {
			if err := tx.Exec("INSERT INTO answer VALUES (?, ?)", ID(ctx), text); err != nil {
				return 0, err
			}
			switch text {
			case "bad":
				return 0, errors.New("bad")
			case "COMMIT":
				return 0, tx.Exec("/* x */ COMMIT")
			case "rolled back":
				_ = tx.Exec("INSERT OR ROLLBACK INTO one VALUES (1)")
				return 0, tx.Exec("INSERT INTO answer VALUES ('after', 'after')")
			}
			return 1, nil
		})
	})
	work(t, app)
	equal(t, finish(t, remember, "good", WithID("good")), 1)
	fails(t, remember, "bad", "bad")
	fails(t, remember, "COMMIT", "begun and ended around")
	fails(t, remember, "rolled back", "was rolled back")
	rows, err := app.Query("SELECT * FROM answer")
	must(t, err)
	equal(t, rows, [][]any{{"good", "good"}})
}

func TestATransactionThatCallsTheApp(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		return Transaction(ctx, "t", func(*Tx) (none, error) { _, err := Step(ctx, "inner", returns(1)); return none{}, err })
	})
	work(t, app)
	fails(t, w, none{}, "wait for itself")
}

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

func TestSaga(t *testing.T) {
	app := openApp(t)
	var mu sync.Mutex
	var undone []string
	trip := Workflow(app, "trip", func(ctx context.Context, parts []string) (none, error) {
		for _, part := range parts {
			if _, err := Step(ctx, "book", func(context.Context) (string, error) {
				if part == "hotel" {
					return "", errors.New("no room")
				}
				return part, nil
			}); err != nil {
				return none{}, err
			}
			if err := Compensate(ctx, "book", func(context.Context) error { mu.Lock(); defer mu.Unlock(); undone = append(undone, part); return nil }); err != nil {
				return none{}, err
			}
		}
		_, err := WaitSignal[any](ctx, "go")
		return none{}, err
	}, Undo())
	careless := Workflow(app, "careless", func(ctx context.Context, _ none) (none, error) {
		return none{}, Compensate(ctx, "x", func(context.Context) error { return nil })
	})
	work(t, app)
	fails(t, trip, []string{"flight", "car", "hotel", "boat"}, "no room")
	equal(t, undone, []string{"car", "flight"})
	undone = nil
	h := begun(t, trip, []string{"car"})
	until(t, isWaiting(h))
	must(t, h.Cancel(nil))
	_, err := result(t, h)
	var cancelled *WorkflowCancelled
	if !errors.As(err, &cancelled) {
		t.Fatal(err)
	}
	equal(t, undone, []string{"car"})
	fails(t, careless, none{}, "wfext.Undo()")
}

func TestAnUndoIsNotLost(t *testing.T) {
	app := openApp(t)
	var mu sync.Mutex
	var undone []string
	giveBack := func(part string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			undone = append(undone, part)
			if part == "car" {
				return errors.New("they keep it")
			}
			return nil
		}
	}
	trip := Workflow(app, "trip", func(ctx context.Context, _ none) (none, error) {
		if _, err := Transaction(ctx, "bad", func(*Tx) (none, error) { return none{}, errors.New("no") }); err == nil {
			return none{}, errors.New("it was done")
		}
		for _, part := range []string{"flight", "car", "hotel"} {
			if _, err := Step(ctx, "book", returns(part)); err != nil {
				return none{}, err
			}
			if err := Compensate(ctx, "book", giveBack(part)); err != nil {
				return none{}, err
			}
		}
		_, err := WaitSignal[any](ctx, "go")
		return none{}, err
	}, Undo())
	work(t, app)
	h := begun(t, trip, none{}, Option("max_attempts", 1))
	until(t, isWaiting(h))
	must(t, h.Cancel(nil))
	if _, err := result(t, h); err == nil {
		t.Fatal("it was completed")
	}
	equal(t, undone, []string{"hotel", "car", "flight"})
}

func TestStreamFollowedLive(t *testing.T) {
	app := openApp(t)
	talk := Workflow(app, "talk", func(ctx context.Context, _ none) (none, error) {
		if err := Append(ctx, "words", "one"); err != nil {
			return none{}, err
		}
		if err := Sleep(ctx, 10*time.Millisecond); err != nil {
			return none{}, err
		}
		return none{}, Append(ctx, "words", "two")
	})
	work(t, app)
	var words []string
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	must(t, begun(t, talk, none{}).Stream(ctx, "words", 0, func(_ int64, value json.RawMessage) error {
		word, err := decode[string](string(value))
		words = append(words, word)
		return err
	}))
	equal(t, words, []string{"one", "two"})
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

func TestOutsideOfAWorkflow(t *testing.T) {
	app := openApp(t)
	if _, err := Step(context.Background(), "x", returns(1)); !errors.Is(err, ErrOutside) {
		t.Fatal(err)
	}
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		return Step(ctx, "outer", func(ctx context.Context) (int, error) { return Step(ctx, "inner", returns(1)) })
	})
	numbered := Workflow(app, "numbered", func(ctx context.Context, _ none) (int, error) { return Step(ctx, "x#2", returns(1)) })
	work(t, app)
	fails(t, w, none{}, "in which another step has no place")
	fails(t, numbered, none{}, "ends in #", Option("max_attempts", 1))
}

func TestChangedCode(t *testing.T) {
	app := openApp(t)
	change := func(patched bool) *Definition[none, string] {
		return Workflow(app, "change", func(ctx context.Context, _ none) (string, error) {
			if patched {
				isNew, err := Patched(ctx, "new")
				if err != nil {
					return "", err
				}
				if isNew {
					_, err = WaitSignal[any](ctx, "go")
					return "new", err
				}
			}
			first, err := Step(ctx, "old", returns("old"))
			if err != nil {
				return "", err
			}
			_, err = WaitSignal[any](ctx, "go")
			return first, err
		})
	}
	before := change(false)
	w := work(t, app)
	underWay := begun(t, before, none{})
	until(t, isWaiting(underWay))
	w.Stop()
	after := change(true)
	work(t, app)
	fresh := begun(t, after, none{})
	for h, want := range map[*Handle[string]]string{fresh: "new", underWay: "old"} {
		must(t, h.Signal("go", nil))
		out, err := result(t, h)
		must(t, err)
		equal(t, out, want)
	}
}

func TestContinueAs(t *testing.T) {
	app := openApp(t)
	count := Workflow(app, "count", func(ctx context.Context, n int) (int, error) {
		if n < 3 {
			return 0, ContinueAs(ctx, n+1)
		}
		return n, nil
	})
	work(t, app)
	equal(t, finish(t, count, 0), 3)
}

func TestTwoWorkersOfOneName(t *testing.T) {
	app := openApp(t)
	Workflow(app, "w", func(context.Context, none) (none, error) { return none{}, nil })
	work(t, app, WorkerName("one"))
	if _, err := app.Start(WorkerName("one")); err == nil || !strings.Contains(err.Error(), `"one" is running`) {
		t.Fatal(err)
	}
	second, third := work(t, app), work(t, app)
	if second.Name() == third.Name() {
		t.Fatal(second.Name())
	}
}

func TestStopGivesBack(t *testing.T) {
	app := openApp(t)
	var runs atomic.Int32
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int32, error) {
		n := runs.Add(1)
		if n == 1 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return n, nil
	})
	first := work(t, app)
	h := begun(t, w, none{})
	until(t, func() bool { return runs.Load() == 1 })
	first.Stop()
	status, err := h.Status()
	must(t, err)
	equal(t, status, "pending")
	work(t, app)
	out, err := result(t, h)
	must(t, err)
	equal(t, out, int32(2))
}

func TestGroupsAnswerForEach(t *testing.T) {
	app := openApp(t)
	_, err := app.Call("wf_init")
	must(t, err)
	_, err = app.Query("CREATE TRIGGER stop BEFORE INSERT ON _wf_workflow WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no bad ones'); END")
	must(t, err)
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = app.database.do(&call{alone: func(*connection) (any, error) { close(held); <-release; return nil, nil }})
	}()
	<-held
	ids := []string{"1", "2", "bad", "3", ""}
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = &call{sql: "SELECT wf_start('w', NULL, ?)", args: []any{`{"id":"` + id + `"}`}, done: make(chan answer, 1)}
		app.database.calls <- calls[i]
	}
	close(release)
	for i, c := range calls {
		a := <-c.done
		switch ids[i] {
		case "bad":
			if a.err == nil || !strings.Contains(a.err.Error(), "no bad ones") {
				t.Fatal(a)
			}
		case "":
			if !errors.Is(a.err, ErrInvalid) {
				t.Fatal(a)
			}
		default:
			equal(t, a.value, any(ids[i]))
		}
	}
	rows, err := app.Query("SELECT count(*) FROM wf_workflows")
	must(t, err)
	equal(t, rows, [][]any{{int64(3)}})
}

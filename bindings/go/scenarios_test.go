package wfext

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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

// An error that has the words of a StepFailed fails the workflow for good, as the error itself does: each replay would read back the same.
func TestAStepFailedByItsWords(t *testing.T) {
	app := openApp(t)
	var runs atomic.Int32
	charge := func(ctx context.Context) error {
		_, err := Step(ctx, "charge", func(context.Context) (none, error) { return none{}, errors.New("declined") })
		return err
	}
	worded := Workflow(app, "worded", func(ctx context.Context, replays bool) (none, error) {
		runs.Add(1)
		err := charge(ctx)
		if replays {
			if err := Sleep(ctx, 10*time.Millisecond); err != nil {
				return none{}, err
			}
		}
		return none{}, fmt.Errorf("buying: %v", err)
	})
	other := Workflow(app, "other", func(ctx context.Context, _ none) (none, error) {
		runs.Add(1)
		_ = charge(ctx)
		return none{}, errors.New("the network is away")
	})
	work(t, app)
	for _, replays := range []bool{false, true} {
		runs.Store(0)
		fails(t, worded, replays, `buying: step "charge" failed: declined`)
		equal(t, runs.Load(), map[bool]int32{false: 1, true: 2}[replays])
	}
	runs.Store(0)
	fails(t, other, none{}, "away", Option("max_attempts", 3), Option("backoff", map[string]any{"initial": 0.01}))
	equal(t, runs.Load(), int32(3))
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
		five, err := Call(ctx, child, 5, ID("by name"))
		return []any{squares[0], squares[1], failed.Cause.Message, five}, err
	})
	work(t, app)
	equal(t, finish(t, parent, none{}), []any{1.0, 4.0, "no threes", 25.0})
}

func TestCallsOfChildrenSideBySide(t *testing.T) {
	app := openApp(t)
	child := Workflow(app, "child", func(ctx context.Context, n int) (int, error) {
		return n * 10, Sleep(ctx, time.Duration(30/n)*time.Millisecond)
	})
	parent := Workflow(app, "parent", func(ctx context.Context, _ none) ([]int, error) {
		futures := []*Future[int]{}
		for n := range 3 {
			futures = append(futures, Go(ctx, "branch", func(ctx context.Context) (int, error) { return Call(ctx, child, n+1) }))
		}
		out, errs := []int{}, []error{}
		for _, future := range futures {
			value, err := future.Join()
			out, errs = append(out, value), append(errs, err)
		}
		return out, errors.Join(errs...)
	})
	work(t, app)
	h := begun(t, parent, none{})
	out, err := result(t, h)
	must(t, err)
	equal(t, out, []int{10, 20, 30})
	steps, err := h.Steps()
	must(t, err)
	names := []string{}
	for _, step := range steps {
		names = append(names, step.Name)
	}
	slices.Sort(names)
	equal(t, names, []string{"branch#2.child", "branch#2.join", "branch#3.child", "branch#3.join", "branch.child", "branch.join"})
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
	inDoubt := Workflow(app, "in doubt", func(ctx context.Context, _ none) (string, error) {
		return Effect(ctx, "charge", returns("paid"), InDoubt("hold"))
	})
	held := begun(t, inDoubt, none{})
	given, err := app.Call("wf_claim", nil, "another")
	must(t, err)
	claimed, err := decode[claim](given.(string))
	must(t, err)
	for _, call := range [][]any{{"wf_begin", claimed.Token, "charge", `{"in_doubt":"hold"}`}, {"wf_recover", `{"worker":"another"}`}} { // begun, and died
		_, err = app.Call(call[0].(string), call[1:]...)
		must(t, err)
	}
	work(t, app)
	equal(t, finish(t, buy, none{}), "paid")
	until(t, func() bool {
		rows, err := app.Query("SELECT 1 FROM wf_in_doubt WHERE workflow_id = ?", held.ID())
		return err == nil && len(rows) > 0
	})
	_, err = app.Call("wf_resolve", held.ID(), "charge", "done", `"paid by hand"`)
	must(t, err)
	out, err := result(t, held)
	must(t, err)
	equal(t, out, "paid by hand")
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
			if err := tx.Exec("INSERT INTO answer VALUES (?, ?)", WorkflowID(ctx), text); err != nil {
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
	equal(t, finish(t, remember, "good", ID("good")), 1)
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
		return Transaction(ctx, "t", func(*Tx) (none, error) { _, err := app.Query("SELECT 1"); return none{}, err })
	})
	work(t, app)
	fails(t, w, none{}, "wait for itself")
}

func TestOutsideOfAWorkflow(t *testing.T) {
	app := openApp(t)
	if _, err := Step(context.Background(), "x", returns(1)); !errors.Is(err, ErrOutside) {
		t.Fatal(err)
	}
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		return Step(ctx, "outer", func(ctx context.Context) (int, error) { return Step(ctx, "inner", returns(1)) })
	})
	waits := Workflow(app, "waits", func(ctx context.Context, _ none) (none, error) {
		return Step(ctx, "outer", func(ctx context.Context) (none, error) { return none{}, Sleep(ctx, time.Second) })
	})
	numbered := Workflow(app, "numbered", func(ctx context.Context, _ none) (int, error) { return Step(ctx, "x#2", returns(1)) })
	work(t, app)
	h := begun(t, w, none{})
	out, err := result(t, h)
	must(t, err)
	equal(t, out, 1) // inside of a step: a plain call
	steps, err := h.Steps()
	must(t, err)
	equal(t, len(steps), 1)
	fails(t, waits, none{}, "that of the step outer")
	fails(t, numbered, none{}, "ends in #", Option("max_attempts", 1))
}

func TestChangedCode(t *testing.T) {
	app := openApp(t)
	change := func(patched bool) *Definition[none, string] {
		delete(app.workflows, "change") // as in a new process
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

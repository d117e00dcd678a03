package wfext

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestAWorkflowByItsName(t *testing.T) {
	app := openApp(t)
	Workflow(app, "double", func(_ context.Context, n int) (int, error) { return n * 2, nil })
	work(t, app)
	double := Ref[int, int](app, "double") // a caller that does not have the code
	equal(t, finish(t, double, 4, ID("d-4")), 8)
	out, err := result(t, double.Handle("d-4"))
	must(t, err)
	equal(t, out, 8)
}

func TestAListWithFilters(t *testing.T) {
	app := openApp(t)
	w := Ref[int, none](app, "w")
	for n, queue := range []string{"default", "default", "other"} {
		begun(t, w, n, ID(fmt.Sprint("w-", n)), Option("queue", queue), Option("tags", map[string]string{"customer": fmt.Sprint(n)}))
	}
	ids := func(equal map[string]any) (out []string) {
		found, err := app.List(equal, 10)
		must(t, err)
		for _, one := range found {
			out = append(out, one["id"].(string))
		}
		slices.Sort(out)
		return out
	}
	equal(t, ids(nil), []string{"w-0", "w-1", "w-2"})
	equal(t, ids(map[string]any{"queue": "default", "status": "pending"}), []string{"w-0", "w-1"})
	equal(t, ids(map[string]any{"tag": "customer=1"}), []string{"w-1"})
	if _, err := app.List(map[string]any{"colour": "red"}, 1); err == nil {
		t.Fatal("there is a column colour")
	}
}

func TestAllThatAHandleCan(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) ([]int, error) {
		first, err := Step(ctx, "first", returns(1))
		if err != nil {
			return nil, err
		}
		if err := Set(ctx, "state", "waits"); err != nil {
			return nil, err
		}
		second, err := WaitSignal[int](ctx, "go")
		return []int{first, second}, err
	})
	later := begun(t, w, none{}, Delay(time.Hour))
	must(t, later.Reschedule(time.Now().Add(2*time.Hour)))
	must(t, later.Pause())
	status, err := later.Status()
	must(t, err)
	equal(t, status, "paused")
	must(t, later.Resume())
	must(t, later.Cancel("enough"))
	reason, err := later.Error()
	must(t, err)
	equal(t, reason.Message, "enough")
	work(t, app)
	h := begun(t, w, none{})
	waitsFor(t, app, h.ID(), "go")
	state, err := h.Value("state")
	must(t, err)
	equal(t, string(state), `"waits"`)
	must(t, h.Signal("go", 2, SignalKey("k")))
	must(t, h.Signal("go", 2, SignalKey("k")))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, []int{1, 2})
	fork, err := h.Fork(Option("from", "go")) // else it has the answer, and is at its end before the signal
	must(t, err)
	must(t, fork.Signal("go", 3))
	out, err = result(t, fork)
	must(t, err)
	equal(t, out, []int{1, 3})
	if _, err := HandleOf[none](app, "nobody").Status(); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestInsideOfAWorkflowItIsRefused(t *testing.T) {
	app := openApp(t)
	other := Workflow(app, "other", func(context.Context, none) (int, error) { return 1, nil })
	starts := Workflow(app, "starts", func(ctx context.Context, _ none) (none, error) {
		_, err := other.Start(ctx, none{})
		return none{}, err
	})
	waits := Workflow(app, "waits", func(ctx context.Context, _ none) (int, error) { return other.Handle("x").Result(ctx) })
	inStep := Workflow(app, "in a step", func(ctx context.Context, _ none) (string, error) {
		return Step(ctx, "start", func(ctx context.Context) (string, error) {
			h, err := other.Start(ctx, none{}, ID("o"))
			return h.ID(), err
		})
	})
	work(t, app)
	fails(t, starts, none{}, "StartChild", Option("max_attempts", 1))
	fails(t, waits, none{}, "Join or Call", Option("max_attempts", 1))
	equal(t, finish(t, inStep, none{}), "o")
}

func TestAConnectionOfTheAppsOwnLibrary(t *testing.T) {
	app := openApp(t)
	db := app.DB()
	defer db.Close()
	tx, err := db.Begin()
	must(t, err)
	_, err = tx.Exec("CREATE TABLE t(a)")
	must(t, err)
	var id string
	must(t, tx.QueryRow("SELECT wf_start('w', NULL, ?)", `{"id":"w-1"}`).Scan(&id))
	must(t, tx.Commit())
	status, err := HandleOf[none](app, "w-1").Status()
	must(t, err)
	equal(t, status, "pending")
}

func TestDaysInMilliseconds(t *testing.T) {
	app := openApp(t)
	var tries, ticks int
	reminder := Workflow(app, "reminder", func(ctx context.Context, what string) (string, error) {
		if err := Sleep(ctx, 7*24*time.Hour); err != nil {
			return "", err
		}
		return Step(ctx, "mail", func(context.Context) (string, error) {
			if tries++; tries < 2 {
				return "", errors.New("away")
			}
			return what, nil
		}, Attempts(3), Backoff(time.Minute))
	})
	daily := Workflow(app, "daily", func(context.Context, none) (none, error) { ticks++; return none{}, nil })
	must(t, Schedule(app, "daily", "@daily", daily, none{}))
	harness, err := NewHarness(app)
	must(t, err)
	h := begun(t, reminder, "tea")
	must(t, harness.Advance(6*24*time.Hour))
	equal(t, isWaiting(h)(), true)
	equal(t, ticks, 6)
	out, err := Until(harness, h)
	must(t, err)
	equal(t, out, "tea")
	if harness.Now().Before(time.Date(2026, 1, 8, 0, 1, 0, 0, time.UTC)) {
		t.Fatal(harness.Now())
	}
}

func TestErrgroup(t *testing.T) {
	// As golang.org/x/sync/errgroup: a context that ends with the first error. What is done is recorded all the same.
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		group, cancel := context.WithCancel(ctx)
		cancel()
		return Step(group, "s", func(ctx context.Context) (int, error) { return 7, nil })
	})
	work(t, app)
	equal(t, finish(t, w, none{}), 7)
}

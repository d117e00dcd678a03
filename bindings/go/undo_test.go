package wfext

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// booked is a step that leaves something to undo.
func booked(ctx context.Context, part string, undo func(part string) error) error {
	if _, err := Step(ctx, "book", func(context.Context) (string, error) {
		if part == "no hotel" {
			return "", errors.New("no room")
		}
		return part, nil
	}); err != nil {
		return err
	}
	return Compensate(ctx, "book", func(context.Context) error { return undo(part) })
}

// undone is what was undone, in order.
type undone struct {
	mu    sync.Mutex
	parts []string
}

func (u *undone) add(part string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, part)
	if part == "car" {
		return errors.New("they keep it")
	}
	return nil
}

// cancelled cancels it while it waits for the signal go.
func cancelled[Out any](t *testing.T, app *App, h *Handle[Out]) error {
	t.Helper()
	waitsFor(t, app, h.ID(), "go")
	must(t, h.Cancel(nil))
	_, err := result(t, h)
	return err
}

func TestSaga(t *testing.T) {
	app := openApp(t)
	var u undone
	trip := Workflow(app, "trip", func(ctx context.Context, parts []string) (none, error) {
		for _, part := range parts {
			if err := booked(ctx, part, u.add); err != nil {
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
	fails(t, trip, []string{"flight", "boat", "no hotel", "tour"}, "no room")
	equal(t, u.parts, []string{"boat", "flight"})
	u.parts = nil
	err := cancelled(t, app, begun(t, trip, []string{"flight"}))
	var stopped *WorkflowCancelled
	if !errors.As(err, &stopped) {
		t.Fatal(err)
	}
	equal(t, u.parts, []string{"flight"})
	fails(t, careless, none{}, "wfext.Undo()")
}

func TestAnUndoIsNotLost(t *testing.T) {
	app := openApp(t)
	var u undone
	trip := Workflow(app, "trip", func(ctx context.Context, _ none) (none, error) {
		if _, err := Transaction(ctx, "bad", func(*Tx) (none, error) { return none{}, errors.New("no") }); err == nil {
			return none{}, errors.New("it was done")
		}
		for _, part := range []string{"flight", "car", "hotel"} {
			if err := booked(ctx, part, u.add); err != nil {
				return none{}, err
			}
		}
		_, err := WaitSignal[any](ctx, "go")
		return none{}, err
	}, Undo())
	work(t, app)
	if err := cancelled(t, app, begun(t, trip, none{}, Option("max_attempts", 1))); err == nil {
		t.Fatal("it was completed")
	}
	equal(t, u.parts, []string{"hotel", "car", "flight"})
}

func TestAnUndoOfAWorkflowThatPlainSQLHasStarted(t *testing.T) {
	app := openApp(t)
	child := Workflow(app, "kid", func(context.Context, none) (int, error) { return 1, nil })
	first := map[string]func(ctx context.Context) error{
		"wait": func(ctx context.Context) error {
			if _, err := WaitSignal[any](ctx, "first", Timeout(10*time.Millisecond)); !errors.Is(err, ErrTimeout) {
				return err
			}
			return nil
		},
		"sleep":        func(ctx context.Context) error { return Sleep(ctx, 10*time.Millisecond) },
		"child":        func(ctx context.Context) error { _, err := StartChild(ctx, child, none{}); return err },
		"child joined": func(ctx context.Context) error { _, err := Call(ctx, child, none{}); return err },
		"patch":        func(ctx context.Context) error { _, err := Patched(ctx, "new"); return err },
		"transaction": func(ctx context.Context) error {
			_, err := Transaction(ctx, "rows", func(*Tx) (int, error) { return 1, nil })
			return err
		},
		"effect": func(ctx context.Context) error { _, err := Effect(ctx, "pay", returns(1)); return err },
		"branch": func(ctx context.Context) error {
			_, err := Go(ctx, "beside", func(ctx context.Context) (none, error) { return none{}, Sleep(ctx, 10*time.Millisecond) }).Join()
			return err
		},
	}
	var u undone
	names := []string{}
	for name, does := range first {
		names = append(names, name)
		Workflow(app, name, func(ctx context.Context, _ none) (none, error) {
			if err := does(ctx); err != nil {
				return none{}, err
			}
			if err := Append(ctx, "log", "begun"); err != nil {
				return none{}, err
			}
			if err := Compensate(ctx, "money", func(context.Context) error { return u.add(name) }); err != nil {
				return none{}, err
			}
			_, err := WaitSignal[any](ctx, "go")
			return none{}, err
		}, Undo())
	}
	work(t, app)
	for _, name := range names {
		_, err := app.Call("wf_start", name, nil, `{"id":"`+name+`"}`)
		must(t, err)
	}
	for _, name := range names {
		if err := cancelled(t, app, HandleOf[none](app, name)); err == nil {
			t.Fatal("it was completed")
		}
	}
	slices.Sort(names)
	slices.Sort(u.parts)
	equal(t, u.parts, names)
}

// A cancel in the middle of a step waits for its record: what was done is undone, and what was not is not.
func TestACancelInTheMiddleOfAStep(t *testing.T) {
	app := openApp(t)
	for _, kind := range []string{"step", "effect", "branch"} {
		var u undone
		charging, goes := make(chan none), make(chan none)
		charge := func(ctx context.Context) (string, error) {
			close(charging)
			<-goes
			return "paid", nil
		}
		w := Workflow(app, kind, func(ctx context.Context, _ none) (none, error) {
			does := func(ctx context.Context) (none, error) {
				var err error
				if kind == "effect" {
					_, err = Effect(ctx, "charge", charge)
				} else {
					_, err = Step(ctx, "charge", charge)
				}
				if err != nil {
					return none{}, err
				}
				if err := Compensate(ctx, "charge", func(context.Context) error { return u.add("charge") }); err != nil {
					return none{}, err
				}
				_, err = Step(ctx, "never", func(context.Context) (none, error) { return none{}, u.add("never") })
				return none{}, err
			}
			if kind == "branch" {
				return Go(ctx, "branch", does).Join()
			}
			return does(ctx)
		}, Undo())
		worker := work(t, app, Workflows(kind))
		h := begun(t, w, none{})
		<-charging
		must(t, h.Cancel(nil))
		until(t, func() bool { // the worker knows, and nobody undoes anything
			rows, err := app.Query("SELECT 1 FROM wf_workflows WHERE id = ? AND ending = 'cancelled' AND status = 'pending'", h.ID())
			return err == nil && len(rows) == 1
		})
		must(t, worker.beat())
		close(goes)
		var cancelled *WorkflowCancelled
		if _, err := result(t, h); !errors.As(err, &cancelled) {
			t.Fatal(err)
		}
		equal(t, u.parts, []string{"charge"})
		worker.Stop()
	}
}

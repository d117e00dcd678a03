package wfext

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestStreamFollowedLive(t *testing.T) {
	app := openApp(t)
	talk := Workflow(app, "talk", func(ctx context.Context, _ none) (none, error) {
		for _, word := range []string{"one", "two"} {
			if err := Append(ctx, "words", word); err != nil {
				return none{}, err
			}
			if err := Sleep(ctx, 10*time.Millisecond); err != nil {
				return none{}, err
			}
		}
		return none{}, nil
	})
	work(t, app)
	equal(t, follow(t, begun(t, talk, none{}), "words"), []string{"one", "two"})
}

// follow reads a stream to its end.
func follow[Out any](t *testing.T, h *Handle[Out], name string) (items []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	for item, err := range Stream[string](ctx, h, name, 0) {
		must(t, err)
		items = append(items, item)
	}
	return items
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

func TestAStreamOverContinueAs(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, n int) (int, error) {
		if err := Append(ctx, "log", fmt.Sprint("begin ", n)); err != nil {
			return 0, err
		}
		if err := Append(ctx, "ticks", "tick"); err != nil { // the same in each period: no repetition
			return 0, err
		}
		if err := Sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		if err := Append(ctx, "log", fmt.Sprint("end ", n)); err != nil {
			return 0, err
		}
		if n < 3 {
			return 0, ContinueAs(ctx, n+1)
		}
		return n, nil
	})
	work(t, app)
	h := begun(t, w, 1)
	out, err := result(t, h)
	must(t, err)
	equal(t, out, 3)
	equal(t, follow(t, h, "log"), []string{"begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"})
	equal(t, follow(t, h, "ticks"), []string{"tick", "tick", "tick"})
}

func TestWhatAStepAppendsIsNotNumberedByTheWorkflow(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		if _, err := Step(ctx, "words", func(ctx context.Context) (none, error) { return none{}, Append(ctx, "log", "from the step") }); err != nil {
			return none{}, err
		}
		return none{}, Sleep(ctx, 10*time.Millisecond)
	})
	work(t, app)
	equal(t, follow(t, begun(t, w, none{}), "log"), []string{"from the step"})
}

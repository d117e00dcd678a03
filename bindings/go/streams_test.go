package wfext

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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

func TestBranchesAppendToOneStream(t *testing.T) {
	app := openApp(t)
	var late atomic.Bool
	w := Workflow(app, "w", func(ctx context.Context, n int) (int, error) {
		if err := Append(ctx, "log", fmt.Sprint("start ", n)); err != nil {
			return 0, err
		}
		a := Go(ctx, "a", func(ctx context.Context) (int, error) {
			if _, err := WaitSignal[any](ctx, fmt.Sprint("go ", n)); err != nil {
				return 0, err
			}
			if err := Append(ctx, "log", "A"); err != nil {
				return 0, err
			}
			return 0, Append(ctx, "log", "A")
		})
		b := Go(ctx, "b", func(ctx context.Context) (int, error) {
			if err := Sleep(ctx, time.Millisecond); err != nil {
				return 0, err
			}
			if late.Load() { // the other is first in the replay
				time.Sleep(20 * time.Millisecond)
			}
			return 0, Append(ctx, "log", "B")
		})
		if err := Append(ctx, "log", "beside"); err != nil {
			return 0, err
		}
		_, first := a.Join()
		_, second := b.Join()
		if err := errors.Join(first, second); err != nil {
			return 0, err
		}
		if err := Append(ctx, "log", fmt.Sprint("end ", n)); err != nil {
			return 0, err
		}
		if err := Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		if err := Append(ctx, "log", fmt.Sprint("over ", n)); err != nil {
			return 0, err
		}
		if n == 1 {
			return 0, ContinueAs(ctx, 2)
		}
		return n, nil
	})
	work(t, app)
	h := begun(t, w, 1)
	for n := range 2 {
		until(t, func() bool {
			rows, err := app.Query("SELECT count(*) FROM wf_streams WHERE workflow_id = ? AND value = '\"B\"'", h.ID())
			return err == nil && rows[0][0] == int64(n+1) && isWaiting(h)()
		})
		late.Store(true)
		must(t, h.Signal(fmt.Sprint("go ", n+1), 1))
		waitsFor := fmt.Sprintf("over %d", n+1)
		until(t, func() bool {
			rows, err := app.Query("SELECT 1 FROM wf_streams WHERE workflow_id = ? AND value = json_quote(?)", h.ID(), waitsFor)
			return err == nil && len(rows) > 0
		})
		late.Store(false)
	}
	out, err := result(t, h)
	must(t, err)
	equal(t, out, 2)
	items := follow(t, h, "log")
	equal(t, items, []string{"start 1", "beside", "B", "A", "A", "end 1", "over 1", "start 2", "beside", "B", "A", "A", "end 2", "over 2"})
}

func TestAForkHasTheItemsOfBranches(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		if err := Append(ctx, "log", "start"); err != nil {
			return none{}, err
		}
		futures := []*Future[none]{}
		for i := range 3 {
			futures = append(futures, Go(ctx, "branch", func(ctx context.Context) (none, error) { return none{}, Append(ctx, "log", fmt.Sprint(i)) }))
		}
		for _, f := range futures {
			if _, err := f.Join(); err != nil {
				return none{}, err
			}
		}
		return none{}, Append(ctx, "log", "end")
	})
	work(t, app)
	h := begun(t, w, none{})
	items := follow(t, h, "log")
	for range 5 {
		fork, err := h.Fork()
		must(t, err)
		equal(t, follow(t, fork, "log"), items)
	}
}

func TestAppendsOfTheCodeAndOfItsSteps(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		code := func() error { return Append(ctx, "log", "code") }
		says := func() error {
			_, err := Step(ctx, "says", func(ctx context.Context) (none, error) { return none{}, Append(ctx, "log", "step") })
			return err
		}
		branches := func() error {
			for i := range 2 {
				if _, err := Go(ctx, fmt.Sprintf("branch[%d]", i), func(ctx context.Context) (none, error) { return none{}, Append(ctx, "log", i+1) }).Join(); err != nil {
					return err
				}
			}
			return nil
		}
		wait := func() error { _, err := WaitSignal[any](ctx, "on"); return err }
		for _, does := range []func() error{code, says, code, func() error { return Sleep(ctx, 10*time.Millisecond) }, says, branches, wait, code} {
			if err := does(); err != nil {
				return none{}, err
			}
		}
		return none{}, nil
	})
	work(t, app)
	h := begun(t, w, none{})
	waitsFor(t, app, h.ID(), "on")
	fork, err := h.Fork(ID("fork"))
	must(t, err)
	for _, each := range []*Handle[none]{h, fork} {
		must(t, each.Signal("on", nil))
		_, err := result(t, each)
		must(t, err)
	}
	items := func(id string) string {
		rows, err := app.Query(`SELECT json_group_array(json(value)) FROM (SELECT value FROM wf_streams WHERE workflow_id = ? ORDER BY "offset")`, id)
		must(t, err)
		return asText(rows[0][0])
	}
	equal(t, items(h.ID()), `["code","step","code","step",1,2,"code"]`)
	equal(t, items("fork"), `["code","code",1,2,"code"]`) // without what the steps of the other have done
	rows, err := app.Query("SELECT group_concat(name) FROM wf_steps WHERE workflow_id = ? AND name LIKE '%append%'", h.ID())
	must(t, err)
	equal(t, asText(rows[0][0]), "append log,append log#2,branch[0].append log,branch[1].append log,append log#3")
}

package wfext

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestASuspensionThatIsSwallowedInABranchDoesNotCount(t *testing.T) {
	app := openApp(t)
	var said atomic.Int32
	ask := func(ctx context.Context) (bool, error) { return WaitSignal[bool](ctx, "go") }
	say := func(ctx context.Context, ok bool) (string, error) {
		return Step(ctx, "say", func(context.Context) (string, error) { said.Add(1); return fmt.Sprint("ok=", ok), nil })
	}
	does := map[string]func(ctx context.Context) (string, error){
		"and a step": func(ctx context.Context) (string, error) {
			ok, err := Go(ctx, "ask", ask).Join()
			if err != nil {
				ok = false
			}
			return say(ctx, ok)
		},
		"and both": func(ctx context.Context) (string, error) {
			ok, _ := Go(ctx, "ask", ask).Join()
			text, _ := say(ctx, ok)
			_ = Append(ctx, "log", text)
			return text, nil
		},
		"and a new branch": func(ctx context.Context) (string, error) {
			ok, _ := Go(ctx, "ask", ask).Join()
			return Go(ctx, "say", func(ctx context.Context) (string, error) { return say(ctx, ok) }).Join()
		},
		"and nothing more": func(ctx context.Context) (string, error) {
			ok, _ := Go(ctx, "ask", ask).Join()
			return fmt.Sprint("ok=", ok), nil
		},
		"in the branch": func(ctx context.Context) (string, error) {
			return Go(ctx, "ask", func(ctx context.Context) (string, error) {
				ok, _ := ask(ctx)
				return fmt.Sprint("ok=", ok), nil
			}).Join()
		},
		"in another branch": func(ctx context.Context) (string, error) {
			first := Go(ctx, "ask", ask)
			second := Go(ctx, "say", func(ctx context.Context) (string, error) {
				ok, _ := first.Join()
				return say(ctx, ok)
			})
			_, _ = first.Join()
			return second.Join()
		},
		"by another error": func(ctx context.Context) (string, error) {
			ok, err := Go(ctx, "ask", ask).Join()
			if err != nil {
				return "", fmt.Errorf("asking: %v", err)
			}
			return say(ctx, ok)
		},
	}
	all := map[string]*Handle[string]{}
	for name, run := range does {
		w := Workflow(app, name, func(ctx context.Context, _ none) (string, error) { return run(ctx) })
		all[name] = begun(t, w, none{}, ID(name), Option("max_attempts", 1))
	}
	work(t, app)
	for name := range all {
		waitsFor(t, app, name, "ask.go")
		until(t, isWaiting(all[name]))
	}
	equal(t, said.Load(), int32(0))
	for _, h := range all {
		must(t, h.Signal("go", true))
	}
	for name, h := range all {
		out, err := result(t, h)
		if err != nil || out != "ok=true" {
			t.Fatal(name, out, err)
		}
	}
}

// A branch that is not joined yet hinders nobody: what it waits for may be what comes next.
func TestACallBeforeTheJoinOfABranchThatWaits(t *testing.T) {
	app := openApp(t)
	var h *Handle[bool]
	asked := make(chan none)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (bool, error) {
		answer := Go(ctx, "ask", func(ctx context.Context) (bool, error) { return WaitSignal[bool](ctx, "go") })
		if _, err := Step(ctx, "mail", func(context.Context) (none, error) {
			waitsFor(t, app, h.ID(), "ask.go")
			close(asked)
			return none{}, nil
		}); err != nil {
			return false, err
		}
		return answer.Join()
	})
	h = begun(t, w, none{})
	work(t, app)
	<-asked
	must(t, h.Signal("go", true))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, true)
}

// group is what errgroup.WithContext gives: the first error ends the context, and is its cause.
type group struct {
	all    sync.WaitGroup
	once   sync.Once
	cancel context.CancelCauseFunc
	err    error
}

func grouped(ctx context.Context) (*group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{cancel: cancel}, ctx
}

func (g *group) run(f func() error) {
	g.all.Add(1)
	go func() {
		defer g.all.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err; g.cancel(err) })
		}
	}()
}

func (g *group) wait() error { g.all.Wait(); g.cancel(g.err); return g.err }

func TestAStepThatASiblingsWaitCallsOffIsNotRecorded(t *testing.T) {
	app := openApp(t)
	var tries, attempts atomic.Int32
	fetch := func(ctx context.Context) (int, error) {
		if tries.Add(1) == 1 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return 7, nil
	}
	branches := func(ctx context.Context, called func(error) error) (a, b *Future[int]) {
		begun := make(chan none)
		a = Go(ctx, "wait", func(ctx context.Context) (int, error) {
			<-begun
			n, err := WaitSignal[int](ctx, "go")
			return n, called(err)
		})
		b = Go(ctx, "slow", func(ctx context.Context) (int, error) {
			var once sync.Once
			defer once.Do(func() { close(begun) })
			return Step(ctx, "fetch", func(ctx context.Context) (int, error) { once.Do(func() { close(begun) }); return fetch(ctx) })
		})
		return a, b
	}
	byCause := Workflow(app, "by cause", func(ctx context.Context, _ none) (int, error) {
		g, ctx := grouped(ctx)
		a, b := branches(ctx, func(err error) error { return err })
		sum := make([]int, 2)
		for i, f := range []*Future[int]{a, b} {
			g.run(func() (err error) { sum[i], err = f.Join(); return err })
		}
		err := g.wait()
		return sum[0] + sum[1], err
	})
	plainly := Workflow(app, "plainly", func(ctx context.Context, _ none) (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		a, b := branches(ctx, func(err error) error {
			if err != nil {
				cancel()
			}
			return err
		})
		one, first := a.Join()
		two, second := b.Join()
		return one + two, errors.Join(first, second)
	})
	failing := Workflow(app, "failing", func(ctx context.Context, _ none) (int, error) { // another error of a sibling, which the next attempt does not meet
		g, ctx := grouped(ctx)
		first := attempts.Add(1) == 1
		a, b := branches(ctx, func(err error) error { return err })
		_ = a
		n := 0
		g.run(func() (err error) { n, err = b.Join(); return err })
		g.run(func() error {
			for first && tries.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			if first {
				return errors.New("away")
			}
			return nil
		})
		if err := g.wait(); err != nil {
			return 0, err
		}
		m, err := a.Join()
		return n + m, err
	})
	_, err := app.Call("wf_config", "backoff", `{"initial": 0.01}`)
	must(t, err)
	work(t, app)
	for _, w := range []*Definition[none, int]{byCause, plainly, failing} {
		tries.Store(0)
		h := begun(t, w, none{})
		until(t, isWaiting(h))
		must(t, h.Signal("go", 1))
		out, err := result(t, h)
		must(t, err)
		equal(t, out, 8)
		equal(t, tries.Load(), int32(2))
	}
}

func TestAStepThatIsCancelledByTheCodeAloneIsRecorded(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (string, error) {
		ctx, cancel := context.WithCancel(ctx)
		_, err := Step(ctx, "step", func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() })
		var failed *StepFailed
		if !errors.As(err, &failed) {
			return "", err
		}
		return failed.Error(), nil
	})
	work(t, app)
	equal(t, finish(t, w, none{}), `step "step" failed: context.Canceled: context canceled`)
}

func TestAReturnBeforeTheOthersAreJoinedLetsThemRecord(t *testing.T) {
	app := openApp(t)
	started, done := make(chan none, 2), make(chan none)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		a := Go(ctx, "wait", func(ctx context.Context) (int, error) { return WaitSignal[int](ctx, "go") })
		b := Go(ctx, "slow", func(ctx context.Context) (int, error) {
			for _, name := range []string{"one", "two"} {
				if _, err := Step(ctx, name, func(context.Context) (int, error) { started <- none{}; <-done; return 1, nil }); err != nil {
					return 0, err
				}
			}
			return 2, nil
		})
		one, err := a.Join()
		if err != nil {
			return 0, err
		}
		two, err := b.Join()
		return one + two, err
	})
	work(t, app)
	h := begun(t, w, none{})
	waitsFor(t, app, h.ID(), "wait.go")
	<-started
	close(done)
	until(t, isWaiting(h))
	must(t, h.Signal("go", 1))
	out, err := result(t, h)
	must(t, err)
	equal(t, out, 3)
	equal(t, len(started), 1) // each once
}

func TestABranchThatIsStuckOnAChannelHoldsNoSuspensionUp(t *testing.T) {
	app := openApp(t)
	app.patience = 20 * time.Millisecond
	ask := func(ctx context.Context) (int, error) { // the second branch is fed with what the first has waited for
		feed := make(chan int)
		first := Go(ctx, "wait", func(ctx context.Context) (int, error) { return WaitSignal[int](ctx, "go") })
		second := Go(ctx, "use", func(ctx context.Context) (int, error) { return Step(ctx, "double", returns(2*<-feed)) })
		n, err := first.Join()
		if err != nil {
			return 0, err
		}
		feed <- n
		return second.Join()
	}
	all := []*Handle[int]{}
	for name, run := range map[string]func(ctx context.Context) (int, error){
		"in the code":  ask,
		"in a branch":  func(ctx context.Context) (int, error) { return Go(ctx, "branch", ask).Join() },
		"to be undone": func(ctx context.Context) (int, error) { return ask(ctx) },
	} {
		w := Workflow(app, name, func(ctx context.Context, _ none) (int, error) { return run(ctx) }, Undo())
		all = append(all, begun(t, w, none{}, ID(name)))
	}
	work(t, app)
	for _, h := range all {
		until(t, isWaiting(h))
		if h.ID() == "to be undone" {
			must(t, h.Cancel(nil))
			if _, err := result(t, h); err == nil {
				t.Fatal("it was completed")
			}
			continue
		}
		must(t, h.Signal("go", 4))
		out, err := result(t, h)
		must(t, err)
		equal(t, out, 8)
	}
}

func TestCompensationsOfBranchesAreUndoneInTheSameOrder(t *testing.T) {
	app := openApp(t)
	var mu sync.Mutex
	orders := map[string][]string{}
	var broken atomic.Bool
	w := Workflow(app, "saga", func(ctx context.Context, _ none) (none, error) {
		id := WorkflowID(ctx)
		futures := []*Future[int]{}
		for _, name := range []string{"a", "b", "c"} {
			futures = append(futures, Go(ctx, name, func(ctx context.Context) (int, error) {
				if _, err := Step(ctx, "charge", returns(1)); err != nil {
					return 0, err
				}
				if err := Append(ctx, "log "+name, "charged"); err != nil {
					return 0, err
				}
				if err := Compensate(ctx, "refund", func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					orders[id] = append(orders[id], name)
					if len(orders[id]) == 2 && !broken.Swap(true) {
						panic(&keyFailed{errors.New("died")}) // nothing of it is recorded
					}
					return nil
				}); err != nil {
					return 0, err
				}
				if name == "a" {
					_, err := WaitSignal[any](ctx, "go")
					return 1, err
				}
				return 1, nil
			}))
		}
		for _, f := range futures { // the first says that it waits, while the others are perhaps not there yet
			if _, err := f.Join(); err != nil {
				return none{}, err
			}
		}
		return none{}, nil
	}, Undo())
	_, err := app.Call("wf_config", "backoff", `{"initial": 0.01}`)
	must(t, err)
	work(t, app)
	for n := range 20 {
		broken.Store(n > 0)
		h := begun(t, w, none{}, Option("max_attempts", 3))
		waitsFor(t, app, h.ID(), "a.go")
		until(t, isWaiting(h))
		must(t, h.Cancel(nil))
		if _, err := result(t, h); err == nil {
			t.Fatal("it was completed")
		}
		recorded, err := app.Query("SELECT substr(name, 1, 1) FROM wf_steps WHERE workflow_id = ? AND name LIKE '%.append log%' ORDER BY seq DESC", h.ID())
		must(t, err)
		want := []string{}
		for i, row := range recorded {
			want = append(want, asText(row[0]))
			if n == 0 && i == 1 {
				want = append(want, asText(row[0])) // that which died
			}
		}
		equal(t, orders[h.ID()], want)
		steps, err := app.Query("SELECT count(DISTINCT name) FROM wf_steps WHERE workflow_id = ? AND name IN ('a.undo refund', 'b.undo refund', 'c.undo refund')", h.ID())
		must(t, err)
		equal(t, steps[0][0], int64(3))
	}
}

func TestNamesRepeatedBehindBranchesAreRefused(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		came := make(chan int, 2)
		futures := []*Future[int]{}
		for i := range 2 {
			futures = append(futures, Go(ctx, "branch", func(ctx context.Context) (int, error) {
				n, err := Step(ctx, "work", returns(i))
				came <- n
				return n, err
			}))
		}
		for range 2 { // whichever is first
			n := <-came
			if _, err := Step(ctx, "say", returns(n)); err != nil {
				return none{}, err
			}
		}
		for _, f := range futures {
			if _, err := f.Join(); err != nil {
				return none{}, err
			}
		}
		return none{}, nil
	})
	beside := Workflow(app, "beside", func(ctx context.Context, _ none) (int, error) { // one future beside straight code says nothing of its order
		f := Go(ctx, "branch", func(ctx context.Context) (int, error) { return Step(ctx, "work", returns(1)) })
		for range 3 {
			if _, err := Step(ctx, "say", returns(1)); err != nil {
				return 0, err
			}
		}
		return f.Join()
	})
	work(t, app)
	fails(t, w, none{}, "WF_NONDETERMINISM")
	equal(t, finish(t, beside, none{}), 1)
}

func TestMistakesAreFinalAtOnce(t *testing.T) {
	app := openApp(t)
	var runs atomic.Int32
	all := map[string]func(ctx context.Context) error{
		`the name is ""`: func(ctx context.Context) error { _, err := Step(ctx, "", returns(1)); return err },
		"ends in #":      func(ctx context.Context) error { _, err := Step(ctx, "a#2", returns(1)); return err },
		"not joined":     func(ctx context.Context) error { Go(ctx, "b", returns(1)); return nil },
		"waits while": func(ctx context.Context) error {
			Go(ctx, "b", returns(1))
			return Sleep(ctx, time.Millisecond)
		},
		"did not come in time": func(ctx context.Context) error {
			_, err := WaitSignal[any](ctx, "never", Timeout(time.Millisecond))
			return err
		},
		"nothing of it waits": func(context.Context) error { return ErrSuspended },
	}
	for with, run := range all {
		Workflow(app, with, func(ctx context.Context, _ none) (none, error) { runs.Add(1); return none{}, run(ctx) })
	}
	work(t, app)
	for with := range all {
		runs.Store(0)
		fails(t, Ref[none, none](app, with), none{}, with)
		want := int32(1)
		if with == "did not come in time" {
			want = 2
		}
		equal(t, runs.Load(), want)
	}
}

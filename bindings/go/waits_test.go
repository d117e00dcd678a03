package wfext

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

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

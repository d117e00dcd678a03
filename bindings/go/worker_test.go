package wfext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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

func TestWhatRunsAfterTheGraceKeepsItsLease(t *testing.T) {
	app := openApp(t)
	var runs atomic.Int32
	begunIt, goOn := make(chan struct{}), make(chan struct{})
	stubborn := Workflow(app, "stubborn", func(ctx context.Context, _ none) (int32, error) {
		return Step(ctx, "slow", func(context.Context) (int32, error) {
			runs.Add(1)
			close(begunIt)
			<-goOn
			return runs.Load(), nil
		})
	})
	first := work(t, app, Lease(2*time.Second), Grace(100*time.Millisecond), WorkerName("one"))
	h := begun(t, stubborn, none{})
	<-begunIt
	first.Stop()
	if _, err := app.Start(WorkerName("one")); err == nil || !strings.Contains(err.Error(), `"one" is running`) {
		t.Fatal(err)
	}
	work(t, app)
	time.Sleep(3500 * time.Millisecond)
	status, err := h.Status()
	must(t, err)
	equal(t, status, "running")
	close(goOn)
	<-first.ended
	out, err := result(t, h)
	must(t, err)
	equal(t, []int32{out, runs.Load()}, []int32{1, 1})
}

func TestResourcesOfTheProcess(t *testing.T) {
	var seen []string
	app := openApp(t, Lifespan(func(context.Context, *App) (any, func(), error) {
		seen = append(seen, "open")
		return 7, func() { seen = append(seen, "closed") }, nil
	}))
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) { return State[int](ctx), nil })
	first, second := work(t, app), work(t, app)
	equal(t, finish(t, w, none{}), 7)
	first.Stop()
	equal(t, seen, []string{"open"})
	second.Stop()
	equal(t, seen, []string{"open", "closed"})
}

func TestALifespanThatFailsStartsNoWorker(t *testing.T) {
	app := openApp(t, Lifespan(func(context.Context, *App) (any, func(), error) { return nil, nil, errors.New("no model") }))
	Workflow(app, "w", func(context.Context, none) (none, error) { return none{}, nil })
	for range 2 { // its name was given back
		if _, err := app.Start(WorkerName("one")); err == nil || !strings.Contains(err.Error(), "no model") {
			t.Fatal(err)
		}
	}
}

func TestVersionsAndWorkflowsOfAWorker(t *testing.T) {
	app := openApp(t)
	a := Workflow(app, "a", func(context.Context, none) (string, error) { return "a", nil })
	b := Workflow(app, "b", func(context.Context, none) (string, error) { return "b", nil }, CodeVersion("2"))
	first, second, old := begun(t, a, none{}), begun(t, b, none{}), begun(t, b, none{}, Option("version", "1"))
	work(t, app, Workflows("b"), Versions("2"))
	out, err := result(t, second)
	must(t, err)
	equal(t, out, "b")
	for _, h := range []*Handle[string]{first, old} {
		status, err := h.Status()
		must(t, err)
		equal(t, status, "pending")
	}
	if _, err := app.Start(Workflows("c")); err == nil {
		t.Fatal("it has started")
	}
}

func TestQueuesAndSchedulesAreDeclaredWithTheCode(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(context.Context, none) (none, error) { return none{}, nil }, Queue("slow"))
	app.DeclareQueue("mails", map[string]any{"concurrency": 2})
	must(t, Schedule(app, "nightly", "0 3 * * *", w, none{}))
	for _, call := range [][]any{{"wf_queue", "slow", `{"concurrency":1}`}, {"wf_schedule", "old", "0 4 * * *", "w"}, {"wf_schedule", "theirs", "0 4 * * *", "another program's"}} {
		_, err := app.Call(call[0].(string), call[1:]...)
		must(t, err)
	}
	var said bytes.Buffer
	work(t, app, Logger(slog.New(slog.NewTextHandler(&said, nil))))
	rows, err := app.Query("SELECT group_concat(name, ' ') FROM (SELECT name FROM wf_schedules ORDER BY name)")
	must(t, err)
	equal(t, rows, [][]any{{"nightly old theirs"}})
	lines := strings.TrimSpace(said.String())
	if strings.Count(lines, "\n") != 1 || !strings.Contains(lines, "queue=slow") || !strings.Contains(lines, "schedule=old") {
		t.Fatal(lines)
	}
}

func TestALogSaysWhichWorkflow(t *testing.T) {
	app := openApp(t)
	w := Workflow(app, "w", func(ctx context.Context, _ none) (none, error) {
		return Step(ctx, "charge", func(ctx context.Context) (none, error) { Log(ctx).Info("pays"); return none{}, nil })
	})
	var said bytes.Buffer
	work(t, app, Logger(slog.New(slog.NewTextHandler(&said, nil))))
	finish(t, w, none{}, ID("w-1"))
	if !strings.Contains(said.String(), "msg=pays workflow=w-1 name=w attempt=1 step=charge") {
		t.Fatal(said.String())
	}
}

// Runs the workflow, which writes more than the disk has room for, until its first try has failed; then there is room. What it gives: it has one attempt, two
// tries, and no failure.
func comesThroughAFullDisk(t *testing.T, app *App, w *Definition[none, int], tries *atomic.Int32) int {
	t.Helper()
	pages := func(n int64) {
		_, err := app.Query(fmt.Sprint("PRAGMA max_page_count = ", n))
		must(t, err)
	}
	rows, err := app.Query("PRAGMA page_count")
	must(t, err)
	pages(rows[0][0].(int64) + 20)
	work(t, app)
	h := begun(t, w, none{}, Option("max_attempts", 1))
	until(t, func() bool { status, _ := h.Status(); return tries.Load() == 1 && status == "pending" })
	pages(1 << 20)
	must(t, h.Reschedule(time.Now()))
	out, err := result(t, h)
	must(t, err)
	equal(t, tries.Load(), int32(2))
	rows, err = app.Query("SELECT * FROM wf_failures")
	must(t, err)
	equal(t, len(rows), 0)
	return out
}

func TestAMachineThatFailsIsNoFailureOfTheWorkflow(t *testing.T) {
	app := openApp(t)
	_, err := app.Call("wf_init")
	must(t, err)
	var tries atomic.Int32
	w := Workflow(app, "w", func(ctx context.Context, _ none) (int, error) {
		text, err := Step(ctx, "s", func(context.Context) (string, error) { tries.Add(1); return strings.Repeat("x", 1<<20), nil })
		return len(text), err
	})
	equal(t, comesThroughAFullDisk(t, app, w, &tries), 1<<20)
}

package wfext

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatIsGivenWronglyIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wrong.db")
	fn := func(context.Context) (int, error) { return 1, nil }
	opened := func(path string, options ...AppOption) func(context.Context, *App) error {
		return func(context.Context, *App) error { _, err := Open(path, options...); return err }
	}
	starts := func(options ...WorkerOption) func(context.Context, *App) error {
		return func(_ context.Context, app *App) error { _, err := app.Start(options...); return err }
	}
	does := func(options ...StepOption) func(context.Context, *App) error {
		return func(ctx context.Context, _ *App) error { _, err := Step(ctx, "s", fn, options...); return err }
	}
	panics := func(work func(app *App)) func(context.Context, *App) error {
		return func(_ context.Context, app *App) (err error) {
			defer func() { err, _ = recover().(error) }()
			work(app)
			return nil
		}
	}
	for _, wrong := range []struct {
		says string
		work func(context.Context, *App) error
	}{
		{`path of the file is ""`, opened("")},
		{`BusyTimeout is -1s`, opened(path, BusyTimeout(-time.Second))},
		{`journal is "wal delete"`, opened(path, Journal("wal delete"))},
		{`synchronous is ""`, opened(path, Synchronous(""))},
		{`Pragma has "a b = 1"`, opened(path, Pragma("a b", 1))},
		{`the name is ""`, panics(func(app *App) { Ref[int, int](app, "") })},
		{`function of the workflow "w2" is nil`, panics(func(app *App) { Workflow[int, int](app, "w2", nil) })},
		{`name of a queue is ""`, panics(func(app *App) { app.DeclareQueue("", nil) })},
		{`schedule "s" has the timing ""`, func(_ context.Context, app *App) error { return Schedule(app, "s", "", Ref[int, int](app, "w"), 1) }},
		{`concurrency is 0`, starts(Concurrency(0))},
		{`lease -1s`, starts(Lease(-time.Second))},
		{`Grace is -1s`, starts(Grace(-time.Second))},
		{`Queues are [""]`, starts(Queues(""))},
		{`Queues are []`, starts(Queues([]string{}...))},
		{`Logger is nil`, starts(Logger(nil))},
		{`no workflow "nope"`, starts(Workflows("nope"))},
		{`has 0 attempts`, does(Attempts(0))},
		{`a backoff of -1s`, does(Backoff(-time.Second))},
		{`a timeout of -1s`, does(StepTimeout(-time.Second))},
		{`InDoubt("maybe")`, func(ctx context.Context, _ *App) error { _, err := Effect(ctx, "e", fn, InDoubt("maybe")); return err }},
		{`function of the step s is nil`, func(ctx context.Context, _ *App) error { _, err := Step[int](ctx, "s", nil); return err }},
		{`function of the step t is nil`, func(ctx context.Context, _ *App) error { _, err := Transaction[int](ctx, "t", nil); return err }},
		{`function of the branch b is nil`, func(ctx context.Context, _ *App) error { _, err := Go[int](ctx, "b", nil).Join(); return err }},
	} {
		t.Run(wrong.says, func(t *testing.T) {
			app := openApp(t)
			var said error
			job := Workflow(app, "w", func(ctx context.Context, _ int) (int, error) {
				said = wrong.work(ctx, app)
				return 0, nil
			})
			work(t, app)
			finish(t, job, 1)
			if said == nil || !strings.Contains(said.Error(), wrong.says) {
				t.Errorf("said: %v", said)
			}
			if misused := (*Misuse)(nil); strings.Contains(wrong.says, "function") && !errors.As(said, &misused) {
				t.Errorf("no misuse: %v", said)
			}
		})
	}
}

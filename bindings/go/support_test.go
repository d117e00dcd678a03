package wfext

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What the tests have in common. Those of scenarios have the names of the table in bindings/README.md; every language has the same.

const long = 60 * time.Second // a net for hangs, no measure

type none struct{}

func openApp(t *testing.T, options ...AppOption) *App {
	t.Helper()
	app, err := Open(filepath.Join(t.TempDir(), "test.db"), append([]AppOption{Synchronous("normal")}, options...)...)
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

// waitsFor returns once it waits for the signal.
func waitsFor(t *testing.T, app *App, id, signal string) {
	t.Helper()
	until(t, func() bool {
		rows, err := app.Query("SELECT 1 FROM wf_steps WHERE workflow_id = ? AND name = ? AND status = 'waiting'", id, signal)
		return err == nil && len(rows) > 0
	})
}

// Package wfext gives durable workflows in a SQLite file: a workflow is a function, what its steps return is recorded, and after a crash, in this process or in another, the function is run again and gets back
// what was recorded.
package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// An App is a file, and what is declared for it. Never open the file by another SQLite library in the same process: they lose each other's locks, and committed rows with them.
type App struct {
	database  *database
	mu        sync.Mutex
	workflows map[string]*definition
	queues    map[string]map[string]any
}

// AppOption is an option of Open.
type AppOption func(*settings)

// Journal is wal (default), delete, truncate or persist.
func Journal(mode string) AppOption { return func(s *settings) { s.journal = mode } }

// Synchronous is full (default), extra, normal or off.
func Synchronous(level string) AppOption { return func(s *settings) { s.synchronous = level } }

// BusyTimeout is how long a call waits for the lock of the file; default 30 s. Waiting is fair.
func BusyTimeout(d time.Duration) AppOption { return func(s *settings) { s.busyTimeout = d } }

// Open opens the file, which is made with the first call.
func Open(path string, options ...AppOption) (*App, error) {
	s := settings{path: path, journal: "wal", synchronous: "full", busyTimeout: 30 * time.Second}
	for _, option := range options {
		option(&s)
	}
	if !strings.Contains(" wal delete truncate persist ", " "+s.journal+" ") {
		return nil, fmt.Errorf("wfext: journal is %q: wal, delete, truncate or persist", s.journal)
	}
	if !strings.Contains(" off normal full extra ", " "+s.synchronous+" ") {
		return nil, fmt.Errorf("wfext: synchronous is %q: off, normal, full or extra", s.synchronous)
	}
	return &App{database: newDatabase(s), workflows: map[string]*definition{}, queues: map[string]map[string]any{}}, nil
}

// Close does what was asked, and closes the connection.
func (app *App) Close() { app.database.close() }

func (app *App) add(d *definition) {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.workflows[d.name] = d
}

// DeclareQueue declares a queue with its limits: options of wf_queue. Applied when a worker starts.
func (app *App) DeclareQueue(name string, options map[string]any) {
	app.mu.Lock()
	defer app.mu.Unlock()
	app.queues[name] = options
}

// Call calls a function of the engine by its name: its value as SQLite gives it (nil, int64, float64, string, []byte).
func (app *App) Call(name string, args ...any) (any, error) { return app.database.call(name, args...) }

// Query returns the rows of a query.
func (app *App) Query(sql string, args ...any) ([][]any, error) {
	return app.database.rows(sql, args...)
}

// Emit states a fact for everyone, once.
func (app *App) Emit(event string, payload any) error {
	text, err := marshal(payload, "the payload of "+event)
	if err != nil {
		return err
	}
	_, err = app.database.call("wf_emit", event, text)
	return err
}

// Rate sets that Acquire gives at most so many shares in a time.
func (app *App) Rate(name string, limit int, per time.Duration) error {
	_, err := app.database.call("wf_rate", name, fmt.Sprintf(`{"limit":%d,"per":%g}`, limit, per.Seconds()))
	return err
}

// StartOption is an option of a start.
type StartOption func(map[string]any)

// WithID is the workflow's id; the same id, name and input again changes nothing.
func WithID(id string) StartOption { return Option("id", id) }

// Delay starts it after so long.
func Delay(d time.Duration) StartOption { return Option("delay", d.Seconds()) }

// Priority is from -100 to 100, higher first.
func Priority(n int) StartOption { return Option("priority", n) }

// Option is any option of wf_start by its name.
func Option(name string, value any) StartOption { return func(o map[string]any) { o[name] = value } }

func startOptions(queue string, options []StartOption) (string, error) {
	given := map[string]any{}
	if queue != "" {
		given["queue"] = queue
	}
	for _, option := range options {
		option(given)
	}
	return marshal(given, "the options")
}

// Start starts a workflow.
func (d *Definition[In, Out]) Start(ctx context.Context, in In, options ...StartOption) (*Handle[Out], error) {
	if _, err := scopeOf(ctx); err == nil {
		return nil, errors.New("wfext: Start inside of a workflow would be repeated by every replay: StartChild starts a child")
	}
	input, err := marshal(in, "the input of "+d.name)
	if err != nil {
		return nil, err
	}
	return start[Out](d.app, d.name, input, d.queue, d.options(options))
}

// options are those of a start, and that there may be something to undo.
func (d *definition) options(options []StartOption) []StartOption {
	if !d.undoes {
		return options
	}
	return append([]StartOption{Option("cleanup", true)}, options...)
}

// StartByName starts a workflow whose code is elsewhere.
func (app *App) StartByName(name string, input any, options ...StartOption) (*Handle[json.RawMessage], error) {
	text, err := marshal(input, "the input of "+name)
	if err != nil {
		return nil, err
	}
	return start[json.RawMessage](app, name, text, "", options)
}

func start[Out any](app *App, name, input, queue string, options []StartOption) (*Handle[Out], error) {
	given, err := startOptions(queue, options)
	if err != nil {
		return nil, err
	}
	id, err := app.database.text("wf_start", name, input, given)
	if err != nil {
		return nil, err
	}
	return &Handle[Out]{app, id}, nil
}

// Ref is a handle of a workflow that was started before.
func Ref[Out any](app *App, id string) *Handle[Out] { return &Handle[Out]{app, id} }

// A Handle is a workflow, by its id.
type Handle[Out any] struct {
	app *App
	id  string
}

// ID is its id.
func (h *Handle[Out]) ID() string { return h.id }

// Status is pending, running, waiting, paused, completed, failed or cancelled; ErrNotFound where there is no such workflow.
func (h *Handle[Out]) Status() (string, error) {
	status, err := h.app.database.text("wf_status", h.id)
	if err == nil && status == "" {
		return "", &EngineError{Code: "WF_NOT_FOUND", Message: fmt.Sprintf("WF_NOT_FOUND: there is no workflow %q", h.id)}
	}
	return status, err
}

// Result waits until it has ended: its output, or *WorkflowFailed, *WorkflowCancelled, or the context's error.
func (h *Handle[Out]) Result(ctx context.Context) (Out, error) {
	var none Out
	if _, err := scopeOf(ctx); err == nil {
		return none, errors.New("wfext: Result inside of a workflow would hold it without being recorded: Join or Call")
	}
	for pause := 5 * time.Millisecond; ; pause = min(100*time.Millisecond, pause*5/4) {
		status, err := h.Status()
		if err != nil {
			return none, err
		}
		switch status {
		case "completed":
			text, err := h.app.database.text("wf_result", h.id)
			if err != nil {
				return none, err
			}
			return decode[Out](text)
		case "failed", "cancelled":
			text, err := h.app.database.text("wf_error", h.id)
			if err != nil {
				return none, err
			}
			if status == "failed" {
				return none, &WorkflowFailed{h.id, recorded(text)}
			}
			return none, &WorkflowCancelled{h.id, recorded(text)}
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Signal sends a message, which is kept until it is taken.
func (h *Handle[Out]) Signal(name string, payload any) error {
	text, err := marshal(payload, "the payload of "+name)
	if err != nil {
		return err
	}
	_, err = h.app.database.call("wf_signal", h.id, name, text)
	return err
}

// Cancel cancels it, with its children.
func (h *Handle[Out]) Cancel(reason any) error {
	if reason == nil {
		_, err := h.app.database.call("wf_cancel", h.id)
		return err
	}
	text, err := marshal(reason, "the reason")
	if err != nil {
		return err
	}
	_, err = h.app.database.call("wf_cancel", h.id, text)
	return err
}

// Pause, Resume and Retry do what wf_pause, wf_resume and wf_retry do.
func (h *Handle[Out]) Pause() error  { _, err := h.app.database.call("wf_pause", h.id); return err }
func (h *Handle[Out]) Resume() error { _, err := h.app.database.call("wf_resume", h.id); return err }
func (h *Handle[Out]) Retry() error  { _, err := h.app.database.call("wf_retry", h.id); return err }

// StepInfo is what is recorded of a step.
type StepInfo struct{ Name, Kind, Status, Output, Error string }

// Steps are what is recorded, in order.
func (h *Handle[Out]) Steps() ([]StepInfo, error) {
	rows, err := h.app.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", h.id)
	out := make([]StepInfo, 0, len(rows))
	for _, row := range rows {
		out = append(out, StepInfo{asText(row[0]), asText(row[1]), asText(row[2]), asText(row[3]), asText(row[4])})
	}
	return out, err
}

// Stream calls item with the items of a stream from an offset on, and waits for more until the stream is closed, the workflow has ended, or item or the context returns an error.
func (h *Handle[Out]) Stream(ctx context.Context, name string, offset int64, item func(offset int64, value json.RawMessage) error) error {
	for pause := 5 * time.Millisecond; ; pause = min(100*time.Millisecond, pause*5/4) {
		status, err := h.app.database.text("wf_status", h.id)
		if err != nil {
			return err
		}
		rows, err := h.app.database.rows(`SELECT "offset", value FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? ORDER BY "offset" LIMIT 100`, h.id, name, offset)
		if err != nil {
			return err
		}
		for _, row := range rows {
			offset = row[0].(int64) + 1
			if err := item(offset-1, json.RawMessage(asText(row[1]))); err != nil {
				return err
			}
		}
		if len(rows) > 0 {
			pause = 5 * time.Millisecond
			continue
		}
		closed, err := h.app.database.rows("SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND closed LIMIT 1", h.id, name)
		if err != nil || len(closed) > 0 || status == "" || status == "completed" || status == "failed" || status == "cancelled" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

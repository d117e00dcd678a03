package wfext

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// A Handle is a workflow, by its id.
type Handle[Out any] struct {
	app *App
	id  string
}

// HandleOf is the handle of a workflow that was started before.
func HandleOf[Out any](app *App, id string) *Handle[Out] { return &Handle[Out]{app, id} }

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

func isEnded(status string) bool {
	return status == "completed" || status == "failed" || status == "cancelled"
}

// Result waits until it has ended: its output, or *WorkflowFailed, *WorkflowCancelled, or the context's error.
func (h *Handle[Out]) Result(ctx context.Context) (Out, error) {
	var none Out
	if err := refuseInside(ctx, "Result", "Join or Call"); err != nil {
		return none, err
	}
	for {
		status, err := h.Status()
		if err != nil {
			return none, err
		}
		if isEnded(status) {
			function := "wf_error"
			if status == "completed" {
				function = "wf_result"
			}
			text, err := h.app.database.text(function, h.id)
			if err != nil {
				return none, err
			}
			return outcome[Out](h.id, ended{Status: status, Output: json.RawMessage(text), Error: json.RawMessage(text)})
		}
		if err := h.app.watch.until(ctx, map[string]any{"id": h.id}); err != nil {
			return none, err
		}
	}
}

// Error is what it failed with, or what it was cancelled for; an empty one where it has not.
func (h *Handle[Out]) Error() (Recorded, error) {
	text, err := h.app.database.text("wf_error", h.id)
	if err != nil || text == "" {
		return Recorded{}, err
	}
	return recorded(text), nil
}

// call is one of the engine for this workflow; values are JSON.
func (h *Handle[Out]) call(function string, args ...any) (string, error) {
	return h.app.database.text(function, append([]any{h.id}, args...)...)
}

func (h *Handle[Out]) callWith(function, what string, value any, args ...any) (string, error) {
	text, err := marshal(value, what)
	if err != nil {
		return "", err
	}
	return h.call(function, append(args, text)...)
}

// SignalKey lets a signal be sent once, however often it is repeated.
func SignalKey(key string) StartOption { return Option("key", key) }

// Signal sends a message, which is kept until it is taken.
func (h *Handle[Out]) Signal(name string, payload any, options ...StartOption) error {
	text, err := marshal(payload, "the payload of "+name)
	if err != nil {
		return err
	}
	_, err = h.callWith("wf_signal", "the options", given(options), name, text)
	return err
}

func given(options []StartOption) map[string]any {
	out := map[string]any{}
	for _, option := range options {
		option(out)
	}
	return out
}

// Cancel cancels it, with its children.
func (h *Handle[Out]) Cancel(reason any) error {
	if reason == nil {
		_, err := h.call("wf_cancel")
		return err
	}
	_, err := h.callWith("wf_cancel", "the reason", reason)
	return err
}

// Pause keeps it from being claimed, until Resume.
func (h *Handle[Out]) Pause() error { _, err := h.call("wf_pause"); return err }

// Resume ends a pause.
func (h *Handle[Out]) Resume() error { _, err := h.call("wf_resume"); return err }

// Retry begins a failed or cancelled workflow again; options of wf_retry.
func (h *Handle[Out]) Retry(options ...StartOption) error {
	_, err := h.callWith("wf_retry", "the options", given(options))
	return err
}

// Fork is a new workflow with the finished steps of this one; options of wf_fork.
func (h *Handle[Out]) Fork(options ...StartOption) (*Handle[Out], error) {
	id, err := h.callWith("wf_fork", "the options", given(options))
	if err != nil {
		return nil, err
	}
	return HandleOf[Out](h.app, id), nil
}

// Reschedule makes what it waits for in time (its start, its next try, the end of a sleep) due then.
func (h *Handle[Out]) Reschedule(t time.Time) error {
	_, err := h.call("wf_reschedule", t.UTC().Format(timeFormat))
	return err
}

// Value is one that the workflow has set; "" where it has not.
func (h *Handle[Out]) Value(key string) (json.RawMessage, error) {
	text, err := h.call("wf_get", key)
	return json.RawMessage(text), err
}

// StepInfo is what is recorded of a step.
type StepInfo struct{ Name, Kind, Status, Output, Error string }

// Steps are what is recorded, in order.
func (h *Handle[Out]) Steps() ([]StepInfo, error) {
	records, err := h.app.readSteps(h.id)
	out := make([]StepInfo, 0, len(records))
	for _, r := range records {
		out = append(out, StepInfo{r.Name, r.Kind, r.Status, string(r.Output), string(r.Error)})
	}
	return out, err
}

// Stream are the items of a stream from an offset on. It waits for more until the stream is closed, the workflow has ended, or the context has.
func Stream[T, Out any](ctx context.Context, h *Handle[Out], name string, offset int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for {
			items, next, last, err := h.items(name, offset)
			if err == nil && len(items) == 0 && !last {
				err = h.app.watch.until(ctx, map[string]any{"streams": map[string]any{"id": h.id, "stream": name, "offset": offset}})
			}
			if err != nil {
				yield(none, err)
				return
			}
			offset = next
			for _, item := range items {
				value, err := decode[T](item)
				if !yield(value, err) || err != nil {
					return
				}
			}
			if len(items) == 0 && last {
				return
			}
		}
	}
}

// items are those from the offset on, and where it goes on; last: none come behind what is there.
func (h *Handle[Out]) items(stream string, offset int64) (items []string, next int64, last bool, err error) {
	status, err := h.call("wf_status")
	if err != nil {
		return nil, offset, false, err
	}
	closed, err := h.app.database.rows("SELECT 1 FROM wf_streams WHERE workflow_id = ? AND stream = ? AND closed LIMIT 1", h.id, stream)
	if err != nil {
		return nil, offset, false, err
	}
	rows, err := h.app.database.rows(`SELECT value, "offset" FROM wf_streams WHERE workflow_id = ? AND stream = ? AND "offset" >= ? ORDER BY "offset" LIMIT 100`, h.id, stream, offset)
	for _, row := range rows {
		items = append(items, asText(row[0]))
		offset = row[1].(int64) + 1
	}
	return items, offset, len(closed) > 0 || status == "" || isEnded(status), err
}

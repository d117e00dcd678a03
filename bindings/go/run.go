package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// afterTrouble is how many seconds later a workflow is tried again whose attempt has met a full disk, or the like.
const afterTrouble = `{"delay":5}`

// readSteps is all that is recorded of a workflow.
func (app *App) readSteps(id string) ([]record, error) {
	rows, err := app.database.rows("SELECT name, kind, status, output, error FROM wf_steps WHERE workflow_id = ? ORDER BY seq", id)
	out := make([]record, 0, len(rows))
	for _, row := range rows {
		out = append(out, record{asText(row[0]), asText(row[1]), asText(row[2]), json.RawMessage(asText(row[3])), json.RawMessage(asText(row[4]))})
	}
	return out, err
}

// finish runs the attempt, and reports how it has ended. `stops` says whether the worker does.
func (a *attempt) finish(stops func() bool) {
	output, err := a.run()
	switch {
	case err == nil:
		a.report("wf_complete", output)
	case errors.Is(err, ErrNotOurs):
		if stops() {
			a.report("wf_release")
		}
	case errors.Is(err, errEngineFailed):
		a.report("wf_release", afterTrouble)
	case errors.Is(err, ErrSuspended):
		if strings.Contains(err.Error(), "swallowed") {
			a.log.Error("wfext: "+err.Error(), "workflow", a.claim.ID)
		}
	default:
		a.log.Warn("wfext: an attempt has failed", "workflow", a.claim.ID, "name", a.claim.Name, "attempt", a.claim.Attempt, "error", err)
		options := "{}"
		if isFinal(err) {
			options = `{"retry":false}`
		}
		a.report("wf_fail", errorValue(err), options)
	}
}

func (a *attempt) report(name string, args ...any) {
	for range 8 {
		_, err := a.app.database.call(name, append([]any{a.claim.Token}, args...)...)
		if err == nil || isNotOurs(err) {
			return
		}
		if !isBusy(err) {
			a.log.Error("wfext: the end of a workflow could not be recorded, it will be tried again", "workflow", a.claim.ID, "error", err)
			return
		}
	}
}

// run runs the code, or in the second phase reads it back and undoes what it says.
func (a *attempt) run() (string, error) {
	ctx, cancel := a.context()
	defer cancel()
	if over := a.isOver(); over != nil {
		return "", over
	}
	value, err := protect(func() (any, error) { return a.workflow.run(ctx, a.claim.Input) })
	a.mu.Lock()
	over, unjoined, kept := a.over, a.branches, a.kept
	a.mu.Unlock()
	if a.claim.Ending != nil && (over == nil || errors.Is(over, errReadBack)) {
		return a.runUndo()
	}
	switch {
	case over != nil:
		if err == nil {
			return "", fmt.Errorf("%w (the code went on and swallowed that; nothing of it counts)", over)
		}
		return "", over
	case unjoined > 0:
		return "", fmt.Errorf("wfext: the workflow has ended while %d futures are not joined", unjoined)
	case kept && errors.Is(err, ErrSuspended):
		if _, err := a.call("wf_release"); err != nil {
			return "", err
		}
		return "", a.ends(ErrSuspended)
	case err != nil:
		return "", err
	}
	return marshal(value, "what "+a.claim.Name+" returns")
}

// context is that of the code: it ends when the attempt is over.
func (a *attempt) context() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a.mu.Lock()
	a.cancel = cancel
	a.mu.Unlock()
	return context.WithValue(ctx, attemptKey{}, a.root), func() { cancel(nil) }
}

func (a *attempt) runUndo() (string, error) {
	a.mu.Lock()
	a.over, a.replaysOnly = nil, false
	undo := a.undo
	a.mu.Unlock()
	ctx, cancel := a.context()
	defer cancel()
	var first error
	for i := len(undo) - 1; i >= 0; i-- {
		err := undo[i](ctx)
		if over := a.isOver(); over != nil {
			return "", over
		}
		var failed *StepFailed
		if err != nil && !errors.As(err, &failed) {
			return "", err
		}
		if first == nil {
			first = err // the others are undone all the same
		}
	}
	return "null", first
}

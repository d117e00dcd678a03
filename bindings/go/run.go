package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// finish runs the attempt, and reports how it has ended.
func (a *attempt) finish() {
	output, err := a.run()
	switch {
	case err == nil:
		a.report("wf_complete", output)
	case errors.Is(err, ErrNotOurs):
		a.allSettle()          // what is in flight is recorded first
		a.report("wf_release") // the worker stops, or it was paused or cancelled: nobody is to wait for the end of its lease
	case errors.Is(err, errEngineFailed):
		a.report("wf_release", afterTrouble)
	case errors.Is(err, ErrSuspended):
		if strings.Contains(err.Error(), "swallowed") {
			a.log.Error("wfext: "+err.Error(), "workflow", a.claim.ID)
		}
	default:
		a.log.Warn("wfext: an attempt has failed", "workflow", a.claim.ID, "name", a.claim.Name, "attempt", a.claim.Attempt, "error", err)
		options := "{}"
		if isFinal(err) || a.saysFailure(err) {
			options = `{"retry":false}`
		}
		a.report("wf_fail", errorValue(err), options)
	}
}

// stepFailed is what a step that has failed for good returns.
func (a *attempt) stepFailed(step, cause string) error {
	failed := &StepFailed{step, recorded(cause)}
	a.mu.Lock()
	a.failures = append(a.failures, failed.Error())
	a.mu.Unlock()
	return failed
}

// saysFailure says whether an error has the words of a step that has failed for good: made of it by %v, and not wrapped by %w. Each replay would come to the same.
func (a *attempt) saysFailure(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.failures, func(words string) bool { return strings.Contains(err.Error(), words) })
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
func (a *attempt) run() (output string, err error) {
	ctx, cancel := a.context(context.Background())
	defer cancel()
	ctx, end := a.span(ctx)
	defer func() { end(ownError(err)) }()
	if over := a.isOver(); over != nil {
		return "", over
	}
	value, err := protect(func() (any, error) { return a.workflow.run(ctx, a.claim.Input) })
	if a.claim.Ending != nil {
		_ = a.ends(errReadBack)
	}
	over, unjoined := a.settle(err)
	switch {
	case errors.Is(over, errReadBack):
		return a.runUndo(ctx)
	case errors.Is(over, ErrSuspended) && a.isKept():
		if _, err := a.call("wf_release"); err != nil {
			return "", err
		}
		over = a.ends(ErrSuspended)
	}
	switch {
	case over != nil && err == nil:
		return "", fmt.Errorf("%w (the code went on and swallowed that; nothing of it counts)", over)
	case over != nil:
		return "", over
	case errors.Is(err, ErrSuspended):
		return "", misuse("wfext: the workflow returns ErrSuspended, and nothing of it waits")
	case err != nil:
		return "", err
	case unjoined > 0:
		return "", misuse("wfext: the workflow has ended while %d futures are not joined", unjoined)
	}
	return marshal(value, "what "+a.claim.Name+" returns")
}

// settle waits, once the code has returned, for what still runs: where it waits or is read back, for all its branches, which may have more to record or to undo; where it has failed, for the steps in flight. It returns why
// the attempt is over, and how many futures are not joined.
func (a *attempt) settle(err error) (over error, unjoined int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(a.over, errReadBack):
		a.root.branchesEnd(10*a.app.patience, func() bool { return !errors.Is(a.over, errReadBack) })
	case a.root.suspended || a.kept && errors.Is(err, ErrSuspended):
		a.root.branchesEnd(a.app.patience, func() bool { return a.over != nil })
		for a.over == nil && a.inFlight > 0 {
			a.changed.Wait()
		}
		if a.over == nil {
			return ErrSuspended, 0
		}
	case err != nil || a.root.unjoined > 0:
		a.closing = true
		for a.over == nil && a.inFlight > 0 {
			a.changed.Wait()
		}
	}
	return a.over, a.root.unjoined
}

// isKept says that a branch waits, and the claim is still held.
func (a *attempt) isKept() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept && a.over == nil
}

// context is that of the code: it ends when the attempt is over.
func (a *attempt) context(from context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(from)
	a.mu.Lock()
	a.cancel = cancel
	a.mu.Unlock()
	return context.WithValue(ctx, attemptKey{}, a.root), func() { cancel(nil) }
}

func (a *attempt) runUndo(traced context.Context) (string, error) {
	a.mu.Lock()
	a.over, a.replaysOnly = nil, false
	undo := a.undo
	a.mu.Unlock()
	slices.SortStableFunc(undo, compensation.compare)
	ctx, cancel := a.context(context.WithoutCancel(traced))
	defer cancel()
	var first error
	for _, each := range slices.Backward(undo) {
		err := each.run(context.WithValue(ctx, attemptKey{}, &scope{attempt: a, names: each.scope.names, base: -1, latest: map[uint64]int{}}))
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

package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
)

// WorkflowID is the id of the workflow that the context belongs to, "" outside of one.
func WorkflowID(ctx context.Context) string {
	if s := attemptOf(ctx); s != nil {
		return s.claim.ID
	}
	return ""
}

// attemptOf is that of the context, also inside of a step.
func attemptOf(ctx context.Context) *attempt {
	s, _ := ctx.Value(attemptKey{}).(*scope)
	if s == nil {
		return nil
	}
	return s.attempt
}

// Log is the worker's log, with the workflow, its attempt and the step in each line; slog's default outside of a workflow.
func Log(ctx context.Context) *slog.Logger {
	a := attemptOf(ctx)
	if a == nil {
		return slog.Default()
	}
	log := a.log.With("workflow", a.claim.ID, "name", a.claim.Name, "attempt", a.claim.Attempt)
	if run := stepOf(ctx); run != nil {
		log = log.With("step", run.step)
	}
	return log
}

// Headers are those that the workflow was started with.
func Headers(ctx context.Context) map[string]any {
	a := attemptOf(ctx)
	if a == nil {
		return nil
	}
	headers, _ := decode[map[string]any](string(a.claim.Headers))
	return headers
}

// State is what the Lifespan of the app has given.
func State[T any](ctx context.Context) T {
	var none T
	if a := attemptOf(ctx); a != nil {
		state, _ := a.app.state.(T)
		return state
	}
	return none
}

// Set gives the workflow a named value that others can read.
func Set(ctx context.Context, key string, value any) error {
	text, err := marshal(value, "the value "+key)
	if err != nil {
		return err
	}
	return now(ctx, func(a *attempt) error {
		_, err := a.call("wf_set", key, text)
		return err
	})
}

// now is for what is done again by each replay, to the same effect. In the second phase it is done already.
func now(ctx context.Context, work func(*attempt) error) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	if s.attempt.isReadBack() {
		if over := s.attempt.isOver(); !errors.Is(over, errReadBack) {
			return over
		}
		return nil // another branch is at its end, and this one has perhaps more to undo
	}
	if err := s.attempt.begin(); err != nil {
		return err
	}
	return work(s.attempt)
}

// ContinueAs ends this period: the workflow begins anew, with an empty history and this input. Return its error.
func ContinueAs(ctx context.Context, input any) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	text, err := marshal(input, "the input")
	if err != nil {
		return err
	}
	if err := s.attempt.begin(); err != nil {
		return err
	}
	if _, err := s.attempt.call("wf_continue", text); err != nil {
		return err
	}
	return s.attempt.ends(ErrSuspended)
}

// Patched is for code that has changed, while workflows are under way: true where an attempt comes here first with this code, false where one was past it already.
func Patched(ctx context.Context, name string) (bool, error) {
	s, err := scopeOf(ctx)
	if err != nil {
		return false, err
	}
	a := s.attempt
	step, err := s.take("patch " + name)
	if err != nil {
		return false, err
	}
	if _, done, err := a.recorded(step, "step"); err != nil || done {
		return done, err
	}
	if a.hasUnused() {
		return false, nil
	}
	if err := a.begin(); err != nil {
		return false, err
	}
	_, err = a.record("wf_step", nil, step, "true")
	return err == nil, err
}

func (a *attempt) hasUnused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for known := range a.records {
		if !a.used[known] {
			return true
		}
	}
	return false
}

// Compensate is said after a step, in a workflow with Undo(): if the workflow fails for good, is cancelled or times out, this is done as the step "undo <name>". The last first.
func Compensate(ctx context.Context, name string, fn func(ctx context.Context) error, options ...StepOption) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	a := s.attempt
	if !a.workflow.undoes {
		return misuse("wfext: the workflow %s calls Compensate: declare it with wfext.Undo(), so that its first record says that there is something to undo", a.claim.Name)
	}
	s.compensates(func(ctx context.Context) error {
		_, err := Step(ctx, "undo "+name, func(ctx context.Context) (json.RawMessage, error) { return nil, fn(ctx) }, options...)
		return err
	})
	return nil
}

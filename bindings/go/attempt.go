package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// longPause is the time between two tries of a step from which on the workflow is given back meanwhile.
const longPause = 5 * time.Second

type claim struct {
	Token     string            `json:"token"`
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Input     json.RawMessage   `json:"input"`
	Attempt   int               `json:"attempt"`
	Ending    *string           `json:"ending"`
	Headers   map[string]string `json:"-"`
	Steps     []record          `json:"steps"`
	StepsMore bool              `json:"steps_more"`
}

type record struct {
	Name   string          `json:"name"`
	Kind   string          `json:"kind"`
	Status string          `json:"status"`
	Output json.RawMessage `json:"output"`
	Error  json.RawMessage `json:"error"`
}

// attempt is one attempt at a workflow: from a claim to its end, its suspension, or its loss.
type attempt struct {
	app      *App
	workflow *definition
	claim    claim
	lease    time.Duration
	records  map[string]record
	cancel   context.CancelCauseFunc
	root     *scope

	mu          sync.Mutex
	over        error // why the attempt is over, from the first moment that anybody knows
	used        map[string]bool
	offsets     map[string]int
	undo        []func(context.Context) error
	branches    int             // futures that are not joined yet
	inFlight    int             // steps
	pauses      []time.Duration // of steps that want to give the workflow back
	kept        bool            // a branch waits, and the claim goes on
	replaysOnly bool            // in the second phase the code is only read back, to find what is to be undone
	saidCleanup bool
}

// scope is the attempt's own code, or one branch of it.
type scope struct {
	attempt  *attempt
	names    *names
	isBranch bool
}

type stepRun struct{ key string }

type attemptKey struct{}
type stepKey struct{}

func newAttempt(app *App, workflow *definition, c claim, records []record, lease time.Duration) *attempt {
	a := &attempt{app: app, workflow: workflow, claim: c, lease: lease, records: map[string]record{}, used: map[string]bool{}, offsets: map[string]int{}, replaysOnly: c.Ending != nil}
	for _, r := range records {
		a.records[r.Name] = r
	}
	a.root = &scope{attempt: a, names: newNames("")}
	return a
}

// scopeOf is the workflow that the context belongs to.
func scopeOf(ctx context.Context) (*scope, error) {
	if ctx.Value(stepKey{}) != nil {
		return nil, fmt.Errorf("%w: it is that of a step, in which another step has no place: call the function itself", ErrOutside)
	}
	s, ok := ctx.Value(attemptKey{}).(*scope)
	if !ok {
		return nil, ErrOutside
	}
	return s, nil
}

// ends notes why the attempt is over, and returns that.
func (a *attempt) ends(why error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over == nil {
		a.over = why
		if a.cancel != nil {
			a.cancel(why)
		}
	}
	return a.over
}

func (a *attempt) isOver() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over
}

var errReadBack = errors.New("wfext: what follows was not done: return this error")

// begin comes before anything is done that is not recorded.
func (a *attempt) begin() error {
	if over := a.isOver(); over != nil {
		return over
	}
	if a.replaysOnly {
		return a.ends(errReadBack)
	}
	return nil
}

func (s *scope) take(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	taken, err := s.names.take(name)
	if err == nil {
		s.attempt.mu.Lock()
		s.attempt.used[taken] = true
		s.attempt.mu.Unlock()
	}
	return taken, err
}

// recorded is the record of the step, if it is finished. One of another kind is a mistake in the code.
func (a *attempt) recorded(step string, kinds ...string) (record, bool, error) {
	r, ok := a.records[step]
	if !ok {
		return r, false, nil
	}
	for _, kind := range kinds {
		if r.Kind == kind {
			return r, r.Status == "done" || r.Status == "error", nil
		}
	}
	return r, false, &EngineError{Code: "WF_NONDETERMINISM", Message: fmt.Sprintf("WF_NONDETERMINISM: the step %q of %q is recorded as %s, and called as %s", step, a.claim.ID, r.Kind, kinds[0])}
}

// options are those of what records something: the first record of code that can undo says so.
func (a *attempt) options(more map[string]any) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workflow.undoes && !a.saidCleanup && a.claim.Ending == nil {
		a.saidCleanup = true
		if more == nil {
			more = map[string]any{}
		}
		more["cleanup"] = true
	}
	if more == nil {
		return nil
	}
	text, _ := marshal(more, "options")
	return text
}

// call is one of the engine with the claim's token; again while the file is locked and the lease lasts, since what it records has happened.
func (a *attempt) call(name string, args ...any) (string, error) {
	for until := time.Now().Add(a.lease); ; {
		text, err := a.app.database.text(name, append([]any{a.claim.Token}, args...)...)
		switch {
		case err == nil:
			return text, nil
		case codeIn(err) == "WF_SUSPENDED":
			return "", a.ends(ErrSuspended)
		case isNotOurs(err):
			return "", a.ends(ErrNotOurs)
		case codeIn(err) != "SQLITE_BUSY" || time.Now().After(until):
			return "", err
		}
	}
}

type stepKind struct {
	kind     string
	options  stepOptions
	run      func(ctx context.Context) (any, error)
	transact func(tx *Tx) (any, error)
}

// step does it, or reads it back: JSON text of what stands.
func (s *scope) step(ctx context.Context, name string, k stepKind) (string, error) {
	a := s.attempt
	step, err := s.take(name)
	if err != nil {
		return "", err
	}
	r, done, err := a.recorded(step, "step", "effect", "begin")
	if err != nil {
		return "", err
	}
	if done && r.Status == "error" {
		return "", &StepFailed{step, recorded(string(r.Error))}
	}
	if done {
		return string(r.Output), nil
	}
	if err := a.begin(); err != nil {
		return "", err
	}
	s.names.begins()
	defer s.names.settles()
	a.mu.Lock()
	a.inFlight++
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.inFlight--
		a.mu.Unlock()
	}()
	for {
		text, err := a.try(ctx, step, k)
		if err == nil {
			return text, nil
		}
		if over := a.isOver(); over != nil {
			return "", over
		}
		var cause *ofTheFunction
		switch {
		case errors.As(err, &cause):
			if err := a.failed(ctx, step, k.options, cause.err); err != nil {
				return "", err
			}
		case k.kind == "transaction" && codeIn(err) == "SQLITE_BUSY": // nothing of it has happened
		default:
			return "", err
		}
	}
}

// ofTheFunction says that the step's function has failed, and not its record.
type ofTheFunction struct{ err error }

func (e *ofTheFunction) Error() string { return e.err.Error() }

func (a *attempt) try(ctx context.Context, step string, k stepKind) (string, error) {
	if k.kind == "transaction" {
		return a.transaction(step, k)
	}
	run := &stepRun{}
	if k.kind == "effect" {
		inDoubt := k.options.inDoubt
		if inDoubt == "" {
			inDoubt = "retry"
		}
		text, err := a.call("wf_begin", step, a.options(map[string]any{"in_doubt": inDoubt}))
		if err != nil {
			return "", err
		}
		if text == "" {
			return "", a.ends(ErrNotOurs) // held until somebody decides
		}
		var begun struct {
			Key           string          `json:"key"`
			Output, Error json.RawMessage `json:",omitempty"`
		}
		if err := unmarshal(text, &begun); err != nil {
			return "", err
		}
		if begun.Error != nil {
			return "", &StepFailed{step, recorded(string(begun.Error))}
		}
		if begun.Output != nil {
			return string(begun.Output), nil
		}
		run.key = begun.Key
	}
	ctx = context.WithValue(ctx, stepKey{}, run)
	if k.options.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, k.options.timeout)
		defer stop()
	}
	value, err := protect(func() (any, error) { return k.run(ctx) })
	if err != nil {
		return "", &ofTheFunction{err}
	}
	text, err := marshal(value, "what "+step+" returns")
	if err != nil {
		return "", &ofTheFunction{err}
	}
	return a.call("wf_step", step, text, a.options(nil))
}

func protect(work func() (any, error)) (value any, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("panic: %v", broken)
		}
	}()
	return work()
}

func (a *attempt) transaction(step string, k stepKind) (string, error) {
	stands := ""
	a.mu.Lock()
	said := a.saidCleanup
	a.mu.Unlock()
	options := a.options(nil)
	a.mu.Lock()
	a.saidCleanup = said // it may be rolled back: the next record says it again
	a.mu.Unlock()
	err := a.app.database.transaction(func(tx *Tx) error {
		found, err := tx.c.value("SELECT wf_step(?, ?)", a.claim.Token, step) // an error where the claim is not ours any more
		if err != nil || found != nil {
			stands = asText(found)
			return err
		}
		value, err := protect(func() (any, error) { return k.transact(tx) })
		if err != nil {
			return &ofTheFunction{err}
		}
		text, err := marshal(value, "what "+step+" returns")
		if err != nil {
			return &ofTheFunction{err}
		}
		found, err = tx.c.value("SELECT wf_step(?, ?, ?, ?)", a.claim.Token, step, text, options)
		stands = asText(found)
		return err
	})
	if isNotOurs(err) {
		return "", a.ends(ErrNotOurs)
	}
	return stands, err
}

// failed returns nil where the step is to be tried again.
func (a *attempt) failed(ctx context.Context, step string, o stepOptions, cause error) error {
	given := errorValue(cause)
	var notJSON *NotJSON
	if o.attempts > 1 && !errors.As(cause, &notJSON) && (o.retryIf == nil || o.retryIf(cause)) {
		options, _ := marshal(map[string]any{"step": step, "keep": true, "max_attempts": o.attempts}, "options")
		text, err := a.call("wf_fail", given, options)
		if err == nil {
			var counted struct {
				Failures int
				Pause    float64
			}
			if err := unmarshal(text, &counted); err != nil {
				return err
			}
			pause := time.Duration(counted.Pause * float64(time.Second))
			if o.backoff > 0 {
				pause = min(5*time.Minute, o.backoff<<min(counted.Failures-1, 20))
			}
			if pause >= longPause {
				return a.giveBack(pause)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			return a.begin()
		}
		if codeIn(err) != "WF_STATE" { // else that was the last
			return err
		}
	}
	if _, err := a.call("wf_step", step, given, a.options(map[string]any{"error": true})); err != nil {
		return err
	}
	return &StepFailed{step, recorded(given)}
}

// giveBack waits for what runs beside, whose results are recorded first; of several that want the same the shortest pause counts.
func (a *attempt) giveBack(pause time.Duration) error {
	a.mu.Lock()
	a.pauses = append(a.pauses, pause)
	for a.inFlight > len(a.pauses) && a.over == nil {
		a.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		a.mu.Lock()
	}
	over, shortest := a.over, slices.Min(a.pauses)
	a.mu.Unlock()
	if over != nil {
		return over
	}
	options, _ := marshal(map[string]any{"delay": shortest.Seconds()}, "options")
	if _, err := a.call("wf_release", options); err != nil {
		return err
	}
	return a.ends(ErrSuspended)
}

// wait is a call of the engine that may have to be waited for: what it gives, or ErrSuspended.
func (s *scope) wait(name, kind, function string, args []any, options map[string]any) (string, error) {
	a := s.attempt
	step, err := s.take(name)
	if err != nil {
		return "", err
	}
	kinds := []string{kind}
	if kind == "await_event" {
		kinds = append(kinds, "event")
	}
	r, done, err := a.recorded(step, kinds...)
	if err != nil {
		return "", err
	}
	if done {
		return string(r.Output), nil
	}
	if err := a.begin(); err != nil {
		return "", err
	}
	if options == nil {
		options = map[string]any{}
	}
	a.mu.Lock()
	unjoined, inFlight := a.branches, a.inFlight
	a.mu.Unlock()
	if s.isBranch {
		options["keep"] = true // the others go on; when they have come to their ends the workflow is suspended
	} else if unjoined > 0 {
		return "", fmt.Errorf("wfext: %s waits while %d futures are not joined: join them first, or wait in one of them", step, unjoined)
	} else if inFlight > 0 {
		return "", fmt.Errorf("wfext: %s waits while %d steps of other goroutines are in flight: wait for those first, or use wfext.Go", step, inFlight)
	}
	text, err := marshal(options, "options")
	if err != nil {
		return "", err
	}
	answer, err := a.call(function, append(append([]any{step}, args...), text)...)
	if err != nil || answer != "" {
		return answer, err
	}
	if s.isBranch {
		a.mu.Lock()
		a.kept = true
		a.mu.Unlock()
		return "", ErrSuspended
	}
	return "", a.ends(ErrSuspended)
}

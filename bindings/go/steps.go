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

type stepOptions struct {
	attempts int
	backoff  time.Duration
	retryIf  func(error) bool
	timeout  time.Duration
	inDoubt  string
	durable  bool
}

// StepOption is an option of a step.
type StepOption func(*stepOptions)

// Attempts is how often a step is tried when it returns an error; default 1. When they are used up, its error is its record, and every replay returns the same StepFailed.
func Attempts(n int) StepOption { return func(o *stepOptions) { o.attempts = n } }

// Backoff is the time before the second try, doubled each time up to 5 minutes; default: the workflow's own.
func Backoff(d time.Duration) StepOption { return func(o *stepOptions) { o.backoff = d } }

// RetryIf says whether an error is worth another try.
func RetryIf(f func(error) bool) StepOption { return func(o *stepOptions) { o.retryIf = f } }

// StepTimeout ends the context of a try.
func StepTimeout(d time.Duration) StepOption { return func(o *stepOptions) { o.timeout = d } }

// InDoubt is what to do with an effect that was begun and never finished: "retry" (default; the other side knows the key), "hold" (a person decides), "fail".
func InDoubt(what string) StepOption { return func(o *stepOptions) { o.inDoubt = what } }

// Durable lets an Effect be tried once its record is on Litestream's replica (App.Sync), so that a file that was lost and restored knows of it. Where that cannot be had it is not tried, and the workflow is given
// back for a while.
func Durable() StepOption { return func(o *stepOptions) { o.durable = true } }

type stepKind struct {
	kind     string
	options  stepOptions
	run      func(ctx context.Context) (any, error)
	transact func(tx *Tx) (any, error)
}

// Step does it once: what it returns is recorded, and read back in every replay. Inside of another step it is a plain call.
func Step[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error), options ...StepOption) (T, error) {
	if fn == nil {
		return noFunction[T](name)
	}
	if stepOf(ctx) != nil {
		return fn(ctx)
	}
	return step[T](ctx, name, options, stepKind{kind: "step", run: func(ctx context.Context) (any, error) { return fn(ctx) }})
}

// Effect is a step with an effect outside, which is recorded before it is tried, too: Key(ctx) is the key to send along.
func Effect[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error), options ...StepOption) (T, error) {
	if fn == nil {
		return noFunction[T](name)
	}
	return step[T](ctx, name, options, stepKind{kind: "effect", run: func(ctx context.Context) (any, error) { return fn(ctx) }})
}

// Transaction is a step that writes rows of the application's: they and its record are one commit. Nobody else writes meanwhile: it has a second, and calls nothing else of the app.
func Transaction[T any](ctx context.Context, name string, fn func(tx *Tx) (T, error)) (T, error) {
	if fn == nil {
		return noFunction[T](name)
	}
	return step[T](ctx, name, nil, stepKind{kind: "transaction", transact: func(tx *Tx) (any, error) { return fn(tx) }})
}

func noFunction[T any](name string) (T, error) {
	var none T
	return none, misuse("wfext: the function of the step %s is nil", name)
}

func step[T any](ctx context.Context, name string, options []StepOption, k stepKind) (T, error) {
	var none T
	s, err := scopeOf(ctx)
	if err != nil {
		return none, fmt.Errorf("the step %s: %w", name, err)
	}
	k.options.attempts = 1
	for _, option := range options {
		option(&k.options)
	}
	if err := k.check(name); err != nil {
		return none, err
	}
	text, err := s.step(ctx, name, k)
	if err != nil {
		return none, err
	}
	return decode[T](text)
}

func (k stepKind) check(name string) error {
	switch o := k.options; {
	case o.attempts < 1:
		return misuse("wfext: the step %s has %d attempts: at least 1", name, o.attempts)
	case o.backoff < 0:
		return misuse("wfext: the step %s has a backoff of %v: 0 or more", name, o.backoff)
	case o.timeout < 0:
		return misuse("wfext: the step %s has a timeout of %v: more than 0", name, o.timeout)
	case !slices.Contains([]string{"", "retry", "hold", "fail"}, o.inDoubt):
		return misuse("wfext: the step %s has InDoubt(%q): retry, hold or fail", name, o.inDoubt)
	}
	return nil
}

// stepRun is a step that is being done.
type stepRun struct {
	attempt *attempt
	step    string
	once    sync.Once
	key     string
}

type stepKey struct{}

func stepOf(ctx context.Context) *stepRun {
	run, _ := ctx.Value(stepKey{}).(*stepRun)
	return run
}

// keyFailed is thrown by Key, which cannot return it, and caught around the step.
type keyFailed struct{ error }

// Key is the idempotency key of a step: the same in every try of it. That of an Effect is recorded before the effect is tried. "" outside of steps.
func Key(ctx context.Context) string {
	run := stepOf(ctx)
	if run == nil {
		return ""
	}
	run.once.Do(func() {
		if run.key == "" {
			key, err := run.attempt.call("wf_key", run.step)
			if err != nil {
				panic(&keyFailed{err})
			}
			run.key = key
		}
	})
	return run.key
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
		return "", a.stepFailed(step, string(r.Error))
	}
	if done {
		return string(r.Output), nil
	}
	if err := a.beginSteps(1); err != nil {
		return "", err
	}
	defer a.settled()
	s.names.begins()
	defer s.names.settles()
	for {
		if off := s.calledOff(ctx, step); off != nil {
			return "", off
		}
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
			if off := s.calledOff(ctx, step); off != nil && k.kind != "transaction" {
				return "", off
			}
			if err := a.failed(ctx, step, k.options, cause.err); err != nil {
				return "", err
			}
		case k.kind == "transaction" && isBusy(err): // nothing of it has happened
		default:
			return "", err
		}
	}
}

// calledOff says that the code has ended the context of a step because a sibling has suspended or failed (as errgroup does). What the step comes to then is no result of its own, and is not recorded.
// One that is cancelled without a cause, or by a deadline, while nothing waits is the code's own decision.
func (s *scope) calledOff(ctx context.Context, step string) error {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	s.attempt.mu.Lock()
	defer s.attempt.mu.Unlock()
	switch cause := context.Cause(ctx); {
	case s.attempt.over != nil:
		return s.attempt.over
	case s.attempt.kept:
		s.suspended = true
		return ErrSuspended
	case cause != context.Canceled:
		return fmt.Errorf("the step %s was called off: %w", step, cause)
	}
	return nil
}

// ofTheFunction says that the step's function has failed, and not its record.
type ofTheFunction struct{ err error }

func (e *ofTheFunction) Error() string { return e.err.Error() }

func (a *attempt) try(ctx context.Context, step string, k stepKind) (text string, err error) {
	ctx, end := a.stepSpan(ctx, step, k.kind)
	defer func() {
		if cause := (*ofTheFunction)(nil); errors.As(err, &cause) {
			end(cause.err)
		} else {
			end(ownError(err))
		}
	}()
	if k.kind == "transaction" {
		return a.transaction(step, k)
	}
	run := &stepRun{attempt: a, step: step}
	if a.announces(k.kind) {
		stands, text, err := a.beginEffect(step, k.options.inDoubt, run)
		if err != nil || stands {
			return text, err
		}
		if k.kind == "effect" && k.options.durable {
			if err := a.app.barrier.join(a.app); err != nil {
				return "", a.engineFailed(fmt.Errorf("the effect %s is not tried now, since its record is not on the replica: %w", step, err))
			}
		}
	}
	ctx = context.WithValue(ctx, stepKey{}, run)
	if k.options.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, k.options.timeout)
		defer stop()
	}
	if text, err = resultText(step, func() (any, error) { return k.run(ctx) }); err != nil {
		return "", err
	}
	return a.record("wf_step", nil, step, text)
}

// resultText is what the function returns, as JSON text; its error is one of the function, unless Key has failed.
func resultText(step string, work func() (any, error)) (string, error) {
	value, err := protect(work)
	if key := (*keyFailed)(nil); errors.As(err, &key) {
		return "", key.error
	}
	text := ""
	if err == nil {
		text, err = marshal(value, "what "+step+" returns")
	}
	if err != nil {
		return "", &ofTheFunction{err}
	}
	return text, nil
}

// beginEffect records the intent. It stands where it was done, or was decided upon, meanwhile.
func (a *attempt) beginEffect(step, inDoubt string, run *stepRun) (stands bool, output string, err error) {
	if inDoubt == "" {
		inDoubt = "retry"
	}
	text, err := a.record("wf_begin", map[string]any{"in_doubt": inDoubt}, step)
	if err != nil {
		return false, "", err
	}
	if text == "" {
		return false, "", a.ends(ErrSuspended) // held until somebody decides
	}
	var begun struct {
		Key           string          `json:"key"`
		Output, Error json.RawMessage `json:",omitempty"`
	}
	if err := unmarshal(text, &begun); err != nil {
		return false, "", err
	}
	if begun.Error != nil {
		return false, "", a.stepFailed(step, string(begun.Error))
	}
	run.key = begun.Key
	return begun.Output != nil, string(begun.Output), nil
}

func (a *attempt) transaction(step string, k stepKind) (string, error) {
	stands := ""
	err := a.app.database.transaction(func(tx *Tx) error {
		found, err := tx.c.value("SELECT wf_step(?, ?)", a.claim.Token, step) // an error where the claim is not ours any more
		if err != nil || found != nil {
			stands = asText(found)
			return err
		}
		text, err := resultText(step, func() (any, error) {
			value, err := tx.run(k.transact)
			switch {
			case err != nil:
			case tx.c.AutoCommit(): // the record would stand by itself, without its rows
				err = errRolledBack
			case tx.isLate():
				err = errLate
			}
			return value, err
		})
		if err != nil {
			return err
		}
		found, err = tx.c.value("SELECT wf_step(?, ?, ?, ?)", a.claim.Token, step, text, a.options("wf_step", nil))
		stands = asText(found)
		return err
	})
	switch {
	case err == nil:
		a.stands()
	case isNotOurs(err):
		return "", a.ends(ErrNotOurs)
	case !isBusy(err) && isOfTheMachine(err):
		return "", a.engineFailed(err)
	}
	return stands, err
}

// failed returns nil where the step is to be tried again.
func (a *attempt) failed(ctx context.Context, step string, o stepOptions, cause error) error {
	if misused := (*Misuse)(nil); errors.As(cause, &misused) {
		return cause // no outcome of the step, and nothing to keep once the code is mended
	}
	given := errorValue(cause)
	var notJSON *NotJSON
	if o.attempts > 1 && !errors.As(cause, &notJSON) && (o.retryIf == nil || o.retryIf(cause)) {
		options, _ := marshal(map[string]any{"step": step, "keep": true, "max_attempts": o.attempts}, "options")
		text, err := a.call("wf_fail", given, options)
		if err == nil {
			return a.pause(ctx, o, text)
		}
		if codeIn(err) != "WF_STATE" { // else that was the last
			return err
		}
	}
	if _, err := a.record("wf_step", map[string]any{"error": true}, step, given); err != nil {
		return err
	}
	return a.stepFailed(step, given)
}

// pause waits before the next try, or gives the workflow back for so long.
func (a *attempt) pause(ctx context.Context, o stepOptions, text string) error {
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
	if pause >= a.longPause {
		return a.giveBack(pause)
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
	return a.begin()
}

// giveBack waits for what runs beside, whose results are recorded first; of several that want the same the shortest pause counts.
func (a *attempt) giveBack(pause time.Duration) error {
	a.mu.Lock()
	a.pauses = append(a.pauses, pause)
	a.changed.Broadcast()
	for a.inFlight > len(a.pauses) && a.over == nil {
		a.changed.Wait()
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

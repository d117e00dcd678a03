package wfext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// definition is a workflow that the app knows.
type definition struct {
	name   string
	queue  string
	undoes bool
	run    func(ctx context.Context, input json.RawMessage) (any, error)
}

// A Definition is a workflow: a function that survives the process. It is run again from its beginning, and what it did is read back.
type Definition[In, Out any] struct {
	app *App
	*definition
}

// WorkflowOption is an option of Workflow.
type WorkflowOption func(*definition)

// Queue is where its workflows wait for a worker; default "default".
func Queue(name string) WorkflowOption { return func(d *definition) { d.queue = name } }

// Undo says that the workflow calls Compensate.
func Undo() WorkflowOption { return func(d *definition) { d.undoes = true } }

// Workflow declares a workflow. The same name again replaces it.
func Workflow[In, Out any](app *App, name string, fn func(ctx context.Context, in In) (Out, error), options ...WorkflowOption) *Definition[In, Out] {
	if err := checkName(name); err != nil {
		panic(err)
	}
	d := &definition{name: name, queue: "default", run: func(ctx context.Context, input json.RawMessage) (any, error) {
		in, err := decode[In](string(input))
		if err != nil {
			return nil, &NotJSON{fmt.Sprintf("the input of %s: %v", name, err)}
		}
		return fn(ctx, in)
	}}
	for _, option := range options {
		option(d)
	}
	app.add(d)
	return &Definition[In, Out]{app, d}
}

type stepOptions struct {
	attempts int
	backoff  time.Duration
	retryIf  func(error) bool
	timeout  time.Duration
	inDoubt  string
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

func collect(options []StepOption) stepOptions {
	o := stepOptions{attempts: 1}
	for _, option := range options {
		option(&o)
	}
	return o
}

func step[T any](ctx context.Context, name string, k stepKind) (T, error) {
	var none T
	s, err := scopeOf(ctx)
	if err != nil {
		return none, fmt.Errorf("the step %s: %w", name, err)
	}
	text, err := s.step(ctx, name, k)
	if err != nil {
		return none, err
	}
	return decode[T](text)
}

// Step does it once: what it returns is recorded, and read back in every replay.
func Step[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error), options ...StepOption) (T, error) {
	return step[T](ctx, name, stepKind{kind: "step", options: collect(options), run: func(ctx context.Context) (any, error) { return fn(ctx) }})
}

// Effect is a step with an effect outside, which is recorded before it is tried, too: Key(ctx) is the key to send along.
func Effect[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error), options ...StepOption) (T, error) {
	return step[T](ctx, name, stepKind{kind: "effect", options: collect(options), run: func(ctx context.Context) (any, error) { return fn(ctx) }})
}

// Transaction is a step that writes rows of the application's: they and its record are one commit. It runs in the goroutine of the database: call nothing else of the app in it.
func Transaction[T any](ctx context.Context, name string, fn func(tx *Tx) (T, error)) (T, error) {
	return step[T](ctx, name, stepKind{kind: "transaction", options: collect(nil), transact: func(tx *Tx) (any, error) { return fn(tx) }})
}

// Key is the idempotency key of an effect: the same in every try of it.
func Key(ctx context.Context) string {
	run, _ := ctx.Value(stepKey{}).(*stepRun)
	if run == nil {
		return ""
	}
	return run.key
}

// ID is the workflow's id, "" outside of one.
func ID(ctx context.Context) string {
	s, _ := ctx.Value(attemptKey{}).(*scope)
	if s == nil {
		return ""
	}
	return s.attempt.claim.ID
}

type waitOptions struct {
	timeout *time.Duration
	name    string
	key     string
	amount  int
}

// WaitOption is an option of what waits.
type WaitOption func(*waitOptions)

// Timeout gives up after so long, with ErrTimeout.
func Timeout(d time.Duration) WaitOption { return func(o *waitOptions) { o.timeout = &d } }

// Name is how the wait is recorded; default: what it waits for.
func Name(name string) WaitOption { return func(o *waitOptions) { o.name = name } }

// ShareKey lets a rate count for each key by itself.
func ShareKey(key string) WaitOption { return func(o *waitOptions) { o.key = key } }

// Amount is how many shares are wanted; default 1.
func Amount(n int) WaitOption { return func(o *waitOptions) { o.amount = n } }

func collectWait(name string, options []WaitOption) waitOptions {
	o := waitOptions{name: name, amount: 1}
	for _, option := range options {
		option(&o)
	}
	return o
}

func (o waitOptions) seconds() any {
	if o.timeout == nil {
		return nil
	}
	return o.timeout.Seconds()
}

// Sleep survives a restart, and holds no goroutine: the attempt ends with ErrSuspended, and the workflow is run again when the time has come.
func Sleep(ctx context.Context, d time.Duration, options ...WaitOption) error {
	return sleep(ctx, d.Seconds(), options)
}

// SleepUntil is Sleep until a time.
func SleepUntil(ctx context.Context, t time.Time, options ...WaitOption) error {
	return sleep(ctx, t.UTC().Format("2006-01-02T15:04:05.000Z"), options)
}

func sleep(ctx context.Context, until any, options []WaitOption) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	_, err = s.wait(collectWait("sleep", options).name, "sleep", "wf_sleep", []any{until}, nil)
	return err
}

type awaited struct {
	Payload json.RawMessage `json:"payload"`
	Timeout bool            `json:"timeout"`
}

func await[T any](ctx context.Context, what, kind, function string, options []WaitOption) (T, error) {
	var none T
	s, err := scopeOf(ctx)
	if err != nil {
		return none, err
	}
	o := collectWait(what, options)
	text, err := s.wait(o.name, kind, function, []any{what, o.seconds()}, nil)
	if err != nil {
		return none, err
	}
	var got awaited
	if err := unmarshal(text, &got); err != nil {
		return none, err
	}
	if got.Timeout {
		return none, fmt.Errorf("%s: %w", what, ErrTimeout)
	}
	return decode[T](string(got.Payload))
}

// WaitSignal is the payload of the earliest signal of the name; ErrTimeout after the timeout. (A payload of null is no timeout.)
func WaitSignal[T any](ctx context.Context, name string, options ...WaitOption) (T, error) {
	return await[T](ctx, name, "await", "wf_await", options)
}

// WaitEvent is the payload of an event, which is stated once for everyone.
func WaitEvent[T any](ctx context.Context, event string, options ...WaitOption) (T, error) {
	return await[T](ctx, event, "await_event", "wf_await_event", options)
}

// Acquire waits in line for a share of a rate (App.Rate).
func Acquire(ctx context.Context, rate string, options ...WaitOption) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	o := collectWait(rate, options)
	given := map[string]any{}
	if o.key != "" {
		given["key"] = o.key
	}
	if o.timeout != nil {
		given["timeout"] = o.timeout.Seconds()
	}
	text, err := s.wait(o.name, "acquire", "wf_acquire", []any{rate, o.amount}, given)
	if err != nil {
		return err
	}
	var got awaited
	if err := unmarshal(text, &got); err != nil {
		return err
	}
	if got.Timeout {
		return fmt.Errorf("a share of %s: %w", rate, ErrTimeout)
	}
	return nil
}

// A Child is a workflow that was started by this one.
type Child[Out any] struct{ id string }

// ID is the child's id.
func (c Child[Out]) ID() string { return c.id }

// StartChild starts a child, once.
func StartChild[In, Out any](ctx context.Context, d *Definition[In, Out], in In, options ...StartOption) (Child[Out], error) {
	s, err := scopeOf(ctx)
	if err != nil {
		return Child[Out]{}, err
	}
	a := s.attempt
	name, err := s.take(d.name)
	if err != nil {
		return Child[Out]{}, err
	}
	r, done, err := a.recorded(name, "spawn")
	if err != nil {
		return Child[Out]{}, err
	}
	if done {
		id, err := decode[string](string(r.Output))
		return Child[Out]{id}, err
	}
	if err := a.begin(); err != nil {
		return Child[Out]{}, err
	}
	input, err := marshal(in, "the input of "+d.name)
	if err != nil {
		return Child[Out]{}, err
	}
	given, err := startOptions(d.queue, d.options(options))
	if err != nil {
		return Child[Out]{}, err
	}
	id, err := a.call("wf_spawn", name, d.name, input, given)
	return Child[Out]{id}, err
}

// Join waits until children have ended: their outputs. The first that failed is the error.
func Join[Out any](ctx context.Context, children []Child[Out], options ...WaitOption) ([]Out, error) {
	s, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(children))
	for i, child := range children {
		ids[i] = child.id
	}
	list, _ := marshal(ids, "ids")
	o := collectWait("join", options)
	given := map[string]any{}
	if o.timeout != nil {
		given["timeout"] = o.timeout.Seconds()
	}
	text, err := s.wait(o.name, "join", "wf_join", []any{list}, given)
	if err != nil {
		return nil, err
	}
	var ended []struct {
		ID, Status    string
		Output, Error json.RawMessage
	}
	if err := unmarshal(text, &ended); err != nil {
		return nil, err
	}
	out := make([]Out, len(children))
	for i, child := range children {
		for _, entry := range ended {
			if entry.ID != child.id {
				continue
			}
			switch entry.Status {
			case "completed":
				if out[i], err = decode[Out](string(entry.Output)); err != nil {
					return nil, err
				}
			case "failed":
				return nil, &WorkflowFailed{child.id, recorded(string(entry.Error))}
			case "cancelled":
				return nil, &WorkflowCancelled{child.id, recorded(string(entry.Error))}
			default:
				return nil, fmt.Errorf("the child %s: %w", child.id, ErrTimeout)
			}
		}
	}
	return out, nil
}

// Call starts a child and waits for its output.
func Call[In, Out any](ctx context.Context, d *Definition[In, Out], in In, options ...StartOption) (Out, error) {
	var none Out
	child, err := StartChild(ctx, d, in, options...)
	if err != nil {
		return none, err
	}
	out, err := Join(ctx, []Child[Out]{child})
	if err != nil {
		return none, err
	}
	return out[0], nil
}

// A Future is a branch that runs beside the others.
type Future[T any] struct {
	attempt *attempt
	done    chan struct{}
	value   T
	err     error
}

// Go runs fn beside the code that follows, with names of its own for its steps: "name.step". Join every future before the workflow waits or ends.
func Go[T any](ctx context.Context, name string, fn func(ctx context.Context) (T, error)) *Future[T] {
	f := &Future[T]{done: make(chan struct{})}
	s, err := scopeOf(ctx)
	if err != nil {
		f.err = err
		close(f.done)
		return f
	}
	f.attempt = s.attempt
	taken, err := s.take(name)
	if err != nil {
		f.err = err
		close(f.done)
		return f
	}
	branch := &scope{attempt: s.attempt, names: newNames(taken + "."), isBranch: true}
	s.attempt.mu.Lock()
	s.attempt.branches++
	s.attempt.mu.Unlock()
	go func() {
		defer close(f.done)
		value, err := protect(func() (any, error) { return fn(context.WithValue(ctx, attemptKey{}, branch)) })
		if err == nil {
			f.value, _ = value.(T)
		}
		f.err = err
		s.attempt.mu.Lock()
		s.attempt.branches--
		s.attempt.mu.Unlock()
	}()
	return f
}

// Join waits for the branch. ErrSuspended: it waits for something; join the others, then return it.
func (f *Future[T]) Join() (T, error) {
	<-f.done
	return f.value, f.err
}

// Append appends to a stream of the workflow; a replay does not repeat it. (A stream is written by the workflow's code or by its steps, not by both.)
func Append(ctx context.Context, stream string, value any) error {
	return record1(ctx, func(a *attempt) error {
		a.mu.Lock()
		offset := a.offsets[stream]
		a.offsets[stream]++
		a.mu.Unlock()
		text, err := marshal(value, "an item of "+stream)
		if err != nil {
			return err
		}
		_, err = a.call("wf_append", stream, text, fmt.Sprintf(`{"offset":%d}`, offset))
		return err
	})
}

// Set gives the workflow a named value that others can read.
func Set(ctx context.Context, key string, value any) error {
	return record1(ctx, func(a *attempt) error {
		text, err := marshal(value, "the value "+key)
		if err != nil {
			return err
		}
		_, err = a.call("wf_set", key, text)
		return err
	})
}

// ContinueAs ends this period: the workflow begins anew, with an empty history and this input. Return its error.
func ContinueAs(ctx context.Context, input any) error {
	return record1(ctx, func(a *attempt) error {
		text, err := marshal(input, "the input")
		if err != nil {
			return err
		}
		if _, err := a.call("wf_continue", text); err != nil {
			return err
		}
		return a.ends(ErrSuspended)
	})
}

func record1(ctx context.Context, work func(*attempt) error) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	if err := s.attempt.begin(); err != nil {
		return err
	}
	return work(s.attempt)
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
	a.mu.Lock()
	for known := range a.records {
		if !a.used[known] {
			a.mu.Unlock()
			return false, nil
		}
	}
	a.mu.Unlock()
	if err := a.begin(); err != nil {
		return false, err
	}
	_, err = a.call("wf_step", step, "true", a.options(nil))
	return err == nil, err
}

// Compensate is said after a step, in a workflow with Undo(): if the workflow fails for good, is cancelled or times out, this is done as the step "undo <name>". The last first.
func Compensate(ctx context.Context, name string, fn func(ctx context.Context) error, options ...StepOption) error {
	s, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	a := s.attempt
	if !a.workflow.undoes {
		return &NotJSON{fmt.Sprintf("wfext: the workflow %s calls Compensate: declare it with wfext.Undo(), so that its first record says that there is something to undo", a.claim.Name)}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.undo = append(a.undo, func(ctx context.Context) error {
		_, err := Step(ctx, "undo "+name, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) }, options...)
		return err
	})
	return nil
}

// run runs the code of an attempt, or in the second phase reads it back and undoes what it says.
func (a *attempt) run(ctx context.Context) (string, error) {
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	if over := a.isOver(); over != nil {
		return "", over
	}
	ctx = context.WithValue(ctx, attemptKey{}, a.root)
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

func (a *attempt) runUndo() (string, error) {
	a.mu.Lock()
	a.over, a.replaysOnly = nil, false
	undo := a.undo
	a.mu.Unlock()
	ctx, cancel := context.WithCancelCause(context.Background())
	a.cancel = cancel
	defer cancel(nil)
	ctx = context.WithValue(ctx, attemptKey{}, a.root)
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

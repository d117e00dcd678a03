package wfext

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

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

// waiting is a call of the engine that may have to be waited for: its kinds as they are recorded, the function, what comes behind handle and step, its options.
type waiting struct {
	kinds    []string
	function string
	args     []any
	options  map[string]any
}

// await takes the name, and waits: what the engine gives as JSON.
func await(ctx context.Context, name string, options []WaitOption, what func(waitOptions) waiting) (string, error) {
	s, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	o := waitOptions{name: name, amount: 1}
	for _, option := range options {
		option(&o)
	}
	return s.wait(o.name, what(o))
}

// seconds are those of the timeout, nil without one.
func (o waitOptions) seconds() any {
	if o.timeout == nil {
		return nil
	}
	return o.timeout.Seconds()
}

// given are the options of a function that takes its timeout there.
func (o waitOptions) given() map[string]any {
	given := map[string]any{}
	if o.timeout != nil {
		given["timeout"] = o.timeout.Seconds()
	}
	if o.key != "" {
		given["key"] = o.key
	}
	return given
}

// timeFormat is how the engine takes a time.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Sleep survives a restart, and holds no goroutine: the attempt ends with ErrSuspended, and the workflow is run again when the time has come.
func Sleep(ctx context.Context, d time.Duration, options ...WaitOption) error {
	return sleep(ctx, d.Seconds(), options)
}

// SleepUntil is Sleep until a time.
func SleepUntil(ctx context.Context, t time.Time, options ...WaitOption) error {
	return sleep(ctx, t.UTC().Format(timeFormat), options)
}

func sleep(ctx context.Context, until any, options []WaitOption) error {
	_, err := await(ctx, "sleep", options, func(waitOptions) waiting {
		return waiting{kinds: []string{"sleep"}, function: "wf_sleep", args: []any{until}}
	})
	return err
}

type awaited struct {
	Payload json.RawMessage `json:"payload"`
	Timeout bool            `json:"timeout"`
}

func payload[T any](what, text string, err error) (T, error) {
	var none T
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
	text, err := await(ctx, name, options, func(o waitOptions) waiting {
		return waiting{kinds: []string{"await"}, function: "wf_await", args: []any{name, o.seconds()}}
	})
	return payload[T](name, text, err)
}

// WaitEvent is the payload of an event, which is stated once for everyone.
func WaitEvent[T any](ctx context.Context, event string, options ...WaitOption) (T, error) {
	text, err := await(ctx, event, options, func(o waitOptions) waiting {
		return waiting{kinds: []string{"await_event", "event"}, function: "wf_await_event", args: []any{event, o.seconds()}}
	})
	return payload[T](event, text, err)
}

// Acquire waits in line for a share of a rate (App.Rate).
func Acquire(ctx context.Context, rate string, options ...WaitOption) error {
	text, err := await(ctx, rate, options, func(o waitOptions) waiting {
		return waiting{kinds: []string{"acquire"}, function: "wf_acquire", args: []any{rate, o.amount}, options: o.given()}
	})
	_, err = payload[any]("a share of "+rate, text, err)
	return err
}

// wait is what the engine gives, or ErrSuspended.
func (s *scope) wait(name string, w waiting) (string, error) {
	a := s.attempt
	step, err := s.take(name)
	if err != nil {
		return "", err
	}
	r, done, err := a.recorded(step, w.kinds...)
	if err != nil {
		return "", err
	}
	if done {
		return string(r.Output), nil
	}
	if err := a.begin(); err != nil {
		return "", err
	}
	if err := s.mayWait(step); err != nil {
		return "", err
	}
	options := map[string]any{}
	for key, value := range w.options {
		options[key] = value
	}
	if s.isBranch {
		options["keep"] = true // the others go on; when they have come to their ends the workflow is suspended
	}
	answer, err := a.record(w.function, options, append([]any{step}, w.args...)...)
	if err != nil || answer != "" {
		return answer, err
	}
	if s.isBranch {
		a.mu.Lock()
		a.kept, s.suspended = true, true
		a.mu.Unlock()
		return "", ErrSuspended
	}
	return "", a.ends(ErrSuspended)
}

// mayWait: a wait of the attempt's own code gives the workflow back, and the record of what is in flight would be refused.
func (s *scope) mayWait(step string) error {
	s.attempt.mu.Lock()
	defer s.attempt.mu.Unlock()
	switch {
	case s.isBranch:
		return nil
	case s.unjoined > 0:
		return misuse("wfext: %s waits while %d futures are not joined: join them first, or wait in one of them", step, s.unjoined)
	case s.attempt.inFlight > 0:
		return misuse("wfext: %s waits while %d steps of other goroutines are in flight: wait for those first, or use wfext.Go", step, s.attempt.inFlight)
	}
	return nil
}

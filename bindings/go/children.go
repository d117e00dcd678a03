package wfext

import (
	"context"
	"encoding/json"
	"fmt"
)

// A Child is a workflow that was started by this one.
type Child[Out any] struct{ id string }

// ID is the child's id.
func (c Child[Out]) ID() string { return c.id }

// StartChild starts a child, once.
func StartChild[In, Out any](ctx context.Context, d *Definition[In, Out], in In, options ...StartOption) (Child[Out], error) {
	var none Child[Out]
	s, err := scopeOf(ctx)
	if err != nil {
		return none, err
	}
	a := s.attempt
	name, err := s.take(d.name)
	if err != nil {
		return none, err
	}
	r, done, err := a.recorded(name, "spawn")
	if err != nil {
		return none, err
	}
	if done {
		id, err := decode[string](string(r.Output))
		return Child[Out]{id}, err
	}
	if err := a.begin(); err != nil {
		return none, err
	}
	input, err := marshal(in, "the input of "+d.name)
	if err != nil {
		return none, err
	}
	id, err := a.record("wf_spawn", a.app.inject(ctx, d.start(options)), name, d.name, input)
	return Child[Out]{id}, err
}

// Join waits until children have ended: their outputs. The first that failed is the error.
func Join[Out any](ctx context.Context, children []Child[Out], options ...WaitOption) ([]Out, error) {
	ids := make([]string, len(children))
	for i, child := range children {
		ids[i] = child.id
	}
	list, _ := marshal(ids, "ids")
	text, err := await(ctx, "join", options, func(o waitOptions) waiting {
		return waiting{kinds: []string{"join"}, function: "wf_join", args: []any{list}, options: o.given()}
	})
	if err != nil {
		return nil, err
	}
	var entries []ended
	if err := unmarshal(text, &entries); err != nil {
		return nil, err
	}
	byID := map[string]ended{}
	for _, entry := range entries {
		byID[entry.ID] = entry
	}
	out := make([]Out, len(children))
	for i, child := range children {
		if out[i], err = outcome[Out](child.id, byID[child.id]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ended is how a workflow has ended, or how far it is.
type ended struct {
	ID, Status    string
	Output, Error json.RawMessage
}

func outcome[Out any](id string, e ended) (Out, error) {
	var none Out
	switch e.Status {
	case "completed":
		return decode[Out](string(e.Output))
	case "failed":
		return none, &WorkflowFailed{id, recorded(string(e.Error))}
	case "cancelled":
		return none, &WorkflowCancelled{id, recorded(string(e.Error))}
	default:
		return none, fmt.Errorf("the workflow %s: %w", id, ErrTimeout)
	}
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

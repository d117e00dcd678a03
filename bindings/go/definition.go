package wfext

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// definition is a workflow that the app knows.
type definition struct {
	name    string
	queue   string
	version string
	undoes  bool
	run     func(ctx context.Context, input json.RawMessage) (any, error)
}

// A Definition is a workflow: a function that survives the process. It is run again from its beginning, and what it did is read back. That of Ref is known by its name alone.
type Definition[In, Out any] struct {
	app *App
	*definition
}

// WorkflowOption is an option of Workflow and Ref.
type WorkflowOption func(*definition)

// Queue is where its workflows wait for a worker; default "default".
func Queue(name string) WorkflowOption { return func(d *definition) { d.queue = name } }

// CodeVersion is that of its code: what is started has it, and workers with the option Versions claim only those.
func CodeVersion(version string) WorkflowOption { return func(d *definition) { d.version = version } }

// Undo says that the workflow calls Compensate.
func Undo() WorkflowOption { return func(d *definition) { d.undoes = true } }

func define[In, Out any](app *App, name string, options []WorkflowOption) *Definition[In, Out] {
	if err := checkName(name); err != nil {
		panic(err)
	}
	d := &definition{name: name}
	for _, option := range options {
		option(d)
	}
	return &Definition[In, Out]{app, d}
}

// Workflow declares a workflow. It panics where the name is taken, or may not be one.
func Workflow[In, Out any](app *App, name string, fn func(ctx context.Context, in In) (Out, error), options ...WorkflowOption) *Definition[In, Out] {
	d := define[In, Out](app, name, options)
	if fn == nil {
		panic(misuse("wfext: the function of the workflow %q is nil", name))
	}
	if d.queue == "" {
		d.queue = "default"
	}
	d.run = func(ctx context.Context, input json.RawMessage) (any, error) {
		in, err := decode[In](string(input))
		if err != nil {
			return nil, &NotJSON{fmt.Sprintf("the input of %s: %v", name, err)}
		}
		return fn(ctx, in)
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if app.workflows[name] != nil {
		panic(misuse("wfext: the workflow %q is declared twice", name))
	}
	app.workflows[name] = d.definition
	return d
}

// Ref is a workflow whose code is elsewhere, by its name: to start it, and as a child.
func Ref[In, Out any](app *App, name string, options ...WorkflowOption) *Definition[In, Out] {
	return define[In, Out](app, name, options)
}

// StartOption is an option of a start.
type StartOption func(map[string]any)

// ID is the workflow's id; the same id, name and input again changes nothing.
func ID(id string) StartOption { return Option("id", id) }

// Delay starts it after so long.
func Delay(d time.Duration) StartOption { return Option("delay", d.Seconds()) }

// Priority is from -100 to 100, higher first.
func Priority(n int) StartOption { return Option("priority", n) }

// Option is any option of wf_start by its name.
func Option(name string, value any) StartOption { return func(o map[string]any) { o[name] = value } }

// start are the options of a start, with what was declared.
func (d *definition) start(options []StartOption) map[string]any {
	given := map[string]any{}
	if d.queue != "" {
		given["queue"] = d.queue
	}
	if d.version != "" {
		given["version"] = d.version
	}
	if d.undoes {
		given["cleanup"] = true
	}
	for _, option := range options {
		option(given)
	}
	return given
}

// newID is a UUID of version 7, as the engine makes them: said by the caller, so that a start may be repeated when its answer was lost.
func newID() string {
	random := make([]byte, 10)
	_, _ = rand.Read(random)
	random[0], random[2] = random[0]&0x0f|0x70, random[2]&0x3f|0x80
	all := fmt.Sprintf("%012x%x", time.Now().UnixMilli(), random)
	return strings.Join([]string{all[:8], all[8:12], all[12:16], all[16:20], all[20:]}, "-")
}

// Start starts a workflow.
func (d *Definition[In, Out]) Start(ctx context.Context, in In, options ...StartOption) (*Handle[Out], error) {
	if err := refuseInside(ctx, "Start", "StartChild starts a child"); err != nil {
		return nil, err
	}
	input, err := marshal(in, "the input of "+d.name)
	if err != nil {
		return nil, err
	}
	given, err := marshal(d.app.inject(ctx, d.start(append([]StartOption{ID(newID())}, options...))), "the options")
	if err != nil {
		return nil, err
	}
	id, err := d.app.database.text("wf_start", d.name, input, given)
	if err != nil {
		return nil, err
	}
	return d.Handle(id), nil
}

// Handle is that of a workflow that was started before.
func (d *Definition[In, Out]) Handle(id string) *Handle[Out] { return HandleOf[Out](d.app, id) }

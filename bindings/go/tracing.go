package wfext

import (
	"context"
	"errors"
)

// A Tracer makes spans: of each attempt, in the trace of who started the workflow, and of each try of a step. The package otel beside this one is that of OpenTelemetry; this one depends on none.
type Tracer interface {
	// Span begins a span, which the context has from then on. end is called once, with the error that it ends in, if any.
	Span(ctx context.Context, name string, attributes map[string]any) (_ context.Context, end func(error))
	// Inject gives the headers of a workflow that is started in this context; Extract takes them in its attempts, perhaps days later and in another process.
	Inject(ctx context.Context) map[string]string
	Extract(ctx context.Context, headers map[string]string) context.Context
}

// Traced gives the app a Tracer.
func Traced(t Tracer) AppOption { return func(a *App) { a.tracer = t } }

// inject puts the context of who starts into the headers; those that are given come first.
func (app *App) inject(ctx context.Context, options map[string]any) map[string]any {
	if app.tracer == nil {
		return options
	}
	headers := map[string]any{}
	for key, value := range app.tracer.Inject(ctx) {
		headers[key] = value
	}
	if given, ok := options["headers"].(map[string]any); ok {
		for key, value := range given {
			headers[key] = value
		}
	} else if options["headers"] != nil {
		return options // of a type of the caller's own
	}
	if len(headers) > 0 {
		options["headers"] = headers
	}
	return options
}

// span is that of the attempt.
func (a *attempt) span(ctx context.Context) (context.Context, func(error)) {
	if a.app.tracer == nil {
		return ctx, func(error) {}
	}
	headers := map[string]string{}
	for key, value := range Headers(ctx) {
		if text, ok := value.(string); ok {
			headers[key] = text
		}
	}
	return a.app.tracer.Span(a.app.tracer.Extract(ctx, headers), "workflow "+a.claim.Name, a.attributes())
}

func (a *attempt) attributes() map[string]any {
	return map[string]any{"wfext.workflow.id": a.claim.ID, "wfext.workflow.name": a.claim.Name, "wfext.attempt": a.claim.Attempt}
}

// stepSpan is that of one try of a step.
func (a *attempt) stepSpan(ctx context.Context, step, kind string) (context.Context, func(error)) {
	if a.app.tracer == nil {
		return ctx, func(error) {}
	}
	attributes := a.attributes()
	attributes["wfext.step"], attributes["wfext.step.kind"] = step, kind
	return a.app.tracer.Span(ctx, kind+" "+step, attributes)
}

// ownError is one that the code has come to: a suspension and a loss are none.
func ownError(err error) error {
	if errors.Is(err, ErrSuspended) || errors.Is(err, ErrNotOurs) || errors.Is(err, errReadBack) || errors.Is(err, errClosing) || errors.Is(err, errEngineFailed) {
		return nil
	}
	return err
}

package otel

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/wfext/wfext/bindings/go"
)

type none struct{}

// An attempt belongs to who started the workflow, steps to their attempt, children to theirs.
func TestSpans(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	app, err := wfext.Open(filepath.Join(t.TempDir(), "test.db"), wfext.Traced(Tracer()))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	child := wfext.Workflow(app, "child", func(ctx context.Context, _ none) (none, error) {
		return wfext.Transaction(ctx, "rows", func(*wfext.Tx) (none, error) { return none{}, nil })
	})
	w := wfext.Workflow(app, "w", func(ctx context.Context, _ none) (string, error) {
		_, err := wfext.Step(ctx, "good", func(ctx context.Context) (none, error) {
			_, span := otel.Tracer("code").Start(ctx, "inside")
			span.End()
			return none{}, nil
		})
		if err != nil {
			return "", err
		}
		_, _ = wfext.Step(ctx, "bad", func(context.Context) (none, error) { return none{}, errors.New("no") })
		_, err = wfext.Call(ctx, child, none{})
		return wfext.Headers(ctx)["mine"].(string), err
	})
	worker, err := app.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	ctx, request := otel.Tracer("code").Start(context.Background(), "request")
	h, err := w.Start(ctx, none{}, wfext.Option("headers", map[string]any{"mine": "too"}))
	request.End()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := h.Result(ctx); err != nil || out != "too" {
		t.Fatal(out, err)
	}
	worker.Stop()
	names, seen := map[string]string{}, []string{}
	for _, span := range spans.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
		if span.SpanContext().TraceID() != request.SpanContext().TraceID() {
			t.Fatal(span.Name(), "is of another trace")
		}
	}
	for _, span := range spans.Ended() {
		line := span.Name() + " in " + names[span.Parent().SpanID().String()]
		if span.Status().Code == codes.Error {
			line += " failed"
		}
		seen = append(seen, line)
	}
	slices.Sort(seen)
	want := []string{"inside in step good", "request in ", "step bad in workflow w failed", "step good in workflow w", "transaction rows in workflow child", "workflow child in workflow w", "workflow w in request", "workflow w in request"}
	if !slices.Equal(seen, want) {
		t.Fatal(seen)
	}
}

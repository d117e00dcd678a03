// Package otel makes spans of OpenTelemetry of the attempts and steps of workflows: wfext.Open(path, wfext.Traced(otel.Tracer())). It is a module of its own, so that who does not want it does not load it.
package otel

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/wfext/wfext/bindings/go"
)

// Tracer is that of the global provider and propagator, as they are when a span begins.
func Tracer() wfext.Tracer { return tracer{} }

type tracer struct{}

func (tracer) Span(ctx context.Context, name string, attributes map[string]any) (context.Context, func(error)) {
	given := make([]attribute.KeyValue, 0, len(attributes))
	for key, value := range attributes {
		switch v := value.(type) {
		case string:
			given = append(given, attribute.String(key, v))
		case int:
			given = append(given, attribute.Int(key, v))
		default:
			given = append(given, attribute.String(key, fmt.Sprint(v)))
		}
	}
	ctx, span := otel.Tracer("wfext").Start(ctx, name, trace.WithAttributes(given...))
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func (tracer) Inject(ctx context.Context) map[string]string {
	carrier := propagation.MapCarrier{}
	if trace.SpanContextFromContext(ctx).IsValid() {
		otel.GetTextMapPropagator().Inject(ctx, carrier)
	}
	return carrier
}

func (tracer) Extract(ctx context.Context, headers map[string]string) context.Context {
	return otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(headers))
}

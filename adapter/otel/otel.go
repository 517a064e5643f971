// Package otel makes spans of OpenTelemetry of what Souk fetches: one for each call
// of GetBlock, GetBlocks and Results, below the span in the context of its caller.
//
//	x, err := souk.New(ctx, host, store, souk.WithFetchHook(otel.Hook(provider)))
//
// The provider decides what is sampled and where spans go; nothing here depends on an
// exporter.
package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/souk-p2p/souk/session"
)

// scope names the instrumentation, as OpenTelemetry wants it: the module.
const scope = "github.com/souk-p2p/souk"

// Hook returns a hook for [souk.WithFetchHook] that makes a span of each call.
// Attributes begin with "souk."; a call that failed has the status Error.
func Hook(provider trace.TracerProvider) session.Hook {
	tracer := provider.Tracer(scope)
	return func(ctx context.Context, f session.Fetch) func(session.Fetched) {
		_, span := tracer.Start(ctx, "souk."+f.Call, trace.WithSpanKind(trace.SpanKindClient))
		if span.IsRecording() {
			span.SetAttributes(asked(&f)...)
		}
		return func(r session.Fetched) { end(span, &r) }
	}
}

func asked(f *session.Fetch) []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.Int64("souk.session", int64(f.Session)), attribute.Int("souk.cids", f.CIDs)}
	if f.Namespace != "" {
		attributes = append(attributes, attribute.String("souk.namespace", f.Namespace))
	}
	if f.First.Defined() {
		attributes = append(attributes, attribute.String("souk.first_cid", f.First.String()))
	}
	return attributes
}

func end(span trace.Span, r *session.Fetched) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.Int("souk.blocks", r.Blocks), attribute.Int("souk.bytes", r.Bytes), attribute.Int("souk.local", r.Local),
		attribute.Int("souk.failed", r.Failed), attribute.Int("souk.peers", r.Peers),
		attribute.Float64("souk.first_block_ms", float64(r.FirstBlock)/float64(time.Millisecond)),
	)
	if r.Err != nil {
		span.RecordError(r.Err)
		span.SetStatus(codes.Error, r.Err.Error())
	}
}

// Package otel makes spans of OpenTelemetry of what Souk fetches: one for each call
// of GetBlock, GetBlocks and Results, below the span in the context of its caller.
//
//	x, err := souk.New(ctx, host, store, souk.WithFetchHook(otel.Hook(provider)))
//
// A span has an event for each phase that its call came to, at the time when it did:
//
//	souk.queued       it waits for the session
//	souk.taken        the session looks whether the blocks are here
//	souk.searching    the directory and connected peers are asked who has some of them
//	souk.asked        a peer was asked for a block
//	souk.first_byte   a peer begins to send the first block
//	souk.first_block  which is there, and verified
//	souk.last_block   the last one
//	souk.done         and instead souk.failed, souk.cancelled or souk.timeout
//
// The provider decides what is sampled and where spans go; nothing here depends on an
// exporter.
package otel

import (
	"context"
	"errors"
	"slices"
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
		attribute.Int("souk.candidates", r.Candidates), attribute.Int("souk.asked", r.Asked), attribute.Int("souk.duplicates", r.Duplicates),
		attribute.Float64("souk.first_block_ms", float64(r.FirstBlock)/float64(time.Millisecond)),
	)
	events(span, r)
	if r.Err != nil {
		span.RecordError(r.Err)
		span.SetStatus(codes.Error, r.Err.Error())
	}
}

// phase is an event, with what is counted of what came about in it.
type phase struct {
	at     time.Time // zero when the call did not come to it
	name   string
	counts []attribute.KeyValue
}

// events adds the phases in the order in which the call came to them: who is known
// already is asked before anybody is searched for.
func events(span trace.Span, r *session.Fetched) {
	p := &r.Phases
	all := []phase{
		{p.Began, "queued", nil},
		{p.Taken, "taken", []attribute.KeyValue{attribute.Int("souk.local", r.Local)}},
		{p.Searched, "searching", []attribute.KeyValue{attribute.Int("souk.candidates", r.Candidates)}},
		{p.Asked, "asked", []attribute.KeyValue{attribute.Int("souk.asked", r.Asked)}},
		{p.FirstByte, "first_byte", nil},
		{p.FirstBlock, "first_block", nil},
		{p.LastBlock, "last_block", []attribute.KeyValue{attribute.Int("souk.duplicates", r.Duplicates)}},
		{p.Ended, outcome(r), []attribute.KeyValue{
			attribute.Int("souk.blocks", r.Blocks), attribute.Int("souk.bytes", r.Bytes), attribute.Int("souk.failed", r.Failed),
		}},
	}
	slices.SortStableFunc(all, func(a, b phase) int { return a.at.Compare(b.at) })
	for _, e := range all {
		if !e.at.IsZero() {
			span.AddEvent("souk."+e.name, trace.WithTimestamp(e.at), trace.WithAttributes(e.counts...))
		}
	}
}

// outcome is how a call has ended.
func outcome(r *session.Fetched) string {
	switch {
	case errors.Is(r.Err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(r.Err, context.Canceled), errors.Is(r.Err, session.ErrClosed):
		return "cancelled"
	case r.Err != nil, r.Failed > 0:
		return "failed"
	}
	return "done"
}

package otel_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/otel"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func start(t *testing.T, opts ...souk.Option) (*souk.Exchange, host.Host) {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	require.NoError(t, err)
	x, err := souk.New(t.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, h.Close())
	})
	return x, h
}

// traced starts a node whose fetches are recorded, connected to one that has blocks.
func traced(t *testing.T) (x, from *souk.Exchange, source peer.ID, provider *sdktrace.TracerProvider, spans *tracetest.SpanRecorder) {
	t.Helper()
	spans = tracetest.NewSpanRecorder()
	provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	x, h := start(t, souk.WithFetchHook(otel.Hook(provider)))
	from, other := start(t)
	require.NoError(t, h.Connect(t.Context(), peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}))
	return x, from, other.ID(), provider, spans
}

func attributes(s sdktrace.ReadOnlySpan) map[string]any {
	all := make(map[string]any)
	for _, a := range s.Attributes() {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

// nth waits for a span to end, which may come after the caller's last block.
func nth(t *testing.T, spans *tracetest.SpanRecorder, n int) sdktrace.ReadOnlySpan {
	t.Helper()
	eventually.True(t, func() bool { return len(spans.Ended()) >= n })
	return spans.Ended()[n-1]
}

func TestAFetchIsASpanBelowThatOfItsCaller(t *testing.T) {
	x, from, _, provider, spans := traced(t)
	b := blocks.NewBlock([]byte("traced"))
	require.NoError(t, from.Put(t.Context(), b))
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	_, err := x.GetBlock(ctx, b.Cid())
	require.NoError(t, err)
	s := nth(t, spans, 1)
	require.Equal(t, "souk.GetBlock", s.Name())
	require.Equal(t, parent.SpanContext().SpanID(), s.Parent().SpanID())
	require.Equal(t, codes.Unset, s.Status().Code)
	says := attributes(s)
	require.Equal(t, b.Cid().String(), says["souk.first_cid"])
	require.EqualValues(t, 1, says["souk.blocks"])
	require.EqualValues(t, 6, says["souk.bytes"])
	require.EqualValues(t, 1, says["souk.peers"])
	require.Zero(t, says["souk.local"])
	require.Positive(t, says["souk.first_block_ms"])
}

func TestAFetchOfManyBlocksIsOneSpan(t *testing.T) {
	x, from, _, _, spans := traced(t)
	var cids []cid.Cid
	for i := range 10 {
		b := blocks.NewBlock([]byte{byte(i)})
		require.NoError(t, from.Put(t.Context(), b))
		cids = append(cids, b.Cid())
	}
	s := x.NewSession(t.Context(), session.WithNamespace("photos"))
	out, err := s.GetBlocks(t.Context(), cids)
	require.NoError(t, err)
	for range out { // Until all are there.
	}
	says := attributes(nth(t, spans, 1))
	require.Equal(t, "photos", says["souk.namespace"])
	require.EqualValues(t, 10, says["souk.cids"])
	require.EqualValues(t, 10, says["souk.blocks"])
}

// phases are the events of a span, in order, whose times do not go backwards.
func phases(t *testing.T, s sdktrace.ReadOnlySpan) (names []string, counts map[string]any) {
	t.Helper()
	counts = make(map[string]any)
	last := s.StartTime().Add(-time.Second) // The span begins a moment after its call.
	for _, e := range s.Events() {
		require.False(t, e.Time.Before(last), "%s", e.Name)
		last = e.Time
		names = append(names, e.Name)
		for _, a := range e.Attributes {
			counts[e.Name+" "+string(a.Key)] = a.Value.AsInterface()
		}
	}
	require.False(t, last.After(s.EndTime()))
	return names, counts
}

func TestPhasesOfAFetchAreEvents(t *testing.T) {
	x, from, _, _, spans := traced(t)
	var cids []cid.Cid
	for i := range 10 {
		b := blocks.NewBlock(make([]byte, 1000+i))
		require.NoError(t, from.Put(t.Context(), b))
		cids = append(cids, b.Cid())
	}
	local := blocks.NewBlock([]byte("here"))
	require.NoError(t, x.Put(t.Context(), local))
	out, err := x.GetBlocks(t.Context(), append(cids, local.Cid()))
	require.NoError(t, err)
	for range out { // Until all are there.
	}
	names, counts := phases(t, nth(t, spans, 1))
	require.Equal(t, []string{
		"souk.queued", "souk.taken", "souk.searching", "souk.asked", "souk.first_byte", "souk.first_block", "souk.last_block", "souk.done",
	}, names)
	require.EqualValues(t, 1, counts["souk.taken souk.local"])
	require.EqualValues(t, 1, counts["souk.asked souk.asked"])
	require.EqualValues(t, 0, counts["souk.last_block souk.duplicates"])
	require.EqualValues(t, 11, counts["souk.done souk.blocks"])
	require.EqualValues(t, 10*1000+45+4, counts["souk.done souk.bytes"])

	_, err = x.GetBlock(t.Context(), local.Cid())
	require.NoError(t, err)
	names, _ = phases(t, nth(t, spans, 2))
	require.Equal(t, []string{"souk.queued", "souk.taken", "souk.done"}, names, "it is here")
}

func TestHowAFetchEndedIsItsLastEvent(t *testing.T) {
	x, _, source, _, spans := traced(t)
	missing := blocks.NewBlock([]byte("nowhere")).Cid()
	named := func() *session.Session {
		return x.NewSession(t.Context(), session.WithPeers(source), session.WithWaiting())
	}
	ctx, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	_, err := named().GetBlock(ctx, missing)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, end = context.WithCancel(t.Context())
	out, err := named().GetBlocks(ctx, []cid.Cid{missing})
	require.NoError(t, err)
	end()
	for range out { // It is closed.
	}
	nth(t, spans, 2)
	_, err = x.NewSession(t.Context(), session.WithPeers(source)).GetBlock(t.Context(), missing)
	require.Error(t, err)

	for n, want := range []string{"souk.timeout", "souk.cancelled", "souk.failed"} {
		names, counts := phases(t, without(nth(t, spans, n+1), "exception"))
		require.Equal(t, want, names[len(names)-1])
		if n != 1 { // Which may be cancelled before anybody was asked.
			require.EqualValues(t, 1, counts["souk.asked souk.asked"], want)
			require.Contains(t, names, "souk.asked")
		}
		require.NotContains(t, names, "souk.first_byte")
	}
	require.EqualValues(t, 1, attributes(nth(t, spans, 3))["souk.candidates"], "the one that is named")
}

// some is a span without some of its events.
type some struct {
	sdktrace.ReadOnlySpan
	name string
}

func without(s sdktrace.ReadOnlySpan, name string) sdktrace.ReadOnlySpan { return some{s, name} }

func (s some) Events() []sdktrace.Event {
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Events()), func(e sdktrace.Event) bool { return e.Name == s.name })
}

func TestAFetchThatFailsIsASpanWithTheError(t *testing.T) {
	x, _, source, _, spans := traced(t)
	missing := blocks.NewBlock([]byte("nowhere")).Cid()
	_, err := x.NewSession(t.Context(), session.WithPeers(source)).GetBlock(t.Context(), missing)
	require.Error(t, err)
	s := nth(t, spans, 1)
	require.Equal(t, codes.Error, s.Status().Code)
	require.Equal(t, err.Error(), s.Status().Description)
	require.EqualValues(t, 1, attributes(s)["souk.failed"])

	gone := errors.New("the caller is gone")
	ctx, end := context.WithCancelCause(t.Context())
	out, err := x.GetBlocks(ctx, []cid.Cid{missing})
	require.NoError(t, err)
	end(gone)
	for range out { // It is closed.
	}
	require.Equal(t, gone.Error(), nth(t, spans, 2).Status().Description)
}

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQuerySeesWhatWasRecordedBefore(t *testing.T) {
	l := New(Config{})
	engine, router := l.Port("engine"), l.Port("blockrouter")
	l.Start()
	defer stop(t, l)
	for i := range uint64(500) {
		engine.Record(sent("a", 2))
		router.Record(received("a", 1), received("b", 1))
		r, ok := l.Receipt(t.Context(), "a")
		require.True(t, ok)
		require.Equal(t, 2*(i+1), r.BytesSent)
		require.Equal(t, i+1, r.BytesReceived)
	}
	all := l.Receipts(t.Context())
	require.Len(t, all, 2)
	require.Equal(t, peer.ID("a"), all[0].Peer)
	_, ok := l.Receipt(t.Context(), "nobody")
	require.False(t, ok)
}

// A producer is not held up by a ledger that does not read, and what waits is
// one tally per peer.
func TestRecordNeverBlocksAndMerges(t *testing.T) {
	l := New(Config{})
	port := l.Port("engine")
	for i := range 10_000 {
		port.Record(sent(peer.ID(fmt.Sprint(i%7)), 1), fault("bad", message.FaultCID))
	}
	waiting := <-port.slot.C()
	require.Len(t, waiting, 8)
	port.slot.Publish(waiting, merge)

	l.Start()
	defer stop(t, l)
	total := uint64(0)
	for _, r := range l.Receipts(t.Context()) {
		total += r.BlocksSent
	}
	require.EqualValues(t, 10_000, total)
	bad, _ := l.Receipt(t.Context(), "bad")
	require.EqualValues(t, 10_000, bad.Faults[message.FaultCID.String()])
}

func TestFaultsOfReadersAreCounted(t *testing.T) {
	l := New(Config{})
	l.Start()
	defer stop(t, l)
	l.Fault(t.Context(), "a", message.FaultProtobuf, 3)
	l.Fault(t.Context(), "a", message.FaultProtobuf, 0)
	l.Fault(t.Context(), "a", 0, 5)
	r, ok := l.Receipt(t.Context(), "a")
	require.True(t, ok)
	require.Equal(t, map[string]uint64{message.FaultProtobuf.String(): 3}, r.Faults)
}

func TestReaderOfAFullInboxWaitsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		for range inboxDepth {
			l.Fault(t.Context(), "a", message.FaultCID, 1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		l.Fault(ctx, "a", message.FaultCID, 1)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, inboxDepth, l.Depth())
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestScoresFollowWithinATenthOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		port := l.Port("wantmanager")
		l.Start()
		defer stop(t, l)
		require.Equal(t, Unknown, l.Scores().Of("a"))

		port.Record(received("a", 1), Delta{Peer: "a", Rate: 1 << 20})
		synctest.Wait()
		fast := l.Scores()
		require.Greater(t, fast.Of("a"), Unknown, "the first change is told at once")

		port.Record(fault("a", message.FaultInvalid))
		time.Sleep(RefreshEvery - 1)
		synctest.Wait()
		require.Same(t, fast, l.Scores(), "the next not before its time")
		time.Sleep(1)
		synctest.Wait()
		slow := l.Scores()
		require.Less(t, slow.Of("a"), fast.Of("a"))

		time.Sleep(time.Hour)
		synctest.Wait()
		require.Greater(t, l.Scores().Of("a"), slow.Of("a"), "forgiven, with nothing but time passing")
	})
}

func TestStoppedLedgerAnswersAtOnce(t *testing.T) {
	l := New(Config{})
	port := l.Port("engine")
	l.Start()
	port.Record(received("a", 1), Delta{Peer: "a", Rate: 1 << 20})
	l.Receipts(t.Context())
	stop(t, l)
	stop(t, l)

	port.Record(sent("a", 1))
	require.Empty(t, port.slot.C(), "dropped")
	l.Fault(t.Context(), "a", message.FaultCID, 1)
	_, ok := l.Receipt(t.Context(), "a")
	require.False(t, ok)
	require.Nil(t, l.Receipts(t.Context()))
	require.Greater(t, l.Scores().Of("a"), Unknown, "still readable")
}

func TestStopBeforeStart(t *testing.T) {
	l := New(Config{})
	stop(t, l)
	l.Start()
	require.Nil(t, l.Receipts(t.Context()))
}

func TestPortsAreGivenOutOnceAndBeforeStart(t *testing.T) {
	l := New(Config{})
	l.Port("engine")
	require.Panics(t, func() { l.Port("engine") })
	l.Start()
	defer stop(t, l)
	require.Panics(t, func() { l.Port("late") })
}

func TestPortsComeAndGoWhileTheLedgerRuns(t *testing.T) {
	l := New(Config{})
	l.Port("engine")
	l.Start()
	for n := range uint64(100) {
		p, err := l.OpenPort(t.Context(), "service")
		require.NoError(t, err)
		_, err = l.OpenPort(t.Context(), "service")
		require.ErrorContains(t, err, `port "service" is in use`)
		_, err = l.OpenPort(t.Context(), "engine")
		require.Error(t, err)
		p.Record(sent("a", 1))
		require.NoError(t, p.Close(t.Context()))
		r, _ := l.Receipt(t.Context(), "a")
		require.Equal(t, n+1, r.BytesSent, "what was recorded before the end counts")
		p.Record(sent("a", 1))
		require.NoError(t, p.Close(t.Context()), "again")
	}
	p, err := l.OpenPort(t.Context(), "service")
	require.NoError(t, err)
	stop(t, l)
	require.NoError(t, p.Close(t.Context()))
	_, err = l.OpenPort(t.Context(), "late")
	require.ErrorIs(t, err, actor.ErrClosed)
}

func TestConfigNamesTheFieldThatIsWrong(t *testing.T) {
	require.PanicsWithError(t, "ledger: Config.Peers is negative", func() { New(Config{Peers: -1}) })
	require.PanicsWithError(t, "ledger: Config.Strangers is negative", func() { New(Config{Strangers: -1}) })
}

func TestPanicIsReported(t *testing.T) {
	failed := make(chan error, 1)
	l := New(Config{Fail: func(err error) { failed <- err }})
	l.state.accounts["a"] = nil // An account that is there and is not.
	l.Start()
	require.Nil(t, l.Receipts(t.Context()))
	require.ErrorContains(t, <-failed, "ledger panicked")
}

func TestReceiptAsJSON(t *testing.T) {
	id, err := peer.Decode("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
	require.NoError(t, err)
	r := Receipt{
		Peer: id, Counters: Counters{BytesSent: 10, BlocksSent: 1}, Exchanged: 1, Value: 10,
		Faults: map[string]uint64{"cid": 1}, Latency: time.Millisecond, Resolver: time.Second, Score: 0.5,
		LastExchange: epoch.UTC(), Connected: true,
		FirstSeen: epoch.UTC(), LastSeen: epoch.UTC(), Since: epoch.UTC(), Rates: Rates{Sent10s: 2, Sent1m: 1},
		Agent: "kubo", Addresses: []string{"/ip4/192.0.2.1/tcp/1"},
		History: &History{Minutes: []Traffic{{From: epoch.UTC(), Received: 1, Sent: 2}}},
	}
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"peer": "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
		"bytes_sent": 10, "bytes_received": 0, "blocks_sent": 1, "blocks_received": 0,
		"wants_sent": 0, "wants_received": 0, "haves_sent": 0, "haves_received": 0,
		"dont_haves_sent": 0, "dont_haves_received": 0, "duplicates": 0, "duplicate_bytes": 0,
		"exchanged": 1, "value": 10, "faults": {"cid": 1},
		"latency_lowest_ns": 0, "latency_ns": 1000000, "resolver_latency_ns": 1000000000, "throughput": 0, "score": 0.5,
		"last_exchange": "2023-11-14T22:13:20Z", "connected": true,
		"first_seen": "2023-11-14T22:13:20Z", "last_seen": "2023-11-14T22:13:20Z", "since": "2023-11-14T22:13:20Z",
		"rates": {"received_10s": 0, "received_1m": 0, "sent_10s": 2, "sent_1m": 1},
		"agent": "kubo", "addresses": ["/ip4/192.0.2.1/tcp/1"],
		"history": {"minutes": [{"from": "2023-11-14T22:13:20Z", "received": 1, "sent": 2}], "half_hours": null}}`, string(text))
	var back Receipt
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, r, back)
}

func BenchmarkRecord(b *testing.B) {
	l := New(Config{})
	port := l.Port("engine")
	l.Start()
	defer func() { _ = l.Stop(context.Background()) }()
	b.ReportAllocs()
	for b.Loop() {
		port.Record(Delta{Peer: "a", Counters: Counters{BytesSent: 1024, BlocksSent: 1}})
	}
}

func BenchmarkRefreshOfAFullLedger(b *testing.B) {
	s := newState(0, 0)
	for i := range DefaultPeers {
		s.record(epoch, received(peer.ID(fmt.Sprintf("a peer of usual length %016d", i)), 1))
	}
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(RefreshEvery)
		s.changed = true
		s.refresh(now)
	}
}

func stop(t *testing.T, l *Ledger) {
	t.Helper()
	require.NoError(t, l.Stop(context.Background()))
}

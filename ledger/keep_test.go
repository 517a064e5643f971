package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/message"
)

const (
	alice = peer.ID("\x00\x01a")
	bob   = peer.ID("\x00\x01b")
)

// kept is a ledger over a store, from start to stop.
type kept struct {
	*Ledger
	port *Port
}

func keeping(t *testing.T, store datastore.Batching, change ...func(*Config)) *kept {
	t.Helper()
	cfg := Config{Keep: store}
	var err error
	cfg.Rows, cfg.Damaged, err = Load(t.Context(), store)
	require.NoError(t, err)
	for _, f := range change {
		f(&cfg)
	}
	l := New(cfg)
	k := &kept{l, l.Port("test")}
	l.Start()
	return k
}

func (k *kept) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, k.StopKeeping(t.Context()))
	require.NoError(t, k.Stop(t.Context()))
}

func (k *kept) receiptOf(t *testing.T, p peer.ID) Receipt {
	t.Helper()
	r, ok := k.Receipt(t.Context(), p)
	require.True(t, ok)
	return r
}

func memory() datastore.Batching { return dssync.MutexWrap(datastore.NewMapDatastore()) }

func TestAccountsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		l := keeping(t, store, func(c *Config) {
			c.Meet = func(peer.ID) (string, []string) { return "kubo/0.30", []string{"/ip4/192.0.2.1/tcp/4001"} }
		})
		l.port.Record(Connected(alice, true), received(alice, 1000), sent(alice, 10), Connected(bob, true))
		l.port.Record(Delta{Peer: alice, Fault: message.FaultInvalid, Times: 3}, Delta{Peer: alice, Rate: 1e6})
		time.Sleep(time.Minute)
		before, totals := l.receiptOf(t, alice), l.Totals(t.Context())
		l.stop(t)

		time.Sleep(time.Minute)
		l = keeping(t, store)
		after := l.receiptOf(t, alice)
		require.Equal(t, before.Counters, after.Counters)
		require.Equal(t, before.Faults, after.Faults)
		require.Equal(t, "kubo/0.30", after.Agent)
		require.Equal(t, []string{"/ip4/192.0.2.1/tcp/4001"}, after.Addresses)
		require.True(t, before.FirstSeen.Equal(after.FirstSeen))
		require.True(t, before.LastSeen.Equal(after.LastSeen))
		require.True(t, before.LastExchange.Equal(after.LastExchange))
		require.False(t, after.Connected)
		require.InDelta(t, before.Throughput, after.Throughput, 1)
		require.Less(t, after.Score, before.Score+0.1, "what it did wrong is not forgotten")
		require.EqualValues(t, 1000, after.History.Minutes[minutes-3].Received)
		require.Equal(t, totals.Counters, l.Totals(t.Context()).Counters)
		_, ok := l.Receipt(t.Context(), bob)
		require.False(t, ok, "nothing passed")
		l.stop(t)
	})
}

// A crash costs what passed in the last ten seconds.
func TestAccountsAreKeptWhileTheLedgerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		l := keeping(t, store)
		l.port.Record(received(alice, 1000))
		time.Sleep(keepEvery + time.Second)
		rows, damaged, err := Load(t.Context(), store)
		require.NoError(t, err)
		require.Zero(t, damaged)
		require.Len(t, rows, 2, "alice and the sum")
		l.stop(t)
	})
}

func TestDamagedRowsAreLeftOutAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		l := keeping(t, store)
		l.port.Record(received(alice, 1000), received(bob, 2000))
		l.stop(t)
		good, err := store.Get(t.Context(), rowKey(bob))
		require.NoError(t, err)
		for name, value := range map[string]string{
			"QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N": string(good), // another's
			"x": "{", "y": "", "z": strings.Repeat(" ", mostRow+1), "null": "null",
			alice.String(): strings.Replace(string(good), bob.String(), alice.String(), 1)[:100],
		} {
			require.NoError(t, store.Put(t.Context(), datastore.NewKey(name), []byte(value)))
		}
		core, logs := observer.New(zap.WarnLevel)
		l = keeping(t, store, func(c *Config) { c.Logger = zap.New(core) })
		require.EqualValues(t, 2000, l.receiptOf(t, bob).BytesReceived)
		require.Len(t, l.Receipts(t.Context()), 1)
		synctest.Wait()
		require.Len(t, logs.FilterField(zap.Int("rows", 6)).All(), 1)
		l.stop(t)
	})
}

func TestRowsThatSayWhatCannotBeAreLeftOut(t *testing.T) {
	for name, r := range map[string]Row{
		"version":    {Version: 2, Peer: alice, Counters: Counters{BytesSent: 1}},
		"penalty":    {Version: 1, Peer: alice, Counters: Counters{BytesSent: 1}, Penalty: -1},
		"much":       {Version: 1, Peer: alice, Counters: Counters{BytesSent: 1}, Penalty: 1e9},
		"throughput": {Version: 1, Peer: alice, Counters: Counters{BytesSent: 1}, Throughput: -1},
		"nothing":    {Version: 1, Peer: alice},
	} {
		s := newState(0, 0)
		require.Equal(t, 1, s.restoreAll([]Row{r}), name)
		require.Empty(t, s.accounts, name)
	}
	s := newState(0, 0)
	require.Zero(t, s.restoreAll([]Row{{
		Version: 1, Peer: alice, Counters: Counters{BytesSent: 1}, Agent: strings.Repeat("\xffx", 200),
		Addresses: make([]string, 100), Faults: map[string]uint64{"no such": 1},
		History: &cells{Minutes: [][3]float64{{-5, 1, 1}, {1e300, 1, 1}, {5, -1, 1}}},
	}}))
	a := s.accounts[alice]
	require.LessOrEqual(t, len(a.agent), mostAgent)
	require.Len(t, a.addresses, mostAddresses)
	require.Empty(t, a.faults)
}

func TestRowsOfForgottenAccountsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory()
		l := keeping(t, store, func(c *Config) { c.Peers = 4 })
		for n := range 12 {
			l.port.Record(received(peer.ID(fmt.Sprintf("\x00\x02%02d", n)), 1))
			time.Sleep(keepEvery + time.Second)
		}
		l.stop(t)
		rows, _, err := Load(t.Context(), store)
		require.NoError(t, err)
		require.Len(t, rows, 5, "four and the sum")
		l = keeping(t, store)
		_, ok := l.Receipt(t.Context(), "\x00\x0211")
		require.True(t, ok, "the last")
		l.stop(t)
	})
}

// failing is a store whose batches fail while it is told to.
type failing struct {
	datastore.Batching
	full atomic.Bool
}

func (f *failing) Batch(ctx context.Context) (datastore.Batch, error) {
	if f.full.Load() {
		return nil, errors.New("disk full")
	}
	return f.Batching.Batch(ctx)
}

func TestWhatCouldNotBeKeptIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Batching: memory()}
		store.full.Store(true)
		core, logs := observer.New(zap.WarnLevel)
		l := keeping(t, store, func(c *Config) { c.Logger = zap.New(core) })
		l.port.Record(received(alice, 1000))
		time.Sleep(5 * keepEvery)
		synctest.Wait()
		require.Equal(t, 1, logs.Len(), "told of once")
		store.full.Store(false)
		time.Sleep(keepEvery)
		synctest.Wait()
		rows, _, err := Load(t.Context(), store)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		l.stop(t)
	})
}

// hanging is a store whose batches do not return.
type hanging struct {
	datastore.Batching
	let chan struct{}
}

func (h *hanging) Batch(context.Context) (datastore.Batch, error) {
	<-h.let
	return nil, errors.New("too late")
}

func TestAStoreThatHangsKeepsNobodyFromStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{memory(), make(chan struct{})}
		l := keeping(t, store)
		l.port.Record(received(alice, 1000))
		time.Sleep(2 * keepEvery)
		require.EqualValues(t, 1000, l.receiptOf(t, alice).BytesReceived)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, l.StopKeeping(ctx), context.DeadlineExceeded)
		require.NoError(t, l.Stop(t.Context()))
		close(store.let)
	})
}

func TestARowFitsItsBound(t *testing.T) {
	s := newState(0, 0)
	now := epoch
	for range 3 * 24 * 60 {
		now = now.Add(time.Minute)
		s.record(now, Delta{Peer: alice, Counters: Counters{BytesSent: 1<<40 + 12345, BytesReceived: 1<<40 + 54321}})
	}
	for f := message.Fault(1); int(f) < message.NumFaults; f++ {
		s.fault(now, alice, f, 1<<60)
	}
	s.introduce(alice, strings.Repeat("\x01", 200), []string{strings.Repeat("\x01", 300), "", "", ""})
	text, err := json.Marshal(s.accounts[alice].row(now, alice))
	require.NoError(t, err)
	require.Less(t, len(text), mostRow)
	t.Logf("%d bytes", len(text))
}

package hostile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is where hosts are: in virtual time or on loopback.
type place interface {
	// newHost adds a host. All but the first are behind one address, unless they are
	// to be apart from it in the same network.
	newHost(t *testing.T, apart bool) host.Host
	// pace is how long the honest peer rests after each block.
	pace() time.Duration
}

// arena is our node with an honest peer: each fetches from the other.
type arena struct {
	t     *testing.T
	place place

	node    *exchanges.Souk
	self    host.Host // the node's
	honest  *exchanges.Souk
	visitor host.Host      // the honest peer's
	data    []blocks.Block // what the node has
	goods   []blocks.Block // what the honest peer has

	supplied int // of goods, round and round

	registry *prometheus.Registry
	logged   *observer.ObservedLogs
	began    time.Time
}

func newArena(t *testing.T, p place, opts ...souk.Option) *arena {
	core, logged := observer.New(zap.InfoLevel)
	a := &arena{
		t: t, place: p, data: corpus.Blocks(1, 64, 1<<10), goods: corpus.Blocks(2, 128, 1<<10),
		registry: prometheus.NewRegistry(), logged: logged, began: time.Now(),
	}
	var err error
	a.self, a.visitor = p.newHost(t, true), p.newHost(t, false)
	opts = append([]souk.Option{souk.WithRegisterer(a.registry), souk.WithLogger(zap.New(core))}, opts...)
	a.node, err = exchanges.NewSouk(a.self, opts...)
	require.NoError(t, err)
	require.NoError(t, a.node.Put(t.Context(), a.data...))
	// What it gets it does not keep, so that it can fetch the same again.
	a.honest, err = exchanges.NewSouk(a.visitor, souk.WithoutStoring())
	require.NoError(t, err)
	require.NoError(t, a.honest.Put(t.Context(), a.goods...))
	a.meet(a.visitor)
	return a
}

// meet connects a host to the node.
func (a *arena) meet(h host.Host) {
	a.t.Helper()
	require.NoError(a.t, a.connect(h))
	require.NoError(a.t, a.until(10*time.Second, func() bool {
		known, err := a.self.Peerstore().GetProtocols(h.ID())
		return err == nil && len(known) > 0
	}), "the peers identify each other")
}

func (a *arena) connect(h host.Host) error {
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
	defer cancel()
	return h.Connect(ctx, peer.AddrInfo{ID: a.self.ID(), Addrs: a.self.Addrs()})
}

// close ends the exchanges. What the node logged as an error fails the test, and
// so do more than a line a second.
func (a *arena) close() {
	a.t.Helper()
	require.NoError(a.t, a.node.Close())
	require.NoError(a.t, a.honest.Close())
	require.Empty(a.t, a.logged.FilterLevelExact(zap.ErrorLevel).All())
	require.LessOrEqual(a.t, a.logged.Len(), 1+int(time.Since(a.began)/time.Second), "log lines")
}

// until waits for a condition that nothing announces.
func (a *arena) until(limit time.Duration, met func() bool) error {
	for late := time.Now().Add(limit); !met(); time.Sleep(limit / 500) {
		if time.Now().After(late) {
			return fmt.Errorf("not within %s", limit)
		}
	}
	return nil
}

// metrics reads the registry: the value of each metric by its name and label.
func (a *arena) metrics() map[string]float64 {
	a.t.Helper()
	families, err := a.registry.Gather()
	require.NoError(a.t, err)
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func (a *arena) metric(name string) float64 {
	a.t.Helper()
	values := a.metrics()
	require.Contains(a.t, values, name)
	return values[name]
}

// pulse is the honest peer at work.
type pulse struct {
	stop  chan struct{}
	ended chan struct{}
	took  []time.Duration // of each block
	done  atomic.Int64    // how many
	err   error
}

// often is after how many blocks the honest peer becomes slower: some cases last for
// minutes.
const often = 2 * samples

// start lets the honest peer fetch from the node and the node from the honest peer,
// one block after the other, in turn.
func (a *arena) start() *pulse {
	p := &pulse{stop: make(chan struct{}), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(a.t.Context())
	out := a.honest.NewSession(ctx, session.WithPeers(a.self.ID()))
	in := a.node.NewSession(ctx, session.WithPeers(a.visitor.ID()))
	go func() {
		defer close(p.ended)
		defer cancel()
		for i := 0; p.err == nil; i++ {
			select {
			case <-p.stop:
				return
			case <-time.After(a.place.pace() * time.Duration(1+i/often)):
			}
			if i%2 == 0 {
				p.fetch(ctx, out, a.data[i/2%len(a.data)])
			} else {
				p.fetch(ctx, in, a.supply(ctx, p))
			}
		}
	}()
	return p
}

// supply returns a block that the honest peer has and the node has not. The node
// deletes each half a round after it came, when it is stored for certain.
func (a *arena) supply(ctx context.Context, p *pulse) blocks.Block {
	a.supplied++
	old := a.goods[(a.supplied+len(a.goods)/2)%len(a.goods)]
	if err := a.node.Store.Delete(ctx, old.Cid()); err != nil {
		p.err = err
	}
	return a.goods[a.supplied%len(a.goods)]
}

// honestLimit is how long either waits for one block at most.
const honestLimit = 20 * time.Second

func (p *pulse) fetch(ctx context.Context, s *session.Session, want blocks.Block) {
	ctx, cancel := context.WithTimeout(ctx, honestLimit)
	defer cancel()
	begun := time.Now()
	got, err := s.GetBlock(ctx, want.Cid())
	switch {
	case err != nil:
		p.err = err
	case !slices.Equal(got.RawData(), want.RawData()):
		p.err = errors.New("other bytes")
	}
	p.took = append(p.took, time.Since(begun))
	p.done.Add(1)
}

// fetches lets the honest peer fetch n blocks, and returns how long each took.
func (a *arena) fetches(n int) []time.Duration {
	a.t.Helper()
	return a.end(a.start(), n)
}

// end lets the honest peer fetch until it has n blocks at least, and returns how
// long each took.
func (a *arena) end(p *pulse, n int) []time.Duration {
	a.t.Helper()
	for int(p.done.Load()) < n {
		time.Sleep(a.place.pace())
		select {
		case <-p.ended:
			require.NoError(a.t, p.err, "the honest peer gets every block")
		default:
		}
	}
	close(p.stop)
	<-p.ended
	require.NoError(a.t, p.err, "the honest peer gets every block")
	return p.took
}

// p99 is what one time in a hundred is longer than.
func p99(took []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[(len(sorted)*99+99)/100-1]
}

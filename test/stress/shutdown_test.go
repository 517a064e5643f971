package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// slowRouting answers when it is told that nobody waits any more.
type slowRouting struct{}

func (slowRouting) Provide(context.Context, cid.Cid, bool) error { return nil }

func (slowRouting) FindProvidersAsync(ctx context.Context, _ cid.Cid, _ int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo)
	go func() {
		defer close(out)
		<-ctx.Done()
	}()
	return out
}

var _ routing.ContentDiscovery = slowRouting{}

// neighbours are the seeds, and the downloaders, of a node under load.
const neighbours = 3

// load is one exchange that is busy in every way: it fetches from seeds and serves
// downloaders, in calls that are drained and calls that are not, with queries and
// dials under way.
type load struct {
	*exchanges.Souk
	host    host.Host
	ctx     context.Context // of its sessions and calls
	end     context.CancelFunc
	running sync.WaitGroup
}

// begin puts a load on an exchange. Its seeds come first among the others, then
// its downloaders; nowhere is a peer that can be dialled without end.
func begin(t *testing.T, run uint64, busy *exchanges.Souk, h host.Host, others []*exchanges.Souk, nowhere peer.ID) *load {
	l := &load{Souk: busy, host: h}
	l.ctx, l.end = context.WithCancel(context.Background())
	own, theirs := corpus.Blocks(2*run, 100, 4<<10), corpus.Blocks(2*run+1, 200, 4<<10)
	require.NoError(t, l.Put(l.ctx, own...))
	for i, seed := range others[:neighbours] {
		require.NoError(t, seed.Put(l.ctx, theirs[i*50:(i+2)*50]...))
	}
	for i, downloader := range others[neighbours:] {
		l.drain(downloader.Fetcher(l.ctx, h.ID()), corpus.CIDs(own[i*20:]))
	}
	l.drain(l.NewSession(l.ctx), corpus.CIDs(theirs))
	l.drain(l.Exchange, corpus.CIDs(theirs[50:]))
	l.leave(t, l.NewSession(l.ctx), corpus.CIDs(theirs))
	l.leave(t, l.NewSession(l.ctx, session.WithNamespace("absent")), corpus.CIDs(corpus.Blocks(3, 10, 8)))
	l.leave(t, l.NewSession(l.ctx, session.WithPeers(nowhere), session.WithWaiting()), corpus.CIDs(theirs[:10]))
	l.running.Go(func() { _, _ = l.Find(l.ctx, "absent", 8) })
	l.running.Go(func() {
		for _, b := range corpus.Blocks(run, 300, 4<<10) {
			_ = l.Put(l.ctx, b) // Fails once it is closed.
		}
	})
	return l
}

// drain reads a call to its end, in the background.
func (l *load) drain(f exchanges.Fetcher, cids []cid.Cid) {
	l.running.Go(func() {
		out, err := f.GetBlocks(l.ctx, cids)
		if err != nil {
			return // Closed already.
		}
		for range out {
		}
	})
}

// leave begins a call whose channel nobody reads.
func (l *load) leave(t *testing.T, f exchanges.Fetcher, cids []cid.Cid) {
	_, err := f.GetBlocks(l.ctx, cids)
	require.NoError(t, err)
}

// endings are the ways in which a node may come to its end. Each returns the
// errors of closing the exchange.
var endings = []struct {
	name string
	end  func(l *load) []error
}{
	{"closed", func(l *load) []error { return []error{l.Exchange.Close()} }},
	{"closed three times at once", func(l *load) []error {
		errs := make([]error, 3)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = l.Exchange.Close() })
		}
		all.Wait()
		return errs
	}},
	{"its contexts first", func(l *load) []error {
		l.end()
		return []error{l.Exchange.Close()}
	}},
	{"its host first", func(l *load) []error {
		_ = l.host.Close()
		return []error{l.Exchange.Close()}
	}},
	{"beside its host", func(l *load) []error {
		var all sync.WaitGroup
		all.Go(func() { _ = l.host.Close() })
		err := l.Exchange.Close()
		all.Wait()
		return []error{err}
	}},
}

// finish ends the load in one of the ways, which takes 2 s at most.
func (l *load) finish(t *testing.T, way int) {
	t.Helper()
	ending := endings[way%len(endings)]
	began := time.Now()
	for _, err := range ending.end(l) {
		require.NoError(t, err, ending.name)
	}
	require.LessOrEqual(t, time.Since(began), 2*time.Second, ending.name)
	require.ErrorIs(t, l.Put(context.Background(), corpus.Blocks(1, 1, 8)...), souk.ErrClosed)
	l.end()
	l.running.Wait()
	requireNoLeaks(t)
}

// Nodes under load close at any moment, in virtual time; what is left running is
// found by the bubble.
func TestShutdownUnderLoad(t *testing.T) {
	const worlds, runs = 5, 10
	tally.Add(t, tally.Shutdowns, worlds*runs)
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) { closeAtAnyMoment(t, w, seed, runs) })
		})
	}
}

func closeAtAnyMoment(t *testing.T, w *sim.World, seed uint64, runs int) {
	random := rand.New(rand.NewPCG(seed, 0))
	nowhere := w.Host(link)
	w.Expect(func() bool { return nowhere.Host.Close() == nil }, "a host that closes")
	var others []*exchanges.Souk
	var nodes []*sim.Node
	for range 2 * neighbours {
		n := newNode(t, w, setup{})
		others, nodes = append(others, n.souk), append(nodes, n.Node)
	}
	for run := range runs {
		busy := newNode(t, w, setup{opts: []souk.Option{souk.WithRouting(slowRouting{})}})
		busy.Peerstore().AddAddrs(nowhere.ID(), nowhere.Addrs(), peerstore.PermanentAddrTTL)
		w.Connect(busy.Node, nodes...)
		l := begin(t, seed*100+uint64(run), busy.souk, busy.Host, others, nowhere.ID())
		w.Pass(time.Duration(random.IntN(300)) * time.Millisecond)
		l.finish(t, run+int(seed))
		busy.Node.Exchange = nil
	}
}

// The same on the wall clock, over TCP.
func TestShutdownUnderLoadOverTCP(t *testing.T) {
	const runs = 50
	tally.Add(t, tally.Shutdowns, runs)
	random := rand.New(rand.NewPCG(1, 1))
	nowhere := silentAddress(t)
	var others []*exchanges.Souk
	var hosts []host.Host
	for range 2 * neighbours {
		x, h := onLoopback(t, inMemory())
		others, hosts = append(others, x), append(hosts, h)
	}
	for run := range runs {
		busy, h := loopback(t, inMemory(), souk.WithRouting(slowRouting{}))
		h.Peerstore().AddAddrs(nowhere.ID, nowhere.Addrs, peerstore.PermanentAddrTTL)
		for _, o := range hosts {
			require.NoError(t, h.Connect(t.Context(), peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}))
		}
		l := begin(t, uint64(run), busy, h, others, nowhere.ID)
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		l.finish(t, run)
		_ = h.Close() // It may be closed already.
	}
}

// loopback returns an exchange on a host of its own, both of which the caller
// closes.
func loopback(t *testing.T, data datastore.Batching, opts ...souk.Option) (*exchanges.Souk, host.Host) {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics())
	require.NoError(t, err)
	x, err := exchanges.NewSoukOver(h, blockstore.New(data), opts...)
	require.NoError(t, err)
	return x, h
}

// onLoopback is loopback for the length of the test. That it ends in time is judged where
// its end is what a test is about: on a machine that gives it no processor it may not.
func onLoopback(t *testing.T, data datastore.Batching, opts ...souk.Option) (*exchanges.Souk, host.Host) {
	t.Helper()
	x, h := loopback(t, data, opts...)
	t.Cleanup(func() {
		if err := x.Close(); !errors.Is(err, context.DeadlineExceeded) {
			require.NoError(t, err)
		}
		require.NoError(t, h.Close())
	})
	return x, h
}

// silentAddress is a peer that takes connections and never says a word.
func silentAddress(t *testing.T) peer.AddrInfo {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var taken []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			taken = append(taken, conn)
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-ended
		for _, conn := range taken {
			_ = conn.Close()
		}
	})
	at := multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", listener.Addr().(*net.TCPAddr).Port))
	id, err := peer.Decode("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
	require.NoError(t, err)
	return peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{at}}
}

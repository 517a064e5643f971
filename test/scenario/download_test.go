package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	format "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// tree is blocks below a root, which comes first.
func tree(seed uint64, leaves, size int) []blocks.Block {
	root := merkledag.NodeWithData(nil)
	all := []blocks.Block{nil}
	for _, b := range corpus.Blocks(seed, leaves, size) {
		if err := root.AddRawLink("", &format.Link{Size: uint64(size), Cid: b.Cid()}); err != nil {
			panic(err) // It has no cause to be.
		}
		all = append(all, b)
	}
	all[0] = root
	return all
}

// downloads opens downloads at a node of ours, for as long as its exchange.
func downloads(t require.TestingT, n *sim.Node, l download.Limits) *download.Downloads {
	x := n.Exchange.(*exchanges.Souk)
	d, err := download.Open(context.Background(), x.Exchange, download.Config{
		Limits: l, Store: x.Store, Links: dag.Links, Leaf: dag.IsLeaf,
	})
	require.NoError(t, err)
	return d
}

// want has a node want a tree, of others by name or by group.
func want(d *download.Downloads, data []blocks.Block, r download.Request) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- d.Download(context.Background(), data[0].Cid(), r) }()
	return ended
}

func from(nodes ...*sim.Node) (r download.Request) {
	for _, n := range nodes {
		r.From = append(r.From, peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()})
	}
	return r
}

// inFlight is what may come twice when somebody is lost: what was on its way then.
const inFlight = 8 * mib

// A download comes from the nodes that are named, once however many want it, and
// what is here is asked of nobody.
func TestADownloadComesOnceFromTheNodesThatAreNamed(t *testing.T) {
	data := tree(1, 100, 64*kib)
	play(t, func(w *sim.World) {
		holder, other, client := w.Node(souk, lan), w.Node(souk, lan), w.Node(souk, lan)
		w.Put(holder, data...)
		w.Connect(client, other)
		w.Check(func(t require.TestingT) {
			d := downloads(t, client, download.Limits{})
			var all []<-chan error
			for range 10 {
				all = append(all, want(d, data, from(holder)))
			}
			for _, ended := range all {
				require.NoError(t, <-ended)
			}
			require.NoError(t, <-want(d, data, from(holder)))
			require.EqualValues(t, 2, d.Stat().Started)
		})
		w.Holds(client, data...)
		w.Traffic(client, nil, data)
		w.Unasked(other)
	})
}

// Who has it from the author serves it when the author is gone.
func TestADownloadSurvivesItsAuthor(t *testing.T) {
	data := tree(1, 50, 64*kib)
	group := []download.Group{"dataset"}
	play(t, func(w *sim.World) {
		author, replica, client := w.Node(souk, lan), w.Node(souk, lan), w.Node(souk, lan)
		w.Put(author, data...)
		w.Check(func(t require.TestingT) {
			require.NoError(t, <-want(downloads(t, replica, download.Limits{}), data, from(author)))
			require.NoError(t, author.Exchange.Close())
			w.Cut(author)
			d := downloads(t, client, download.Limits{})
			for _, n := range []*sim.Node{author, replica} {
				require.NoError(t, d.Hint(context.Background(), from(n).From[0], download.NodeHints{Groups: group}))
			}
			require.NoError(t, <-want(d, data, download.Request{Groups: group}))
		})
		w.Holds(client, data...)
	})
}

// What no node of a group has comes as soon as a third one joins that has it.
func TestADownloadComesFromANodeThatJoinsLater(t *testing.T) {
	data := tree(1, 20, 64*kib)
	group := []download.Group{"dataset"}
	play(t, func(w *sim.World) {
		nodes, client := w.Nodes(3, souk, lan), w.Node(souk, lan)
		w.Put(nodes[2], data...)
		w.Check(func(t require.TestingT) {
			d := downloads(t, client, download.Limits{})
			join := func(n *sim.Node) {
				require.NoError(t, d.Hint(context.Background(), from(n).From[0], download.NodeHints{Groups: group}))
			}
			join(nodes[0])
			join(nodes[1])
			ended := want(d, data, download.Request{Groups: group})
			w.Pass(3 * time.Second)
			st, err := d.Status(context.Background(), data[0].Cid())
			require.NoError(t, err)
			require.Equal(t, "paused", st[0].State)
			require.Len(t, st[0].Failed, 2)
			began := time.Now()
			join(nodes[2])
			require.NoError(t, <-ended)
			require.Less(t, time.Since(began), 2*time.Second)
		})
	})
}

// A node that is lost in the middle is replaced, and what it has sent is kept.
func TestADownloadGoesOnWithAnotherNodeWhenOneIsLost(t *testing.T) {
	data := tree(1, 160, 256*kib)
	play(t, func(w *sim.World) {
		first, second, client := w.Node(souk, lan), w.Node(souk, lan), w.Node(souk, lan)
		w.Put(first, data...)
		w.Put(second, data...)
		w.Check(func(t require.TestingT) {
			d := downloads(t, client, download.Limits{})
			ended := want(d, data, from(first))
			for client.Exchange.Counters().BlocksReceived < 40 {
				w.Pass(50 * time.Millisecond)
			}
			require.NoError(t, d.HintResource(context.Background(), data[0].Cid(), from(second)))
			w.Cut(first)
			w.Disconnect(client, first)
			require.NoError(t, <-ended)
			require.LessOrEqual(t, client.Exchange.Counters().BytesReceived, uint64(corpus.Bytes(data)+inFlight))
		})
		w.Holds(client, data...)
	})
}

// A download that ends in the middle with its node goes on when that is there again.
func TestADownloadGoesOnAfterARestart(t *testing.T) {
	data := tree(1, 160, 256*kib)
	play(t, func(w *sim.World) {
		kept := exchanges.Memory()
		holder, client := w.Node(souk, lan), w.Node(souk, lan, exchanges.WithDatastore(kept))
		w.Put(holder, data...)
		w.Check(func(t require.TestingT) {
			ended := want(downloads(t, client, download.Limits{}), data, from(holder))
			for client.Exchange.Counters().BlocksReceived < 40 {
				w.Pass(50 * time.Millisecond)
			}
			require.NoError(t, client.Exchange.Close())
			require.ErrorIs(t, <-ended, download.ErrClosed)
		})
		here := 0
		w.Check(func(t require.TestingT) {
			store := blockstore.New(kept)
			for _, b := range data {
				has, err := store.Has(context.Background(), b.Cid())
				require.NoError(t, err)
				if has {
					here++
				}
			}
			require.GreaterOrEqual(t, here, 40)
		})
		w.Open(client, souk, exchanges.WithDatastore(kept))
		w.Check(func(t require.TestingT) {
			require.NoError(t, <-want(downloads(t, client, download.Limits{}), data, from(holder)))
			require.LessOrEqual(t, client.Exchange.Counters().BlocksReceived, uint64(len(data)-here+inFlight/(256*kib)))
		})
		w.Holds(client, data...)
	})
}

// A large resource comes from all that have it, in less time than one of them takes.
func TestALargeDownloadComesFromSeveralNodes(t *testing.T) {
	data := tree(1, 320, 256*kib)
	slow := sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 50 * mbs}
	play(t, func(w *sim.World) {
		holders, client := w.Nodes(3, souk, slow), w.Node(souk, sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 400 * mbs})
		for _, n := range holders {
			w.Put(n, data...)
		}
		w.Check(func(t require.TestingT) {
			r := from(holders...)
			r.Several = true
			began := time.Now()
			require.NoError(t, <-want(downloads(t, client, download.Limits{}), data, r))
			alone := time.Duration(float64(corpus.Bytes(data)) * 8 / float64(slow.Bandwidth) * float64(time.Second))
			require.Less(t, time.Since(began), alone*6/10)
		})
		w.Holds(client, data...)
	})
}

// Nobody waits for what ends: neither callers nor the exchange.
func TestDownloadsEndWithTheirExchange(t *testing.T) {
	data := tree(1, 160, 256*kib)
	play(t, func(w *sim.World) {
		holder, client := w.Node(souk, lan), w.Node(souk, lan)
		w.Put(holder, data...)
		w.Check(func(t require.TestingT) {
			d := downloads(t, client, download.Limits{})
			var all []<-chan error
			for range 20 {
				all = append(all, want(d, data, from(holder)))
			}
			w.Pass(time.Second)
			began := time.Now()
			require.NoError(t, d.Close())
			require.Less(t, time.Since(began), 2*time.Second)
			for _, ended := range all {
				require.ErrorIs(t, <-ended, download.ErrClosed)
			}
			again := downloads(t, client, download.Limits{})
			require.NoError(t, <-want(again, data, from(holder)), "they can be opened again")
		})
	})
}

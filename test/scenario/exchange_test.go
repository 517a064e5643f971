package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// A closed exchange refuses, at once and with a reason, also in a session that
// was open.
func TestAfterCloseAFetchFails(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)[0]
	play(t, func(w *sim.World) {
		n := w.Node(souk, lan)
		w.Check(func(t require.TestingT) {
			x := n.Exchange.(*exchanges.Souk)
			open := x.NewSession(context.Background())
			require.NoError(t, x.Close())
			_, err := x.GetBlock(context.Background(), block.Cid())
			require.ErrorIs(t, err, soukx.ErrClosed)
			_, err = open.GetBlock(context.Background(), block.Cid())
			require.ErrorIs(t, err, soukx.ErrClosed)
		})
	})
}

// The undefined CID is not found, and nobody is asked for it.
func TestTheUndefinedCIDIsNotFound(t *testing.T) {
	play(t, func(w *sim.World) {
		n, other := w.Node(souk, lan), w.Node(souk, lan)
		w.Connect(n, other)
		w.Settle()
		w.Check(func(t require.TestingT) {
			_, err := n.Exchange.Fetcher(context.Background()).GetBlock(context.Background(), cid.Undef)
			var missing interface{ NotFound() bool }
			require.ErrorAs(t, err, &missing)
			require.True(t, missing.NotFound())
		})
		w.Hears(0, other)
	})
}

// A block is had within a second from a connected peer that nobody has named.
func TestConnectedHolderIsFoundSoon(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		holder, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(holder, block...)
		w.Connect(client, holder)
		w.Settle()
		w.Begin()
		w.Fetch(client, block)
		w.Within(time.Second)
		if s.Client == souk {
			w.Pass(time.Second)
			w.Holds(client, block...) // Boxo leaves that to its caller.
		}
	})
}

// A peer to which there is no connection, and which nobody has announced, is not
// found and not asked.
func TestUnannouncedHolderIsNotFound(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)[0]
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		routing := &sim.Routing{}
		holder, client := w.Node(s.Seed, lan), w.Node(s.Client, lan, exchanges.WithRouting(routing))
		w.Put(holder, block)
		w.Begin()
		err := w.Miss(client, block.Cid(), 10*time.Second)
		w.Check(func(t require.TestingT) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Contains(t, routing.Queries(), block.Cid())
		})
		w.Within(10*time.Second + time.Millisecond)
		w.Hears(0, holder)
	})
}

// A provider that is announced and is not there ends in the caller's deadline,
// which says that it could not be reached.
func TestAnnouncedProviderThatIsNotThere(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	play(t, func(w *sim.World) {
		routing := &sim.Routing{}
		nobody, client := w.Node(souk, lan), w.Node(souk, lan, exchanges.WithRouting(routing))
		routing.Announce(block, nobody)
		w.Close(nobody)
		err := w.Miss(client, block[0].Cid(), 20*time.Second)
		w.Check(func(t require.TestingT) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var failed *session.FetchError
			require.ErrorAs(t, err, &failed)
			requireAnswers(t, failed, []peer.ID{nobody.ID()}, session.Unreachable)
		})
	})
}

// A block that nobody wants is not stored, whoever sends it.
func TestUnwantedBlockIsNotStored(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)[0]
	play(t, func(w *sim.World) {
		node, stranger := w.Node(souk, lan), w.Handled(lan, sim.Deaf)
		w.Connect(stranger, node)
		w.Settle()
		w.Tell(stranger, node, blockMessage(block))
		w.Pass(time.Second)
		w.Lacks(node, block)
		w.Check(func(t require.TestingT) {
			require.EqualValues(t, 1, node.Exchange.Counters().DupBlocks)
		})
	})
}

// A wanted block is taken from whoever brings it, also from a peer that was never
// asked and before anybody was.
func TestWantedBlockFromAPeerThatWasNotAsked(t *testing.T) {
	data := corpus.Blocks(1, 5, kib)
	play(t, func(w *sim.World) {
		node, stranger := w.Node(souk, lan), w.Host(lan)
		call := w.Call(node, corpus.CIDs(data))
		w.Pass(time.Second)
		w.Connect(stranger, node)
		w.Settle()
		w.Tell(stranger, node, blockMessage(data[4]))
		call.Await(data[4])
		w.Pass(time.Second)
		w.Holds(node, data[4])
		w.Check(func(t require.TestingT) { require.Len(t, call.Got(), 1) })
		w.Put(node, data[:4]...)
		call.Await(data...)
		call.Finish()
	})
}

// What is wanted first and comes to be at a peer later is sent by that peer.
func TestBlockThatAppearsLaterIsSent(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		later, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Connect(client, later)
		w.Settle()
		call := w.Call(client, corpus.CIDs(block))
		w.Pass(5 * time.Second)
		w.Begin()
		w.Put(later, block...)
		call.Await(block...)
		w.Within(2 * lan.RoundTrip) // Boxo says HAVE first and is then asked for the block.
		w.Traffic(later, block, nil)
	})
}

// A node without a server fetches as ever, tells nobody what it has, and takes
// new blocks without complaint.
func TestServerDisabled(t *testing.T) {
	theirs, ours := corpus.Blocks(1, 1, kib), corpus.Blocks(2, 1, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		server, mute := w.Node(s.Seed, lan), w.Node(s.Client, lan, exchanges.WithServerDisabled())
		w.Put(server, theirs...)
		w.Connect(server, mute)
		w.Settle()
		w.Fetch(mute, theirs)
		w.Put(mute, ours...)
		err := w.Miss(server, ours[0].Cid(), 5*time.Second)
		w.Check(func(t require.TestingT) { require.ErrorIs(t, err, context.DeadlineExceeded) })
		w.Traffic(mute, nil, theirs)
	})
}

func blockMessage(b ...blocks.Block) message.BitSwapMessage {
	m := message.New(false)
	for _, block := range b {
		m.AddBlock(block)
	}
	return m
}

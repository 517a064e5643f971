package scenario

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	wire "github.com/ipfs/boxo/bitswap/message"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/probe"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
	"github.com/souk-p2p/souk/wantmanager"
)

// prober is a node that asks and does nothing else: the part of an exchange that a
// probe needs, without sessions and an engine.
type prober struct {
	*sim.Node
	*probe.Prober
	world  *sim.World
	store  blockstore.Blockstore
	net    *network.Network
	blocks *blockrouter.Router
	peers  *peerrouter.Router
	wants  *wantmanager.Manager
}

// probing plays a scenario with a prober, after which nothing may be left of what
// it did.
func probing(w *sim.World, scenario func(p *prober)) {
	p := &prober{Node: w.Host(lan), world: w, store: blockstore.New(exchanges.Memory())}
	w.Do(func() (err error) {
		p.net, err = network.New(network.Config{Host: p.Host})
		return err
	})
	w.Try(p.start)
	defer func() { _ = p.stop(context.Background()) }() // Also when an assertion ends the scenario.
	scenario(p)
	w.Settle()
	w.Try(p.leftNothing)
	w.Try(p.stop)
}

func (p *prober) start(context.Context) error {
	p.blocks = blockrouter.New(blockrouter.Config{Store: p.store})
	p.peers = peerrouter.New(peerrouter.Config{Peers: p.net.Watch(), Dialer: p.net})
	p.wants = wantmanager.New(wantmanager.Config{Peers: p.net.Watch(), Sender: p.net})
	p.Prober = probe.New(probe.Config{Blocks: p.blocks, Peers: p.peers, Wants: p.wants})
	p.blocks.Start()
	p.peers.Start()
	p.wants.Start()
	return p.net.Start(network.Sinks{
		Heard: p.wants.ReceiveHeard, Answers: p.blocks.ReceiveAnswers,
		Wants: func(context.Context, network.Wants) error { return nil },
		Fault: func(context.Context, peer.ID, message.Fault, int) {},
	})
}

func (p *prober) stop(ctx context.Context) error {
	return errors.Join(p.wants.Stop(ctx), p.net.Stop(ctx), p.blocks.Stop(ctx), p.peers.Stop(ctx))
}

// leftNothing fails when a block was stored.
func (p *prober) leftNothing(ctx context.Context) error {
	for _, err := range p.store.AllKeys(ctx) {
		return errors.Join(err, errors.New("a block was stored"))
	}
	return nil
}

// asks fails unless the answer comes within the time and is the one given.
func (p *prober) asks(n *sim.Node, c cid.Cid, within time.Duration, want bool) {
	p.world.Try(func(ctx context.Context) error {
		has, err := p.has(n, c, within)
		return errors.Join(err, when(has != want, "another answer was expected"))
	})
}

// fails returns the error with which a probe ends.
func (p *prober) fails(n *sim.Node, c cid.Cid, within time.Duration) (err error) {
	p.world.Do(func() error {
		_, err = p.has(n, c, within)
		return when(err == nil, "there was an answer")
	})
	return err
}

func (p *prober) has(n *sim.Node, c cid.Cid, within time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return p.Has(ctx, peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()}, c)
}

// A peer that was not connected says what it has and what not, within the round
// trips of a first contact, and keeps no want of ours. What it answers with is not
// kept, even where that is the block.
func TestAPeerSaysWhetherItHasABlock(t *testing.T) {
	small, large, absent := corpus.Blocks(1, 1, 100), corpus.Blocks(2, 1, 64*kib), corpus.Blocks(3, 2, kib)
	for _, m := range []exchanges.Make{souk, boxo} {
		t.Run(string(m), func(t *testing.T) {
			play(t, func(w *sim.World) {
				holder := w.Node(m, lan)
				w.Put(holder, small...)
				w.Put(holder, large...)
				probing(w, func(p *prober) {
					p.asks(holder, large[0].Cid(), 5*lan.RoundTrip, true)
					p.asks(holder, small[0].Cid(), 2*lan.RoundTrip, true)
					p.asks(holder, absent[0].Cid(), 2*lan.RoundTrip, false)
					p.asks(holder, large[0].Cid(), 2*lan.RoundTrip, true)
					w.Settle()
					w.Wants(holder, p.Node)
					w.Put(holder, absent...)
					w.Settle()
					p.asks(holder, absent[0].Cid(), 2*lan.RoundTrip, true)
					w.Check(func(t require.TestingT) {
						require.Less(t, holder.Exchange.Counters().BytesSent, uint64(2*kib), "the large block was not taken")
						require.Zero(t, p.blocks.Stat().DupBlksReceived, "an answer is no duplicate")
					})
				})
			})
		})
	}
}

// Bytes that do not hash to the CID are no answer.
func TestOtherBytesAreNoAnswerToAProbe(t *testing.T) {
	data := corpus.Blocks(1, 1, kib)
	play(t, func(w *sim.World) {
		liar := w.Recorder(lan, func(e wire.Entry, answer wire.BitSwapMessage) {
			answer.AddBlock(blocks.NewBlock([]byte("not " + e.Cid.String())))
		})
		probing(w, func(p *prober) {
			require.ErrorIs(t, p.fails(liar.Node, data[0].Cid(), time.Second), context.DeadlineExceeded)
		})
	})
}

// A probe of a silent peer ends with its context and is withdrawn.
func TestAProbeOfASilentPeerIsWithdrawn(t *testing.T) {
	c := corpus.Blocks(1, 1, kib)[0].Cid()
	play(t, func(w *sim.World) {
		silent := w.Recorder(lan, nil)
		probing(w, func(p *prober) {
			require.ErrorIs(t, p.fails(silent.Node, c, time.Second), context.DeadlineExceeded)
			w.Settle()
			require.Equal(t, []sim.Kind{sim.WantHave, sim.Cancel}, kinds(silent.Heard()))
		})
	})
}

func kinds(heard []sim.Element) []sim.Kind {
	list := make([]sim.Kind, len(heard))
	for i, e := range heard {
		list[i] = e.Kind
	}
	return list
}

// A probe whose peer goes, or is not there, ends without an answer as soon as that
// is known.
func TestAProbeEndsWithItsPeer(t *testing.T) {
	c := corpus.Blocks(1, 1, kib)[0].Cid()
	play(t, func(w *sim.World) {
		leaving := w.Recorder(lan, nil)
		probing(w, func(p *prober) {
			w.Connect(p.Node, leaving.Node)
			w.Settle()
			ended := make(chan error, 1)
			go func() { ended <- p.fails(leaving.Node, c, time.Minute) }()
			w.Pass(time.Second)
			leaving.Leave()
			require.ErrorIs(t, <-ended, probe.ErrLeft)
			w.Begin()
			require.ErrorIs(t, p.fails(leaving.Node, c, time.Minute), network.ErrNotConnected)
			w.Within(11 * time.Second) // The longest that a dial may take, and a little.
		})
	})
}

// However many ask at once, eight are under way, and who waits in vain for a turn
// has asked nobody.
func TestProbesAtOnceAreBounded(t *testing.T) {
	cs := corpus.CIDs(corpus.Blocks(1, 30, kib))
	play(t, func(w *sim.World) {
		silent := w.Recorder(lan, nil)
		probing(w, func(p *prober) {
			w.Connect(p.Node, silent.Node)
			w.Settle()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			var all sync.WaitGroup
			for _, c := range cs {
				all.Go(func() { _, _ = p.Has(ctx, peer.AddrInfo{ID: silent.ID()}, c) }) // In vain.
			}
			w.Pass(time.Second / 2)
			require.Len(t, silent.Heard(), 8)
			all.Wait()
			w.Settle()
			require.Len(t, silent.Heard(), 16, "each with its cancel")
		})
	})
}

// What no peer may be asked for is asked of nobody.
func TestAProbeForWhatProvesNothingIsRefused(t *testing.T) {
	play(t, func(w *sim.World) {
		holder := w.Recorder(lan, nil)
		probing(w, func(p *prober) {
			var refused *message.CIDError
			require.ErrorAs(t, p.fails(holder.Node, cid.Undef, time.Second), &refused)
			require.Empty(t, holder.Heard())
		})
	})
}

// Actors that have ended leave nobody waiting.
func TestAProbeEndsWithItsActors(t *testing.T) {
	c := corpus.Blocks(1, 1, kib)[0].Cid()
	play(t, func(w *sim.World) {
		silent := w.Recorder(lan, nil)
		probing(w, func(p *prober) {
			ended := make(chan error, 1)
			go func() { ended <- p.fails(silent.Node, c, time.Minute) }()
			w.Pass(time.Second)
			w.Try(p.stop)
			require.Error(t, <-ended)
			require.ErrorIs(t, p.fails(silent.Node, c, time.Minute), actor.ErrClosed)
		})
	})
}

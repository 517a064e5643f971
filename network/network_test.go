package network

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func pair(t testing.TB, change ...func(*Config)) (*node, *node) {
	t.Helper()
	a, b := startNode(t, newHost(t), change...), startNode(t, newHost(t), change...)
	connect(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	b.untilConnected(a.host.ID())
	return a, b
}

func TestTwoNodesExchangeMessagesInEveryVersion(t *testing.T) {
	hosts := map[string]func(testing.TB) host.Host{"tcp": newHost, "quic": newQUICHost}
	for _, v := range []message.Version{message.V120, message.V110, message.V100, message.Unversioned} {
		for transport, newHost := range hosts {
			t.Run(string(protocolIDs[v])+" "+transport, func(t *testing.T) {
				a := startNode(t, newHost(t), func(c *Config) { c.Versions = []message.Version{v} })
				b := startNode(t, newHost(t))
				connect(t, a.host, b.host)
				require.Equal(t, v, a.untilConnected(b.host.ID()).Version)
				require.Equal(t, v, b.untilConnected(a.host.ID()).Version)
				exchange(t, a, b, v)
				exchange(t, b, a, v)
			})
		}
	}
}

func exchange(t *testing.T, from, to *node, v message.Version) {
	t.Helper()
	want, block, have := wantOf(1), blockOf(2, 100_000), blockOf(3, 8).Cid()
	sent := from.send(to.host.ID(), LaneWants, want)
	require.NoError(t, sent.Err)
	require.Positive(t, sent.Bytes)
	to.until("the want arrives", func() bool { return len(to.wants) == 1 })
	wants, _, _ := to.received()
	require.Equal(t, from.host.ID(), wants[0].From)
	require.Equal(t, want.Wantlist[0].CID, wants[0].Entries[0].CID)

	require.NoError(t, from.send(to.host.ID(), LaneBlocks, &message.Message{Blocks: []blocks.Block{block}}).Err)
	to.until("the block arrives", func() bool { return len(to.answers) == 1 })
	_, heard, answers := to.received()
	require.Equal(t, block.Cid(), answers[0].Blocks[0].Cid())
	require.Equal(t, []Sized{{CID: block.Cid(), Size: 100_000}}, heard[0].Blocks)
	require.WithinDuration(t, time.Now(), to.Progress(from.host.ID()), soon)

	if v < message.V120 {
		return
	}
	m := &message.Message{Presences: []message.Presence{{CID: have, Have: true}, {CID: block.Cid()}}}
	require.NoError(t, from.send(to.host.ID(), LanePresences, m).Err)
	to.until("the presences arrive", func() bool { return len(to.answers) == 2 })
	_, heard, answers = to.received()
	require.Equal(t, []cid.Cid{have}, answers[1].Haves)
	require.Equal(t, []cid.Cid{block.Cid()}, answers[1].DontHaves)
	require.Equal(t, answers[1].Haves, heard[1].Haves)
}

func TestTheNewestCommonVersionIsUsed(t *testing.T) {
	a := startNode(t, newHost(t), func(c *Config) { c.Versions = []message.Version{message.V110, message.V100} })
	b := startNode(t, newHost(t))
	connect(t, a.host, b.host)
	require.Equal(t, message.V110, b.untilConnected(a.host.ID()).Version)
	require.Equal(t, message.V110, b.Version(a.host.ID()))
}

func TestPeersConnectedBeforeTheStartAreNoticed(t *testing.T) {
	a, b := startNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a.host, b.host)
	b.start(b.sinks())
	b.untilConnected(a.host.ID())
	a.untilConnected(b.host.ID()) // through identify push: b had no protocol when they connected
	exchange(t, b, a, message.V120)
}

func TestPeersThatDoNotSpeakBitswapAreNotTracked(t *testing.T) {
	a, stranger, b := startNode(t, newHost(t)), newHost(t), startNode(t, newHost(t))
	connect(t, a.host, stranger)
	connect(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	require.Nil(t, a.peers.find(stranger.ID()))
	require.Zero(t, a.state(stranger.ID()))
	require.ErrorIs(t, a.send(stranger.ID(), LaneWants, wantOf(1)).Err, ErrNotConnected)
	require.NoError(t, a.host.Network().ClosePeer(stranger.ID()))
	require.NoError(t, a.host.Network().ClosePeer(b.host.ID()))
	a.untilGone(b.host.ID())
	require.Zero(t, a.state(stranger.ID()))
}

func TestAPrefixMakesAnotherNetwork(t *testing.T) {
	custom := func(c *Config) { c.ProtocolPrefix = "/custom" }
	a, b, c := startNode(t, newHost(t), custom), startNode(t, newHost(t), custom), startNode(t, newHost(t))
	connect(t, a.host, c.host)
	connect(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	b.untilConnected(a.host.ID())
	require.Zero(t, a.state(c.host.ID()))
	exchange(t, a, b, message.V120)
	protocols, err := a.host.Peerstore().GetProtocols(b.host.ID())
	require.NoError(t, err)
	require.Contains(t, protocols, protocol.ID("/custom/ipfs/bitswap/1.2.0"))
	require.NotContains(t, protocols, id120)
}

func TestAPeerThatOpensAStreamIsKnownAtOnce(t *testing.T) {
	a, stranger := startNode(t, newHost(t)), newHost(t)
	connect(t, a.host, stranger)
	st := raw(t, stranger, a.host, id110)
	_, err := st.Write([]byte{0})
	require.NoError(t, err)
	require.Equal(t, message.V110, a.untilConnected(stranger.ID()).Version)
	streams := listenRaw(stranger, id110)
	require.NoError(t, a.send(stranger.ID(), LaneWants, wantOf(1)).Err)
	require.Equal(t, id110, receive(t, streams).Protocol())
}

func TestSeveralConnectionsAreOnePeer(t *testing.T) {
	a, b := pair(t)
	before := a.state(b.host.ID())
	for _, c := range b.host.Network().ConnsToPeer(a.host.ID()) {
		require.NoError(t, c.Close())
	}
	a.untilGone(b.host.ID())
	connect(t, a.host, b.host)
	after := a.untilConnected(b.host.ID())
	require.Greater(t, after.Generation, before.Generation)
	require.Greater(t, after.Epoch, before.Epoch)
	exchange(t, a, b, message.V120)
}

func TestWhoHasDisconnectedIsToldThoughItSpeaksNoBitswap(t *testing.T) {
	a, other, told := newNode(t, newHost(t)), newHost(t), make(chan peer.ID, 8)
	a.OnDisconnect(func(p peer.ID) { told <- p })
	a.start(a.sinks())
	connect(t, a.host, other)
	for range 2 {
		connect(t, a.host, other)
		require.NoError(t, other.Network().ClosePeer(a.host.ID()))
		require.Equal(t, other.ID(), receive(t, told))
	}
	require.Empty(t, told)
}

func TestChangesOfOurAddressesAreTold(t *testing.T) {
	a := newNode(t, newHost(t))
	a.start(a.sinks())
	settle := time.After(200 * time.Millisecond) // for what the host says at its start
	for settled := false; !settled; {
		select {
		case <-a.Moved():
		case <-settle:
			settled = true
		}
	}
	require.NoError(t, a.host.Network().Listen(multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")))
	receive(t, a.Moved())
}

func TestAMessageThatMeetsADeadStreamIsSentOnAFreshOne(t *testing.T) {
	a, b := pair(t)
	for i := range 20 {
		require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(i)).Err)
		b.until("the want arrives", func() bool { return len(b.wants) == i+1 })
		s := a.peers.sender(b.host.ID(), lineControl)
		s.mu.Lock()
		dead := s.out
		s.mu.Unlock()
		if dead != nil {
			require.NoError(t, dead.stream.Reset())
		}
	}
}

func TestGoroutinesFollowTheStreams(t *testing.T) {
	a, b := pair(t)
	require.Equal(t, 2, goroutines(), "one for each node")
	require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(1)).Err)
	require.NoError(t, a.send(b.host.ID(), LaneBlocks, wantOf(2)).Err)
	b.until("the wants arrive", func() bool { return len(b.wants) == 2 })
	b.until("writers end", func() bool {
		return goroutines() == 2+2+2 || b.noteLater() // a watches two streams, b reads two
	})
	require.NoError(t, a.host.Network().ClosePeer(b.host.ID()))
	a.untilGone(b.host.ID())
	b.untilGone(a.host.ID())
	b.until("nothing is left of the peers", func() bool { return goroutines() == 2 || b.noteLater() })
}

// goroutines counts those that run code of this package, and are no test's.
func goroutines() int {
	buf := make([]byte, 1<<20)
	count := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "souk/network.") && !strings.Contains(stack, "_test.go") {
			count++
		}
	}
	return count
}

func TestALaneRefusesMoreThanItHolds(t *testing.T) {
	a, _ := pair(t)
	stuck := newHost(t)
	streams := listenRaw(stuck, id120)
	connect(t, a.host, stuck)
	a.untilConnected(stuck.ID())
	big := &message.Message{Blocks: []blocks.Block{randomBlock(t, 2<<20)}}
	reports := make(chan Sent, 3)
	for range 3 {
		a.Hand(stuck.ID(), LaneBlocks, big, func(s Sent) { reports <- s })
	}
	require.ErrorIs(t, receive(t, reports).Err, ErrLaneFull)

	// The control stream does not wait for the data stream.
	require.NoError(t, a.send(stuck.ID(), LaneWants, wantOf(1)).Err)
	require.NoError(t, a.send(stuck.ID(), LanePresences, wantOf(1)).Err)
	receive(t, streams)

	a.stop()
	for range 2 {
		require.Error(t, receive(t, reports).Err)
	}
	require.ErrorIs(t, a.send(stuck.ID(), LaneWants, wantOf(1)).Err, ErrClosed)
}

func TestASlowReaderMeetsTheDeadline(t *testing.T) {
	for transport, newHost := range map[string]func(testing.TB) host.Host{"tcp": newHost, "quic": newQUICHost} {
		t.Run(transport, func(t *testing.T) {
			a := startNode(t, newHost(t), func(c *Config) { c.FrameTime, c.FrameRate = 200*time.Millisecond, 1<<30 })
			stuck := newHost(t)
			listenRaw(stuck, id120)
			connect(t, a.host, stuck)
			a.untilConnected(stuck.ID())
			sent := a.send(stuck.ID(), LaneBlocks, &message.Message{Blocks: []blocks.Block{randomBlock(t, 2<<20)}})
			require.ErrorIs(t, sent.Err, ErrSlow)
			var failed *SendError
			require.ErrorAs(t, sent.Err, &failed)
			require.Equal(t, stuck.ID(), failed.Peer)
			require.Zero(t, sent.Bytes)
			require.NoError(t, a.send(stuck.ID(), LaneWants, wantOf(1)).Err, "one failed send does not sideline a peer")
		})
	}
}

func TestStopAfterTheHostHasClosed(t *testing.T) {
	a, b := pair(t)
	require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(1)).Err)
	b.until("the want arrives", func() bool { return len(b.wants) == 1 })
	require.NoError(t, a.host.Close())
	require.NoError(t, b.host.Close())
	a.stop()
	b.stop()
	require.ErrorIs(t, a.send(b.host.ID(), LaneWants, wantOf(1)).Err, ErrClosed)
}

func TestStopIsQuickUnderLoadAndTwiceIsFine(t *testing.T) {
	a, b := pair(t)
	block := &message.Message{Blocks: []blocks.Block{randomBlock(t, 256<<10)}}
	var hand func(Sent)
	ended := make(chan error, 2)
	hand = func(s Sent) {
		if s.Err != nil {
			ended <- s.Err
			return
		}
		a.Hand(b.host.ID(), LaneBlocks, block, hand)
	}
	for range 2 {
		a.Hand(b.host.ID(), LaneBlocks, block, hand)
	}
	b.until("blocks arrive", func() bool { return len(b.answers) > 20 })
	start := time.Now()
	a.stop()
	a.stop()
	require.Less(t, time.Since(start), DefaultFrameTime/2, "it waits for no frame that is being written")
	receive(t, ended)
	receive(t, ended)
	require.Zero(t, b.Stat().Panics)
}

func TestStopEndsReadersWhoseSinkBlocks(t *testing.T) {
	a, b := newNode(t, newHost(t)), startNode(t, newHost(t))
	s := a.sinks()
	blocked := make(chan struct{}, 1)
	s.Wants = func(ctx context.Context, _ Wants) error {
		blocked <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	a.start(s)
	connect(t, a.host, b.host)
	b.untilConnected(a.host.ID())
	require.NoError(t, b.send(a.host.ID(), LaneWants, wantOf(1)).Err)
	receive(t, blocked)
	a.stop()
	require.Empty(t, a.allFaults(), "what we ended is no fault of the peer")
}

func TestConfigErrorsNameTheField(t *testing.T) {
	h := newHost(t)
	for field, cfg := range map[string]Config{
		"Host":           {},
		"ProtocolPrefix": {Host: h, ProtocolPrefix: "custom"},
		"Versions":       {Host: h, Versions: []message.Version{9}},
		"ChunkSize":      {Host: h, ChunkSize: 1 << 20},
		"ReceiveNode":    {Host: h, ReceiveNode: 1},
		"IdleStream":     {Host: h, IdleStream: -1},
	} {
		_, err := New(cfg)
		var wrong *ConfigError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, field, wrong.Field)
	}
	n, err := New(Config{Host: h})
	require.NoError(t, err)
	require.ErrorContains(t, n.Start(Sinks{}), "Wants")
	require.NoError(t, n.Stop(context.Background()))
	require.ErrorIs(t, n.Start(newNode(t, h).sinks()), ErrClosed)
}

func TestConnectMakesThePeerKnown(t *testing.T) {
	_, b := pair(t) // until identify tells of b's protocols
	a := startNode(t, newHost(t))
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	require.NoError(t, a.Connect(ctx, peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()}))
	require.Equal(t, message.V120, a.Version(b.host.ID()))
	err := a.Connect(ctx, peer.AddrInfo{ID: "nobody"})
	var failed *SendError
	require.True(t, errors.As(err, &failed))
}

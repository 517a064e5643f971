package network

import (
	"context"
	"io"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// facing starts a node that is connected to a host without this package, which
// reads what the test lets it read.
func facing(t *testing.T, newHost func(testing.TB) host.Host, change ...func(*Config)) (*node, host.Host, <-chan p2pnet.Stream) {
	a, other := startNode(t, newHost(t), change...), newHost(t)
	streams := listenRaw(other, id120)
	connect(t, a.host, other)
	a.untilConnected(other.ID())
	return a, other, streams
}

// readWants reads messages until n wants have come.
func readWants(t *testing.T, st io.Reader, n int) {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		d := message.NewDecoder(st, message.V120, message.Limits{}, nil, nil)
		for got := 0; got < n; {
			part, err := d.Next()
			if err != nil {
				read <- err
				return
			}
			got += len(part.Wantlist)
		}
		read <- nil
	}()
	require.NoError(t, receive(t, read))
}

func TestAResetGrowsTheEpochAndTheNextMessageOpensAnotherStream(t *testing.T) {
	for transport, newHost := range map[string]func(testing.TB) host.Host{"tcp": newHost, "quic": newQUICHost} {
		t.Run(transport, func(t *testing.T) {
			a, other, streams := facing(t, newHost)
			before := a.state(other.ID()).Epoch
			require.NoError(t, a.send(other.ID(), LaneWants, wantOf(1)).Err)
			first := receive(t, streams)
			readWants(t, first, 1)
			require.NoError(t, first.Reset())
			a.until("the epoch grows", func() bool { return a.states[other.ID()].Epoch > before })
			require.NoError(t, a.send(other.ID(), LaneWants, wantOf(2)).Err)
			readWants(t, receive(t, streams), 1)
			require.True(t, a.state(other.ID()).Connected)
		})
	}
}

// Whatever the peer resets, a message that was reported as sent has arrived, or
// the epoch has grown since.
func TestNoMessageIsLostUnnoticed(t *testing.T) {
	a, b := pair(t)
	epochs := make(map[cid.Cid]uint64)
	for i := range 40 {
		m, epoch := wantOf(i), a.peers.epochOf(b.host.ID())
		if a.send(b.host.ID(), LaneWants, m).Err == nil {
			epochs[m.Wantlist[0].CID] = epoch
		}
		if i%8 == 0 {
			b.until("both have a stream, or none has", func() bool {
				return bitswapStreams(a.host) == bitswapStreams(b.host) || b.noteLater()
			})
		}
		if i%8 == 2 {
			resetInbound(b.host)
		}
	}
	require.NotEmpty(t, epochs)
	a.until("what is missing is known to be", func() bool {
		wants, _, _ := b.received()
		missing := maps.Clone(epochs)
		for _, w := range wants {
			delete(missing, w.Entries[0].CID)
		}
		for _, epoch := range missing {
			if a.peers.epochOf(b.host.ID()) <= epoch {
				return a.noteLater()
			}
		}
		return true
	})
	require.True(t, a.state(b.host.ID()).Connected)
}

func (r *roster) epochOf(p peer.ID) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[p].told.Epoch
}

func resetInbound(h host.Host) {
	for _, c := range h.Network().Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == id120 && s.Stat().Direction == p2pnet.DirInbound {
				_ = s.Reset()
			}
		}
	}
}

func TestAResetOfTheDataStreamIsNoNews(t *testing.T) {
	a, other, streams := facing(t, newHost)
	require.NoError(t, a.send(other.ID(), LaneBlocks, wantOf(1)).Err)
	data := receive(t, streams)
	readWants(t, data, 1)
	require.NoError(t, a.send(other.ID(), LaneWants, wantOf(1)).Err)
	control := receive(t, streams)
	readWants(t, control, 1)
	before := a.state(other.ID())
	require.NoError(t, data.Reset())
	require.NoError(t, control.Reset())
	a.until("the epoch grows", func() bool { return a.states[other.ID()].Epoch > before.Epoch })
	require.Equal(t, before.Epoch+1, a.state(other.ID()).Epoch)
}

func TestAReaderThatHalfClosesGetsAStreamForEachMessage(t *testing.T) {
	a, other, streams := facing(t, newHost)
	before := a.state(other.ID()).Epoch
	for i := range 3 {
		require.NoError(t, a.send(other.ID(), LaneWants, wantOf(i)).Err)
		st := receive(t, streams)
		require.NoError(t, st.CloseWrite()) // as Helia does
		readWants(t, st, 1)
		_, err := st.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "the stream is not kept")
	}
	require.Equal(t, before, a.state(other.ID()).Epoch)
}

func TestAPeerThatAnswersOnOurStreamLosesIt(t *testing.T) {
	a, other, streams := facing(t, newHost)
	before := a.state(other.ID()).Epoch
	require.NoError(t, a.send(other.ID(), LaneWants, wantOf(1)).Err)
	_, err := receive(t, streams).Write([]byte{0})
	require.NoError(t, err)
	a.until("the epoch grows", func() bool { return a.states[other.ID()].Epoch > before })
}

func TestAPeerThatResetsEveryStreamDoesNotMakeUsSpin(t *testing.T) {
	s := newSender(&Network{}, &remote{}, lineControl)
	pauses := make([]time.Duration, 0, 9)
	for range 9 {
		pauses = append(pauses, s.pause(0))
	}
	require.Zero(t, pauses[0])
	require.Equal(t, 100*time.Millisecond, pauses[1])
	require.Equal(t, 200*time.Millisecond, pauses[2])
	require.Equal(t, longLived, pauses[8])
	require.Zero(t, s.pause(longLived+1), "a stream that lived starts over")
}

// simulated runs f with two hosts in virtual time, 20 ms apart.
func simulated(t *testing.T, f func(t *testing.T, a, b host.Host)) {
	synctest.Test(t, func(t *testing.T) {
		link := simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps}
		sim, meta, err := simlibp2p.SimpleLibp2pNetwork([]simlibp2p.NodeLinkSettingsAndCount{{
			LinkSettings: simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}, Count: 2,
		}}, simnet.StaticLatency(10*time.Millisecond), simlibp2p.NetworkSettings{})
		require.NoError(t, err)
		sim.Start()
		t.Cleanup(func() {
			for _, h := range meta.Nodes {
				require.NoError(t, h.Close())
			}
			sim.Close()
		})
		f(t, meta.Nodes[0], meta.Nodes[1])
	})
}

func dial(t *testing.T, from, to host.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	require.NoError(t, from.Connect(ctx, peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}))
}

func TestAnIdleStreamIsClosedAndOpenedAgain(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a, b := startNode(t, ha), startNode(t, hb)
		dial(t, ha, hb)
		a.untilConnected(hb.ID())
		for i := range 3 {
			require.NoError(t, a.send(hb.ID(), LaneWants, wantOf(i)).Err)
			b.until("the want arrives", func() bool { return len(b.wants) == i+1 })
			time.Sleep(14 * time.Second)
			require.EqualValues(t, 1, a.Stat().StreamsOpened, "14 s are not idle")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Zero(t, bitswapStreams(ha)+bitswapStreams(hb), "nothing is left of the stream")
		epoch := a.state(hb.ID()).Epoch
		require.NoError(t, a.send(hb.ID(), LaneWants, wantOf(9)).Err)
		b.until("the want arrives", func() bool { return len(b.wants) == 4 })
		require.EqualValues(t, 2, a.Stat().StreamsOpened)
		require.Equal(t, epoch, a.state(hb.ID()).Epoch, "what we closed lost nothing")
		require.Empty(t, b.allFaults())
	})
}

func bitswapStreams(h host.Host) int {
	count := 0
	for _, c := range h.Network().Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == id120 {
				count++
			}
		}
	}
	return count
}

func TestSilenceInsideAFrameEndsTheStreamAndSilenceBetweenFramesDoesNot(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a := startNode(t, ha)
		dial(t, ha, hb)
		patient, slow := raw(t, hb, ha, id120), raw(t, hb, ha, id120)
		writeAll(t, patient, []byte{0})
		writeAll(t, slow, []byte{100, 0x0a}) // a hundred bytes are announced
		time.Sleep(29 * time.Second)
		synctest.Wait()
		require.Empty(t, a.allFaults())
		time.Sleep(2 * time.Second)
		a.until("the slow frame is a fault", func() bool { return a.faults[message.FaultFrameSlow] == 1 })
		_, err := slow.Read(make([]byte, 1))
		require.Error(t, err)
		time.Sleep(time.Hour)
		writeMessage(t, patient, wantOf(1))
		a.until("the want arrives", func() bool { return len(a.wants) == 1 })
	})
}

func TestAFrameThatDripsEndsTheStream(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a := startNode(t, ha)
		dial(t, ha, hb)
		st := raw(t, hb, ha, id120)
		writeAll(t, st, []byte{100})
		for range 4 {
			_, err := st.Write([]byte{0x0a, 0x00})
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
		}
		a.until("the slow frame is a fault", func() bool { return a.faults[message.FaultFrameSlow] == 1 })
	})
}

func TestAnAnswerNeedsNoIdentify(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		b := newNode(t, hb)
		s := b.sinks()
		s.Wants = func(_ context.Context, w Wants) error {
			b.Hand(w.From, LanePresences, &message.Message{Presences: []message.Presence{{CID: w.Entries[0].CID}}}, func(Sent) {})
			return nil
		}
		b.start(s)
		streams := listenRaw(ha, id120)
		ctx := context.Background()
		ha.Peerstore().AddAddrs(hb.ID(), hb.Addrs(), time.Hour)
		_, err := ha.Network().DialPeer(ctx, hb.ID())
		require.NoError(t, err)
		start := time.Now()
		st := raw(t, ha, hb, id120)
		writeMessage(t, st, wantOf(1))
		answer := receive(t, streams)
		_, err = answer.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Less(t, time.Since(start), 45*time.Millisecond, "one round trip of 40 ms and the bytes")
	})
}

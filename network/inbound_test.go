package network

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	msmux "github.com/multiformats/go-multistream"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func writeAll(t *testing.T, st io.Writer, b []byte) {
	t.Helper()
	_, err := st.Write(b)
	require.NoError(t, err)
}

// visited starts a node to which a host without this package is connected.
func visited(t *testing.T, change ...func(*Config)) (*node, host.Host) {
	a, visitor := startNode(t, newHost(t), change...), newHost(t)
	connect(t, visitor, a.host)
	return a, visitor
}

func TestBrokenFramesEndTheStreamAndAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		fault message.Fault
	}{
		"length over the limit":   {[]byte{0x81, 0x80, 0x80, 0x02}, message.FaultFrameLength},
		"length of 2^63-1":        {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, message.FaultFrameLength},
		"length is not minimal":   {[]byte{0x81, 0x00}, message.FaultFrameLength},
		"wrong wire type":         {[]byte{2, 0x08, 0x01}, message.FaultProtobuf},
		"cut short by the sender": {[]byte{100, 0x0a}, message.FaultFrameCut},
	} {
		t.Run(name, func(t *testing.T) {
			a, visitor := visited(t)
			st := raw(t, visitor, a.host, id120)
			writeAll(t, st, c.bytes)
			_ = st.CloseWrite() // It may be reset by now.
			a.until("the fault is counted", func() bool { return a.faults[c.fault] == 1 })
			require.Len(t, a.allFaults(), 1)
			writeMessage(t, raw(t, visitor, a.host, id120), wantOf(1))
			a.until("the next stream is read", func() bool { return len(a.wants) == 1 })
		})
	}
}

func TestOneStreamTooManyResetsTheIdlest(t *testing.T) {
	simulated(t, func(t *testing.T, ha, visitor host.Host) {
		a := startNode(t, ha, func(c *Config) { c.InboundStreams = 4 })
		dial(t, visitor, ha)
		streams := make([]*rawStream, 5)
		for i := range streams {
			streams[i] = raw(t, visitor, ha, id120)
			writeMessage(t, streams[i], wantOf(i))
			a.until("the want arrives", func() bool { return len(a.wants) == i+1 })
			time.Sleep(time.Second)
		}
		_, err := streams[0].Read(make([]byte, 1))
		require.Error(t, err)
		for i, st := range streams[1:] {
			writeMessage(t, st, wantOf(i))
			a.until("the want arrives", func() bool { return len(a.wants) == 6+i })
		}
		require.Equal(t, 1, a.allFaults()[message.FaultFlood])
		require.EqualValues(t, 1, a.Stat().StreamsRefused)
	})
}

func TestTooManyStreamsAtOnceAreRefusedAndThenThePeerIs(t *testing.T) {
	a, visitor := visited(t, func(c *Config) { c.InboundStreams, c.Strikes = 2, 1 })
	for range overbooking*2 + gravePoints {
		st, err := visitor.Network().NewStream(context.Background(), a.host.ID())
		if err == nil {
			_, err = (&rawStream{Stream: st, conn: msmux.NewMSSelect(st, id120)}).Write([]byte{0})
		}
		if err != nil {
			break // It is refused already.
		}
	}
	a.until("the peer is refused", func() bool { return a.Stat().Refusals == 1 || a.noteLater() })
	a.untilGone(visitor.ID())
}

func TestBusyStreamsAreNotReset(t *testing.T) {
	a, visitor := newNode(t, newHost(t), func(c *Config) { c.InboundStreams = 2 }), newHost(t)
	s := a.sinks()
	proceed := make(chan struct{})
	s.Wants = func(_ context.Context, w Wants) error {
		<-proceed
		a.note(func() { a.wants = append(a.wants, w) })
		return nil
	}
	a.start(s)
	connect(t, visitor, a.host)
	for i := range 8 {
		st := raw(t, visitor, a.host, id120)
		writeMessage(t, st, wantOf(i))
		require.NoError(t, st.CloseWrite())
	}
	a.until("all streams are read", func() bool { return a.Stat().StreamsAccepted == 8 || a.noteLater() })
	close(proceed)
	a.until("all wants arrive", func() bool { return len(a.wants) == 8 })
	require.Empty(t, a.allFaults())
}

func TestEmptyFramesAreRateLimitedAndThenThePeerIsRefused(t *testing.T) {
	a, visitor := visited(t, func(c *Config) { c.EmptyFrames, c.Strikes, c.CoolDown = 20, 2, 300*time.Millisecond })
	for range 2 {
		st := raw(t, visitor, a.host, id120)
		writeAll(t, st, make([]byte, 1000))
		_, err := st.Read(make([]byte, 1))
		require.Error(t, err)
	}
	a.untilGone(visitor.ID())
	require.EqualValues(t, 1, a.Stat().Refusals)
	require.Positive(t, a.allFaults()[message.FaultFlood])
	err := a.Connect(context.Background(), peer.AddrInfo{ID: visitor.ID()})
	require.ErrorIs(t, err, ErrRefused)

	a.until("the connection is closed", func() bool {
		return len(visitor.Network().ConnsToPeer(a.host.ID())) == 0 || a.noteLater()
	})
	connect(t, visitor, a.host)
	st := raw(t, visitor, a.host, id120)
	writeAll(t, st, []byte{0})
	_, err = st.Read(make([]byte, 1))
	require.Error(t, err, "streams are refused during the cool-down")

	a.until("the cool-down ends", func() bool {
		return !a.strikes.refused(visitor.ID(), time.Now()) || a.noteLater()
	})
	writeMessage(t, raw(t, visitor, a.host, id120), wantOf(1))
	a.until("the want arrives", func() bool { return len(a.wants) == 1 })
}

// noteLater makes a condition be looked at again that nothing announces. It
// returns false.
func (n *node) noteLater() bool {
	time.AfterFunc(time.Millisecond, func() { n.note(func() {}) })
	return false
}

func TestAnErrorOfASinkIsNoFaultOfThePeer(t *testing.T) {
	a, b := newNode(t, newHost(t)), startNode(t, newHost(t))
	s := a.sinks()
	answers := s.Answers
	failed := false
	s.Answers = func(ctx context.Context, answer Answers) error {
		if failed {
			return answers(ctx, answer)
		}
		failed = true
		return io.ErrClosedPipe
	}
	a.start(s)
	connect(t, a.host, b.host)
	b.untilConnected(a.host.ID())
	m := &message.Message{Presences: []message.Presence{{CID: blockOf(1, 8).Cid()}}}
	before := b.state(a.host.ID()).Epoch
	require.NoError(t, b.send(a.host.ID(), LanePresences, m).Err)
	b.until("the stream is lost", func() bool { return b.states[a.host.ID()].Epoch > before })
	require.NoError(t, b.send(a.host.ID(), LanePresences, m).Err)
	a.until("the presence arrives", func() bool { return len(a.answers) == 1 })
	require.Empty(t, a.allFaults())
}

func TestAPanicOfASinkEndsTheStreamAndNothingElse(t *testing.T) {
	a, b := newNode(t, newHost(t)), startNode(t, newHost(t))
	s := a.sinks()
	wants := s.Wants
	s.Wants = func(ctx context.Context, w Wants) error {
		if w.Full {
			panic("bug")
		}
		return wants(ctx, w)
	}
	a.start(s)
	connect(t, a.host, b.host)
	before := b.untilConnected(a.host.ID())
	full := wantOf(1)
	full.Full = true
	require.NoError(t, b.send(a.host.ID(), LaneWants, full).Err)
	b.until("the stream is lost", func() bool { return b.states[a.host.ID()].Epoch > before.Epoch })
	require.NoError(t, b.send(a.host.ID(), LaneWants, wantOf(2)).Err)
	a.until("the want arrives", func() bool { return len(a.wants) == 1 })
	require.EqualValues(t, 1, a.Stat().Panics)
	require.Empty(t, a.allFaults())
}

func TestGoneComesAfterTheLastReaderHasEnded(t *testing.T) {
	a, b := newNode(t, newHost(t)), startNode(t, newHost(t))
	s := a.sinks()
	reading, proceed := make(chan struct{}), make(chan struct{})
	s.Wants = func(_ context.Context, w Wants) error {
		close(reading)
		<-proceed
		a.note(func() {
			require.True(t, a.states[w.From].Connected)
			a.wants = append(a.wants, w)
		})
		return nil
	}
	a.start(s)
	connect(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	b.untilConnected(a.host.ID())
	require.NoError(t, b.send(a.host.ID(), LaneWants, wantOf(1)).Err)
	receive(t, reading)
	require.NoError(t, b.host.Network().ClosePeer(a.host.ID()))
	a.until("the connection is closed here too", func() bool {
		return a.peers.sender(b.host.ID(), lineControl) == nil || a.noteLater()
	})
	close(proceed)
	a.untilGone(b.host.ID())
	wants, _, _ := a.received()
	require.Len(t, wants, 1)
	require.Nil(t, a.peers.find(b.host.ID()))
}

func TestAReaderThatHangsDelaysGoneForALimitedTime(t *testing.T) {
	a, b := newNode(t, newHost(t), func(c *Config) { c.GoneAfter = 100 * time.Millisecond }), startNode(t, newHost(t))
	s := a.sinks()
	reading, ended := make(chan struct{}), make(chan struct{})
	s.Wants = func(ctx context.Context, _ Wants) error {
		close(reading)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}
	a.start(s)
	connect(t, a.host, b.host)
	b.untilConnected(a.host.ID())
	require.NoError(t, b.send(a.host.ID(), LaneWants, wantOf(1)).Err)
	receive(t, reading)
	require.NoError(t, b.host.Network().ClosePeer(a.host.ID()))
	a.untilGone(b.host.ID())
	receive(t, ended)
}

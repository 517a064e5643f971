package souk_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

const echoes = protocol.ID("/echo")

func (n *node) service(t testing.TB, name string) *souk.Service {
	t.Helper()
	s, err := n.Service(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// echo answers what comes with the same.
func echo(_ context.Context, d *network.Duplex) error {
	_, err := io.Copy(d, d)
	return err
}

// says opens a stream to a node and has it echo a word.
func says(t testing.TB, s *souk.Service, to *node) *souk.Stream {
	t.Helper()
	st, err := s.Open(soon(t), to.info(), echoes)
	require.NoError(t, err)
	word := frames.Append(nil, []byte("hello"))
	_, err = st.Write(word)
	require.NoError(t, err)
	got := make([]byte, len(word))
	_, err = io.ReadFull(st, got)
	require.NoError(t, err)
	require.Equal(t, word, got)
	return st
}

func TestAServiceServesAndAsksUntilItEnds(t *testing.T) {
	a, b := start(t), start(t)
	ours, theirs := a.service(t, "echo"), b.service(t, "echo")
	require.NoError(t, theirs.Handle(echoes, echo))
	require.ErrorIs(t, theirs.Handle(echoes, echo), network.ErrHandled)
	require.ErrorIs(t, b.service(t, "other").Handle(echoes, echo), network.ErrHandled)
	require.ErrorIs(t, theirs.Handle("/ipfs/bitswap/1.2.0", echo), network.ErrHandled)
	require.NoError(t, says(t, ours, b).Close())

	left := says(t, ours, b)
	require.NoError(t, theirs.Close())
	require.ErrorIs(t, theirs.Handle(echoes, echo), souk.ErrClosed)
	_, err := left.Read(make([]byte, 1))
	require.ErrorIs(t, err, network.ErrReset, "streams of peers end with it")
	again := b.service(t, "echo")
	require.NoError(t, again.Handle(echoes, echo), "it has left nothing")
	require.NoError(t, again.Unhandle(soon(t), echoes))
	require.NoError(t, again.Handle(echoes, echo))

	left = says(t, ours, b)
	require.NoError(t, ours.Close())
	_, err = left.Read(make([]byte, 1))
	require.ErrorIs(t, err, network.ErrReset, "and those that it has opened")
	_, err = ours.Open(soon(t), b.info(), echoes)
	require.ErrorIs(t, err, souk.ErrClosed)
}

func TestAServiceRecordsUnderANameOfItsOwn(t *testing.T) {
	a, b := start(t), start(t)
	a.connect(t, b)
	for _, name := range []string{"", "Echo", "echo service", "engine", strings.Repeat("x", 129)} {
		_, err := a.Service(t.Context(), name)
		require.Error(t, err, name)
	}
	s := a.service(t, "echo")
	_, err := a.Service(t.Context(), "echo")
	require.ErrorContains(t, err, `service "echo"`)
	s.Record(
		ledger.Delta{Peer: b.host.ID(), Resolver: time.Second},
		ledger.Delta{Peer: b.host.ID(), Fault: message.FaultValue, Times: 2},
	)
	require.NoError(t, s.Close())
	r, _ := a.Ledger(b.host.ID())
	require.EqualValues(t, 2, r.Faults["value"])
	require.Equal(t, time.Second, r.Resolver)
	require.Equal(t, souk.Running{Name: "other"}, func() souk.Running { a.service(t, "other"); return a.Services()[0] }())
}

func TestFaultsThatAServiceFindsAreStrikes(t *testing.T) {
	a, b := start(t), start(t)
	a.fetchFrom(t, b, random(1, 100))
	s := a.service(t, "echo")
	s.Record(ledger.Delta{Peer: b.host.ID(), Fault: message.FaultValue})
	all, err := a.Peers(t.Context())
	require.NoError(t, err)
	require.Positive(t, all[0].Strikes)
}

// deaf is an exchange on a host that does not listen, which the test closes.
func deaf(t *testing.T, opts ...libp2p.Option) *souk.Exchange {
	t.Helper()
	h, err := libp2p.New(append(opts, libp2p.NoListenAddrs)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	x, err := souk.New(t.Context(), h, start(t).store)
	require.NoError(t, err)
	return x
}

func TestConnectionsThatAServiceHoldsAreProtected(t *testing.T) {
	m, err := connmgr.NewConnManager(1, 2)
	require.NoError(t, err)
	x := deaf(t, libp2p.ConnectionManager(m))
	defer x.Close()
	s, err := x.Service(t.Context(), "echo")
	require.NoError(t, err)
	p := start(t).host.ID()
	s.Release(p)
	s.Hold(p)
	s.Hold(p)
	s.Release(p)
	require.True(t, m.IsProtected(p, "souk-echo"))
	s.Hold(p)
	require.NoError(t, s.Close())
	require.False(t, m.IsProtected(p, ""), "it has left nothing")
	s.Hold(p)
	require.False(t, m.IsProtected(p, ""))
}

// connectedTo is what Connected last said, and how the following ended.
func connectedTo(ctx context.Context, s *souk.Service) (<-chan []peer.ID, <-chan error) {
	slot, ended := actor.NewSlot[[]peer.ID](), make(chan error, 1)
	go func() {
		ended <- s.Connected(ctx, echoes, func(all []peer.ID) {
			slot.Publish(all, func(_, newer []peer.ID) []peer.ID { return newer })
		})
	}()
	return slot.C(), ended
}

func comes(t *testing.T, sets <-chan []peer.ID, want ...peer.ID) {
	t.Helper()
	slices.Sort(want)
	timeout := time.After(10 * time.Second)
	for {
		select {
		case got := <-sets:
			if slices.Equal(want, got) {
				return
			}
		case <-timeout:
			require.Fail(t, "the set did not come")
		}
	}
}

func TestAServiceHearsOfConnectedPeersThatSpeakItsProtocol(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	require.NoError(t, b.service(t, "echo").Handle(echoes, echo))
	late := c.service(t, "echo")
	s := a.service(t, "echo")
	ctx, cancel := context.WithCancel(t.Context())
	sets, ended := connectedTo(ctx, s)
	comes(t, sets)
	a.connect(t, b, c)
	comes(t, sets, b.host.ID())
	require.NoError(t, late.Handle(echoes, echo))
	comes(t, sets, b.host.ID(), c.host.ID())
	require.NoError(t, late.Close())
	comes(t, sets, b.host.ID())
	require.NoError(t, a.host.Network().ClosePeer(b.host.ID()))
	comes(t, sets)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)

	_, ended = connectedTo(t.Context(), s)
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, souk.ErrClosed)
}

func TestAServiceAsksNothingOfADeniedPeerAndServesItNothing(t *testing.T) {
	b := start(t)
	rules, err := access.Parse("rules", strings.NewReader("deny peer "+b.host.ID().String()+"\n"))
	require.NoError(t, err)
	a := start(t, souk.WithAccessRules(rules))
	ours, theirs := a.service(t, "echo"), b.service(t, "echo")
	require.NoError(t, ours.Handle(echoes, echo))
	sets, _ := connectedTo(t.Context(), ours)
	comes(t, sets)
	a.connect(t, b)
	_, err = ours.Open(soon(t), b.info(), echoes)
	require.ErrorIs(t, err, souk.ErrDenied)
	st, err := theirs.Open(soon(t), a.info(), echoes)
	require.NoError(t, err)
	_, _ = st.Write(frames.Append(nil, []byte("hello")))
	_, err = st.Read(make([]byte, 1))
	require.ErrorIs(t, err, network.ErrReset)
	require.Empty(t, sets)
}

// busy is an actor that has been at work for a time.
type busy struct{ turn time.Duration }

func (b busy) Turn(time.Time) time.Duration { return b.turn }
func (b busy) Load(time.Time) actor.Load    { return actor.Load{Capacity: 7} }

func TestActorsOfAServiceAreListedWhileItLives(t *testing.T) {
	a := start(t)
	s := a.service(t, "echo")
	require.NoError(t, s.Run("owner", nil, map[string]souk.Actor{"echo": busy{}, "echo server": busy{time.Minute}}))
	require.Equal(t, []souk.Running{{Name: "echo", Owner: "owner"}}, a.Services())
	require.ErrorContains(t, a.Live(), "echo server")
	s.Panicked(&actor.PanicError{Where: "echo"})
	s.Broke(&actor.PanicError{Where: "echo"})
	of := func(name string) (found []souk.ActorStat) {
		for _, s := range a.Actors() {
			if s.Name == name {
				found = append(found, s)
			}
		}
		return found
	}
	require.Equal(t, 7, of("echo server")[0].Capacity)
	require.EqualValues(t, 2, of("echo")[0].Panics)
	require.NoError(t, s.Close())
	require.Empty(t, of("echo"))
	require.Empty(t, a.Services())
	require.NoError(t, a.Live())
}

func TestServicesEndWithTheExchange(t *testing.T) {
	x := deaf(t)
	late := errors.New("late")
	stops := 0
	s, err := x.Service(t.Context(), "one")
	require.NoError(t, err)
	require.NoError(t, s.Run(nil, func(ctx context.Context) error {
		stops++
		require.ErrorIs(t, s.Run(nil, nil, nil), souk.ErrClosed)
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		return late
	}, nil))
	broken, err := x.Service(t.Context(), "two")
	require.NoError(t, err)
	require.NoError(t, broken.Run(nil, func(context.Context) error { panic("bug") }, nil))

	err = x.Close()
	require.ErrorIs(t, err, late)
	require.ErrorContains(t, err, "bug")
	require.ErrorIs(t, s.Close(), late)
	require.Equal(t, 1, stops)
	<-s.Done()
	_, err = x.Service(t.Context(), "three")
	require.ErrorIs(t, err, souk.ErrClosed)
}

// keeping keeps a connection of a service, and tells when it is there and why it ended.
func keeping(ctx context.Context, s *souk.Service, to peer.AddrInfo) (there <-chan struct{}, ended <-chan error) {
	up, end := make(chan struct{}, 8), make(chan error, 1)
	go func() { end <- s.Keep(ctx, to, func() { up <- struct{}{} }) }()
	return up, end
}

func TestAServiceKeepsAConnectionUntilThePeerLeaves(t *testing.T) {
	a, b := start(t), start(t)
	s := a.service(t, "echo")
	ctx, cancel := context.WithCancel(t.Context())
	up, ended := keeping(ctx, s, b.info())
	<-up
	second, lost := keeping(t.Context(), s, peer.AddrInfo{ID: b.host.ID()})
	<-second
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, a.host.Network().ClosePeer(b.host.ID()))
	require.ErrorIs(t, <-lost, souk.ErrLost)
	require.Empty(t, up)

	up, ended = keeping(t.Context(), s, b.info())
	<-up
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, souk.ErrClosed)
}

func TestAServiceSaysWhyAPeerIsNotKept(t *testing.T) {
	gone, denied := start(t), start(t)
	info := gone.info()
	require.NoError(t, gone.host.Close())
	rules, err := access.Parse("rules", strings.NewReader("deny peer "+denied.host.ID().String()+"\n"))
	require.NoError(t, err)
	s := start(t, souk.WithAccessRules(rules)).service(t, "echo")
	up, ended := keeping(t.Context(), s, info)
	require.Error(t, <-ended)
	require.Empty(t, up)
	_, ended = keeping(t.Context(), s, denied.info())
	require.ErrorIs(t, <-ended, souk.ErrDenied)
}

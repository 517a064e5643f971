package network

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func TestAWatchMergesTheChangesOfAPeerAndKeepsTheOldestFirst(t *testing.T) {
	w := newWatch()
	require.Nil(t, w.Take())
	w.note(PeerState{Peer: "a", Epoch: 1})
	w.note(PeerState{Peer: "b", Epoch: 2})
	w.note(PeerState{Peer: "a", Epoch: 3})
	<-w.C()
	require.Equal(t, []PeerState{{Peer: "a", Epoch: 3}, {Peer: "b", Epoch: 2}}, w.Take())
	require.Nil(t, w.Take())
	w.note(PeerState{Peer: "b", Epoch: 4})
	require.Len(t, w.C(), 1)
	require.Equal(t, []PeerState{{Peer: "b", Epoch: 4}}, w.Take())
}

// protector counts what the connection manager is asked for.
type protector struct {
	connmgr.NullConnMgr
	calls []string
}

func (p *protector) note(format string, args ...any) {
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

func (p *protector) Protect(id peer.ID, tag string) { p.note("protect %s %s", string(id), tag) }
func (p *protector) Unprotect(id peer.ID, tag string) bool {
	p.note("unprotect %s %s", string(id), tag)
	return false
}
func (p *protector) TagPeer(id peer.ID, tag string, weight int) {
	p.note("tag %s %s %d", string(id), tag, weight)
}
func (p *protector) UntagPeer(id peer.ID, tag string) { p.note("untag %s %s", string(id), tag) }

func (p *protector) take() []string {
	calls := p.calls
	p.calls = nil
	return calls
}

func TestHoldsAreCounted(t *testing.T) {
	p := &protector{}
	n := &Network{holds: newHolds(p), life: newLife(nil)}
	n.Hold("a", "wants")
	n.Hold("a", "wants")
	n.Hold("a", "tracker")
	require.Equal(t, []string{"protect a wants", "protect a tracker"}, p.take())
	n.Release("a", "wants")
	require.Empty(t, p.take())
	n.Release("a", "wants")
	n.Release("a", "wants")
	n.Release("b", "wants")
	require.Equal(t, []string{"unprotect a wants"}, p.take())
	n.Useful("a", 5)
	n.Useful("c", 7)
	n.Useful("c", 0)
	require.Equal(t, []string{"tag a souk-useful 5", "tag c souk-useful 7", "untag c souk-useful"}, p.take())
	n.holds.releaseAll()
	require.Equal(t, []string{"unprotect a tracker", "untag a souk-useful"}, p.take())
	n.Hold("a", "late")
	n.Useful("a", 5)
	require.Empty(t, p.take(), "nothing is held that nobody would release")
}

func newTestStrikes() *strikes {
	return newStrikes(&Config{Strikes: 2, StrikeWindow: time.Minute, CoolDown: time.Minute})
}

func TestGraveFaultsWeighMoreThanBadElements(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := newTestStrikes()
	require.False(t, s.add("grave", message.FaultProtobuf, 1, now))
	require.True(t, s.add("grave", message.FaultFrameLength, 1, now))
	require.True(t, s.refused("grave", now))
	require.False(t, s.add("grave", message.FaultProtobuf, 1, now), "it is refused already")

	require.False(t, s.add("elements", message.FaultCID, 60000, now), "one message is one grave fault at most")
	require.True(t, s.add("elements", message.FaultCID, 16, now))

	for range 2*gravePoints - 1 {
		require.False(t, s.add("old", message.FaultHash, 60000, now))
	}
	require.False(t, s.refused("old", now))
}

func TestStrikesAndRefusalsExpire(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := newTestStrikes()
	s.add("p", message.FaultProtobuf, 1, now)
	now = now.Add(time.Minute + 1)
	require.False(t, s.add("p", message.FaultProtobuf, 1, now), "the window has passed")
	require.True(t, s.add("p", message.FaultProtobuf, 1, now))
	require.True(t, s.refused("p", now.Add(time.Minute-1)))
	require.False(t, s.refused("p", now.Add(time.Minute)))
}

func TestTheMemoryForStrikesIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := newTestStrikes()
	for i := range maxOffenders + 10 {
		s.add(peer.ID(fmt.Sprint(i)), message.FaultProtobuf, 1, now.Add(time.Duration(i)))
	}
	require.Len(t, s.offenders, maxOffenders)
	require.NotContains(t, s.offenders, peer.ID("0"), "the oldest leave first")
	s.add("late", message.FaultProtobuf, 1, now.Add(time.Hour))
	require.Len(t, s.offenders, 1, "those who behaved since are forgotten")
}

func TestARequestIsAnswered(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	b.Handle("/echo", 100_000, func(_ context.Context, from peer.ID, frame []byte) ([]byte, error) {
		if len(frame) == 0 {
			return nil, context.Canceled
		}
		return append([]byte(from), frame...), nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	a.host.Peerstore().AddAddrs(b.host.ID(), b.host.Addrs(), time.Hour)
	request := make([]byte, 100_000)
	reply, err := a.Request(ctx, b.host.ID(), "/echo", request, 200_000)
	require.NoError(t, err)
	require.Equal(t, append([]byte(a.host.ID()), request...), reply)

	_, err = a.Request(ctx, b.host.ID(), "/echo", request, 1000)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = a.Request(ctx, b.host.ID(), "/echo", nil, 1000)
	require.ErrorIs(t, err, ErrReset)
	_, err = a.Request(ctx, b.host.ID(), "/other", nil, 1000)
	require.Error(t, err)
	_, err = a.Request(ctx, b.host.ID(), "/echo", make([]byte, 100_001), 1000)
	require.ErrorIs(t, err, ErrReset)
	b.until("the fault is counted", func() bool { return b.faults[message.FaultFrameLength] == 1 })
	b.until("everything is given back", func() bool { return b.Stat().Receiving == 0 || b.noteLater() })

	cancel()
	_, err = a.Request(ctx, b.host.ID(), "/echo", request, 200_000)
	require.ErrorIs(t, err, context.Canceled)
	a.stop()
	_, err = a.Request(context.Background(), b.host.ID(), "/echo", request, 200_000)
	require.ErrorIs(t, err, ErrClosed)
}

func TestARequestThatIsNeverAnsweredEndsWithItsContext(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	asked := make(chan struct{})
	b.Handle("/silent", 100, func(ctx context.Context, _ peer.ID, _ []byte) ([]byte, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	connect(t, a.host, b.host)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	_, err := a.Request(ctx, b.host.ID(), "/silent", nil, 100)
	require.ErrorIs(t, err, context.Canceled)
	var failed *SendError
	require.ErrorAs(t, err, &failed)
}

package wantmanager

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNetwork is the peers of a test and their senders. A message is reported as
// written at once, from another goroutine.
type fakeNetwork struct {
	changed chan struct{}

	mu      sync.Mutex
	changes []network.PeerState
	sent    []message.Entry
	held    map[peer.ID]int
	deltas  []ledger.Delta
}

func (n *fakeNetwork) C() <-chan struct{} { return n.changed }

func (n *fakeNetwork) Take() []network.PeerState {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.changes
	n.changes = nil
	return taken
}

func (n *fakeNetwork) note(s network.PeerState) {
	n.mu.Lock()
	n.changes = append(n.changes, s)
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *fakeNetwork) Hand(p peer.ID, _ network.Lane, m *message.Message, report func(network.Sent)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, m.Wantlist...)
	go report(network.Sent{Peer: p, At: time.Now()})
}

func (n *fakeNetwork) Progress(peer.ID) time.Time { return time.Time{} }

func (n *fakeNetwork) Hold(p peer.ID, _ string) { n.hold(p, 1) }

func (n *fakeNetwork) Release(p peer.ID, _ string) { n.hold(p, -1) }

func (n *fakeNetwork) hold(p peer.ID, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held[p] += by
}

func (n *fakeNetwork) record(ds ...ledger.Delta) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deltas = append(n.deltas, ds...)
}

// written is what was handed over since the last call.
func (n *fakeNetwork) written(c []cid.Cid) []string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	defer func() { n.sent = nil }()
	return told(c, n.sent)
}

func play(t *testing.T, test func(t *testing.T, n *fakeNetwork, m *Manager)) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{changed: make(chan struct{}, 1), held: make(map[peer.ID]int)}
		m := New(Config{Peers: n, Sender: n, Record: n.record})
		m.Start()
		test(t, n, m)
		require.NoError(t, m.Stop(context.Background()))
		require.NoError(t, m.Stop(context.Background()))
		require.Zero(t, n.held[a], "what was held is released")
	})
}

func openLinkOf(t *testing.T, m *Manager) *Link {
	l, err := m.Open(t.Context())
	require.NoError(t, err)
	return l
}

func TestALinkAsksHearsAndLeaves(t *testing.T) {
	play(t, func(t *testing.T, n *fakeNetwork, m *Manager) {
		c := cidsOf(0, 4)
		l, ctx := openLinkOf(t, m), t.Context()
		require.NoError(t, l.Send(ctx, map[peer.ID][]Ask{a: {{CID: c[0]}, {CID: c[1]}, {CID: c[2], Type: message.WantHave}, {CID: c[3]}}}))
		require.Empty(t, n.written(c), "it is not connected yet")
		n.note(network.PeerState{Peer: a, Connected: true, Version: message.V120, Epoch: 1, Generation: 1})
		require.Equal(t, []string{"B0", "B1", "H2", "B3"}, n.written(c))
		require.Equal(t, 1, n.held[a])
		notice := <-l.C()
		require.Equal(t, 16<<20, notice.Budget)
		require.Equal(t, firstWindow, notice.Peers[a].Share)
		require.NoError(t, m.ReceiveHeard(ctx, network.Heard{
			From: a, Blocks: []network.Sized{{CID: c[0], Size: 10}}, Haves: c[2:3], DontHaves: c[1:2], At: time.Now(),
		}))
		require.NoError(t, l.CancelAt(ctx, a, c[:2]))
		require.Equal(t, []string{"-1"}, n.written(c))
		require.NoError(t, l.Drop(ctx, a))
		require.Equal(t, []string{"-3"}, n.written(c))
		require.NoError(t, l.Send(ctx, map[peer.ID][]Ask{a: {{CID: c[0]}}}))
		require.NoError(t, l.Cancel(ctx, c))
		require.NoError(t, l.CancelAll(ctx))
		for range l.C() {
		}
		synctest.Wait() // The link is closed before the rest of the event is done.
		require.Zero(t, n.held[a])
		require.Zero(t, m.Depth())
		require.NotEmpty(t, n.deltas)
	})
}

func TestALatePeerIsTold(t *testing.T) {
	play(t, func(t *testing.T, n *fakeNetwork, m *Manager) {
		l := openLinkOf(t, m)
		n.note(network.PeerState{Peer: a, Connected: true, Version: message.V120, Epoch: 1, Generation: 1})
		require.NoError(t, l.Send(t.Context(), map[peer.ID][]Ask{a: {{CID: cidsOf(0, 1)[0]}}}))
		synctest.Wait()
		require.False(t, (<-l.C()).Peers[a].Late)
		begin := time.Now()
		require.True(t, (<-l.C()).Peers[a].Late)
		require.Equal(t, unknownPatience, time.Since(begin))
		require.NoError(t, l.CancelAll(t.Context()))
	})
}

func TestUnaskedBlocksAreFaults(t *testing.T) {
	play(t, func(t *testing.T, n *fakeNetwork, m *Manager) {
		n.note(network.PeerState{Peer: a, Connected: true, Version: message.V120, Epoch: 1, Generation: 1})
		synctest.Wait()
		require.NoError(t, m.ReceiveHeard(t.Context(), network.Heard{From: a, Blocks: []network.Sized{{CID: cidsOf(0, 1)[0], Size: 1}}}))
		synctest.Wait()
		require.Contains(t, n.deltas, ledger.Delta{Peer: a, Fault: message.FaultUnasked, Times: 1})
	})
}

// Stop closes the links of those who are there and of those who come in that
// moment, so that a session that drains its link is not left waiting.
func TestStopClosesEveryLink(t *testing.T) {
	for range 200 {
		play(t, func(t *testing.T, n *fakeNetwork, m *Manager) {
			links := make(chan *Link, 8)
			for range cap(links) {
				go func() {
					l, err := m.Open(context.Background())
					if err != nil {
						assert.ErrorIs(t, err, actor.ErrClosed)
					} else {
						_ = l.Send(context.Background(), map[peer.ID][]Ask{a: {{CID: cidsOf(0, 1)[0]}}})
					}
					links <- l
				}()
			}
			go func() { _ = m.Stop(context.Background()) }()
			for range cap(links) {
				if l := <-links; l != nil {
					for range l.C() {
					}
				}
			}
		})
	}
}

func TestMergedNoticesKeepTheLastWord(t *testing.T) {
	c := cidsOf(0, 2)
	older := Notice{Peers: map[peer.ID]View{a: {Share: 1}, "b": {Share: 2}}, Budget: 5, Unanswered: map[peer.ID][]cid.Cid{a: c[:1]}}
	newer := Notice{Peers: map[peer.ID]View{a: {Share: 3, Late: true}}, Unanswered: map[peer.ID][]cid.Cid{a: c[1:]}}
	require.Equal(t, Notice{
		Peers: map[peer.ID]View{a: {Share: 3, Late: true}, "b": {Share: 2}}, Budget: 5, Unanswered: map[peer.ID][]cid.Cid{a: c},
	}, merge(older, newer))
	require.Equal(t, Notice{Budget: 7, Peers: map[peer.ID]View{a: {Share: 1}}}, merge(Notice{Budget: 5}, Notice{Budget: 7, Peers: map[peer.ID]View{a: {Share: 1}}}))
}

// brokenNetwork panics where a message is handed over.
type brokenNetwork struct{ *fakeNetwork }

func (brokenNetwork) Hand(peer.ID, network.Lane, *message.Message, func(network.Sent)) {
	panic("a broken network")
}

func TestAManagerThatBreaksEndsAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{changed: make(chan struct{}, 1), held: make(map[peer.ID]int)}
		broken := make(chan error, 1)
		m := New(Config{Peers: n, Sender: brokenNetwork{n}, Fail: func(err error) { broken <- err }})
		m.Start()
		l := openLinkOf(t, m)
		n.note(network.PeerState{Peer: "a", Connected: true, Version: message.V120, Epoch: 1, Generation: 1})
		require.NoError(t, l.Send(t.Context(), map[peer.ID][]Ask{"a": {{CID: cidsOf(0, 1)[0]}}}))
		require.EqualError(t, <-broken, "wantmanager panicked: a broken network")
		for range l.C() { // Closed, or this waits for ever.
		}
		require.NoError(t, m.Stop(t.Context()))
		require.LessOrEqual(t, n.held["a"], 0, "a release too many does nothing")
	})
}

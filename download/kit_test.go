package download

import (
	"errors"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// rig is a state, whose books are looked at after each event, and what it has said
// since the last event.
type rig struct {
	*testing.T
	s   *state
	now time.Time
	out effects
}

// dataset is the group of most tests.
const dataset = Group("dataset")

func newRig(t *testing.T, l Limits) *rig {
	return &rig{T: t, s: newState(l.withDefaults(), 1), now: gameBegins}
}

func (r *rig) after(event func()) {
	r.Helper()
	event()
	r.out = r.s.take()
	require.NoError(r, r.s.audit(r.now))
}

// member adds nodes to the dataset that have answered before: the first the fastest.
func (r *rig) members(nodes ...int) {
	r.Helper()
	for _, n := range nodes {
		r.node(n, NodeHints{Groups: []Group{dataset}})
	}
}

func (r *rig) node(n int, h NodeHints) {
	r.Helper()
	r.after(func() { require.NoError(r, r.s.addNode(r.now, nodeID(n), h)) })
}

// want adds an intent for a resource of the dataset, with the same number.
func (r *rig) want(n int) {
	r.Helper()
	r.wantFor(IntentID(n), n, 0, ResourceHints{Groups: []Group{dataset}})
}

func (r *rig) wantFor(id IntentID, n, retries int, h ResourceHints) {
	r.Helper()
	r.after(func() { require.NoError(r, r.s.addResource(r.now, resourceCID(n), id, retries, h)) })
}

func (r *rig) cancel(id IntentID) {
	r.Helper()
	r.after(func() { r.s.cancelIntent(r.now, id) })
}

// dialled answers a dial after the time that the node takes.
func (r *rig) connected(n int) {
	r.Helper()
	r.after(func() { r.s.connected(r.now, nodeID(n), time.Duration(n+1)*time.Millisecond) })
}

func (r *rig) unreachable(n int) {
	r.Helper()
	r.after(func() { r.s.failedToConnect(r.now, nodeID(n), errUnplugged) })
}

var errUnplugged = errors.New("unplugged")

func (r *rig) gone(n int) {
	r.Helper()
	r.after(func() { r.s.gone(r.now, nodeID(n)) })
}

func (r *rig) done(id TransferID) {
	r.Helper()
	r.after(func() { r.s.done(r.now, id) })
}

func (r *rig) progress(id TransferID, bytes uint64) {
	r.Helper()
	r.after(func() { r.s.progress(r.now, id, bytes, 100) })
}

func (r *rig) failed(id TransferID, n int, why Reason) {
	r.Helper()
	r.after(func() { r.s.failed(r.now, id, nodeID(n), why, errUnplugged) })
}

// pass lets time pass, and returns all that happens by itself, with how long after the
// beginning.
func (r *rig) pass(d time.Duration) (all []happened) {
	r.Helper()
	began, until := r.now, r.now.Add(d)
	for w := r.s.wake(); !w.IsZero() && !w.After(until); w = r.s.wake() {
		r.now = w
		r.after(func() { r.s.tick(r.now) })
		all = append(all, happened{w.Sub(began), r.out})
	}
	r.now = until
	r.out = effects{}
	return all
}

type happened struct {
	after time.Duration
	effects
}

// starts are the transfers that the last event began, as pairs of resource and node.
func (r *rig) starts() (all [][2]int) {
	for _, o := range r.out.start {
		all = append(all, [2]int{resourceNumber(o.CID), nodeNumber(o.Node)})
	}
	return all
}

// connects are the nodes that the last event had dialled.
func (r *rig) connects() []int { return numbers(r.out.connect) }

func numbers(ids []peer.ID) (all []int) {
	for _, id := range ids {
		all = append(all, nodeNumber(id))
	}
	return all
}

func nodeNumber(id peer.ID) int {
	for n := range 1000 {
		if nodeID(n) == id {
			return n
		}
	}
	panic("no such node")
}

func resourceNumber(c cid.Cid) int {
	for n := range 1000 {
		if resourceCID(n) == c {
			return n
		}
	}
	panic("no such resource")
}

// connectedMembers adds nodes to the dataset and has them connected, by a resource
// that nobody wants any more.
func (r *rig) connectedMembers(nodes ...int) {
	r.Helper()
	for _, n := range nodes {
		r.node(n, NodeHints{Has: []cid.Cid{resourceCID(900 + n)}})
		r.wantFor(IntentID(900+n), 900+n, 0, ResourceHints{})
		require.Contains(r, r.connects(), n)
		r.connected(n)
		require.Equal(r, [][2]int{{900 + n, n}}, r.starts())
		r.done(r.out.start[0].ID)
		r.now = r.now.Add(r.s.limits.Stagger)
	}
	r.members(nodes...)
}

package tracker

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// watch has a peer watch what a query is about.
func (r *rig) watch(id WatchID, q Query) Verdict {
	v := r.table.Watch(r.now, id, q)
	r.audit()
	return v
}

// told is who came for each watch since the last call.
func (r *rig) told() map[WatchID][]peer.ID {
	told := map[WatchID][]peer.ID{}
	for _, n := range r.table.Notices(r.now) {
		for _, c := range n.Rows {
			told[n.Watch] = append(told[n.Watch], c.Peer)
		}
	}
	return told
}

func TestAWatcherHearsOnceOfWhoCame(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	require.Equal(t, Verdict{}, r.watch(1, Query{Peer: who(9), Namespace: "ns"}))
	require.Equal(t, Verdict{}, r.watch(2, Query{Peer: who(2), Namespace: "ns"}))
	require.Empty(t, r.told(), "who was there before is found by a query")
	gone := r.row(1, "ns")
	gone.TTL = 0
	r.announced(r.row(2, "ns"), r.row(3, "other"), r.row(2, "ns"), gone)
	require.Equal(t, map[WatchID][]peer.ID{1: {who(2)}}, r.told(), "and nobody of itself")
	require.Empty(t, r.told())
	r.pass(time.Hour)
	require.Empty(t, r.told(), "who goes is not told")
}

func TestAWatcherHearsOfWhatItAskedAboutAlone(t *testing.T) {
	r := newRig(t, open())
	watches := []Query{{}, {HasPoint: true, Point: 0x1234}, {HasPoint: true, Point: 0x9999}, {Roles: 2}, {Key: "k"}}
	for i, q := range watches {
		q.Peer, q.Namespace = who(9), "ns"
		require.Equal(t, Verdict{}, r.watch(WatchID(i), q))
	}
	wide, narrow, keyed := r.row(1, "ns"), r.row(2, "ns"), r.row(3, "ns")
	wide.Ranges, wide.Roles = spans(0, 0x8000), 3
	narrow.Ranges = spans(0x1200, 0x1300)
	keyed.Keys = keys(recordKeys("a", "z"))
	r.announced(wide, narrow, keyed)
	require.Equal(t, map[WatchID][]peer.ID{
		0: {who(1), who(3)}, 1: {who(1), who(2)}, 3: {who(1)}, 4: {who(3)},
	}, r.told())
}

func TestANoticeHasABoundAndSaysSo(t *testing.T) {
	r := newRig(t, open())
	require.Equal(t, Verdict{}, r.watch(1, Query{Peer: who(9), Namespace: "ns"}))
	for i := range 100 {
		r.announced(r.row(i, "ns"))
	}
	notice := r.table.Notices(r.now)[0]
	require.Len(t, notice.Rows, 63, "one of the first 64 is the watcher's own")
	require.True(t, notice.More)
}

func TestWatchesAreBoundedForAPeerAndForAll(t *testing.T) {
	r := newRig(t, open())
	for i := range 100 {
		q := Query{Peer: who(9), Namespace: fmt.Sprint(i)}
		require.Equal(t, i >= 64, r.watch(WatchID(i), q).Refusal == RefusedWatches)
	}
	require.Equal(t, RefusedUnknown, r.table.Unwatch(99).Refusal)
	require.Equal(t, Accepted, r.table.Unwatch(3).Refusal)
	require.Equal(t, Accepted, r.watch(99, Query{Peer: who(9), Namespace: "99", HasPoint: true}).Refusal)
	full := 0
	for i := range 10_000 {
		if r.table.Watch(r.now, WatchID(100+i), Query{Peer: who(100 + i), Namespace: fmt.Sprint("x", i)}).Refusal == RefusedCrowd {
			full++
		}
	}
	require.Greater(t, full, 9000)
	r.audit()
	require.LessOrEqual(t, r.table.watching(), r.table.limits.TableBytes/16)
}

func TestUnwatchingLeavesNothing(t *testing.T) {
	r := newRig(t, open())
	empty := r.table.used()
	require.Equal(t, Verdict{}, r.watch(1, Query{Peer: who(9), Namespace: "ns", HasPoint: true}))
	r.announced(r.row(1, "ns"))
	require.Equal(t, Verdict{}, r.table.Unwatch(1))
	require.Empty(t, r.table.Notices(r.now))
	r.pass(2 * time.Hour)
	require.InDelta(t, empty, r.table.used(), 256)
	require.Empty(t, r.table.topics)
	require.Empty(t, r.table.watchers)
}

package tracker

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func TestAWatcherHearsWhoCameAndWentInOneNotice(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	require.Equal(t, Verdict{}, r.table.Watch(who(9), "ns"))
	require.Equal(t, Verdict{}, r.table.Watch(who(9), "ns"), "twice is once")
	require.Equal(t, Verdict{}, r.table.Watch(who(8), "ns"))
	require.Empty(t, r.table.Notices(r.now))
	gone := r.row(1, "ns")
	gone.TTL = 0
	r.announced(r.row(2, "ns"), r.row(3, "other"), r.row(2, "ns"), gone)
	notices := r.table.Notices(r.now)
	require.Len(t, notices, 1)
	require.Equal(t, "ns", notices[0].Namespace)
	require.Equal(t, []peer.ID{who(9), who(8)}, notices[0].Watchers)
	require.Len(t, notices[0].Rows, 1)
	require.Equal(t, who(2), notices[0].Rows[0].Peer)
	require.Equal(t, []peer.ID{who(1)}, notices[0].Gone)
	require.Empty(t, r.table.Notices(r.now))
	r.pass(time.Hour)
	require.Equal(t, []peer.ID{who(2)}, r.table.Notices(r.now)[0].Gone, "expiry is told")
}

func TestANoticeHasABoundAndSaysSo(t *testing.T) {
	r := newRig(t, open())
	require.Equal(t, Verdict{}, r.table.Watch(who(9), "ns"))
	for i := range 100 {
		r.announced(r.row(i, "ns"))
	}
	notice := r.table.Notices(r.now)[0]
	require.Len(t, notice.Rows, 64)
	require.True(t, notice.More)
}

func TestWatchesAreBoundedForAPeerAndForAll(t *testing.T) {
	r := newRig(t, open())
	for i := range 40 {
		require.Equal(t, i >= 16, r.table.Watch(who(9), fmt.Sprint(i)).Refusal == RefusedNamespaces)
	}
	r.audit()
	require.Equal(t, RefusedUnknown, r.table.Unwatch(who(9), "39").Refusal)
	require.Equal(t, Accepted, r.table.Unwatch(who(9), "3").Refusal)
	require.Equal(t, Accepted, r.table.Watch(who(9), "39").Refusal)
	full := 0
	for i := range 10_000 {
		if r.table.Watch(who(100+i), fmt.Sprint("x", i)).Refusal == RefusedFull {
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
	require.Equal(t, Verdict{}, r.table.Watch(who(9), "ns"))
	r.announced(r.row(1, "ns"))
	require.Equal(t, Verdict{}, r.table.Unwatch(who(9), "ns"))
	require.Empty(t, r.table.Notices(r.now))
	r.pass(2 * time.Hour)
	require.InDelta(t, empty, r.table.used(), 256)
}

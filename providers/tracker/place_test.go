package tracker

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func recordKeys(from, to string) record.KeyRange { return record.KeyRange{From: from, To: to} }

func (r *rig) at(namespace string, point record.Point, k uint64) []peer.ID {
	return peersOf(r.query(Query{Peer: who(asking), Namespace: namespace, Point: point, HasPoint: true, K: k}))
}

func TestAQueryWithAPointFindsWideRowsAndThenNarrowOnesOfItsShard(t *testing.T) {
	r := newRig(t, open())
	wide, narrow := r.row(1, "ns"), r.row(2, "ns")
	narrow.Ranges = spans(0x10f0, 0x1110)
	r.announced(wide, narrow)
	require.Equal(t, 3, r.table.Stat().Rows, "a row for each of its shards")
	require.Equal(t, []peer.ID{who(1), who(2)}, r.at("ns", 0x10f0, 8))
	require.Equal(t, []peer.ID{who(1), who(2)}, r.at("ns", 0x1100, 8))
	require.Equal(t, []peer.ID{who(1)}, r.at("ns", 0x1111, 8), "in the shard, and not in the range")
	require.Equal(t, []peer.ID{who(1)}, r.at("ns", 0x10f0, 1), "enough are wide")
	require.Equal(t, []peer.ID{who(1)}, peersOf(r.ask("ns", 8, 1)), "which part is not said")
}

func TestBothLevelsAreInOneAnswerForFeedback(t *testing.T) {
	r := newRig(t, open())
	narrow := r.row(2, "ns")
	narrow.Ranges = spans(0x1000, 0x1010)
	r.announced(r.row(1, "ns"), narrow)
	answer := r.query(Query{Peer: who(asking), Origin: from(5), Namespace: "ns", Point: 0x1000, HasPoint: true, K: 8})
	reports := []Report{{who(1), Served}, {who(2), Dead}}
	require.Equal(t, Verdict{}, r.table.Feedback(r.now, who(asking), from(5), answer.Token, reports, nil))
	answer = r.query(Query{Peer: who(asking), Namespace: "ns", Point: 0x1000, HasPoint: true, K: 8})
	require.InDelta(t, 1, answer.Rows[0].Score, 1e-6)
	require.InDelta(t, -1, answer.Rows[1].Score, 1e-6)
}

func TestOfTwoRecordsOfAPeerForANamespaceTheNewerCountsWhereverItIs(t *testing.T) {
	r := newRig(t, open())
	narrow := r.row(1, "ns")
	narrow.Ranges = spans(0x1000, 0x11ff)
	r.announced(narrow, r.row(1, "ns"))
	require.Equal(t, 1, r.table.Stat().Rows, "it is wide now")
	require.Equal(t, RefusedSequence, r.announce(narrow).Refusal)
	moved := r.row(1, "ns")
	moved.Ranges = spans(0x1100, 0x12ff)
	r.announced(moved)
	require.Equal(t, 2, r.table.Stat().Rows, "and narrow again")
	require.Empty(t, r.at("ns", 0x1000, 8))
	require.Len(t, r.at("ns", 0x1200, 8), 1)
	gone := r.row(1, "ns")
	gone.TTL = 0
	r.announced(gone)
	require.Zero(t, r.table.Stat().Rows)
	require.Equal(t, 2, r.table.Stat().Withdrawn, "remembered in each shard")
	require.Equal(t, RefusedSequence, r.announce(moved).Refusal)
}

func TestATouchKeepsTheRowsOfAllShardsOrSaysThatOneHasGone(t *testing.T) {
	r := newRig(t, open())
	a := r.row(1, "ns")
	a.Ranges = spans(0x1000, 0x12ff)
	r.announced(a)
	r.pass(50 * time.Minute)
	touch := func() Verdict { return r.table.Touch(r.now, who(1), a.Origin, "ns", a.Seq) }
	require.Equal(t, Verdict{}, touch())
	r.pass(50 * time.Minute)
	require.Len(t, r.at("ns", 0x1200, 8), 1)
	r.table.forget(r.table.kin(who(1), "ns")[0])
	require.Equal(t, RefusedUnknown, touch().Refusal)
	require.Equal(t, 2, r.table.Stat().Rows)
}

func TestANarrowRecordCountsOnceForEachShardAgainstTheQuota(t *testing.T) {
	limits := open()
	limits.Namespaces = 4
	r := newRig(t, limits)
	a := r.row(1, "a")
	a.Ranges = spans(0x1000, 0x12ff)
	r.announced(a)
	b := r.row(1, "b")
	b.Ranges = spans(0x1000, 0x11ff)
	require.Equal(t, RefusedNamespaces, r.announce(b).Refusal)
	b.Ranges = spans(0x1000, 0x10ff)
	r.announced(b)
	a = r.row(1, "a")
	r.announced(a, r.row(1, "c"))
}

func TestARowThatFitsInSomeShardsStaysThere(t *testing.T) {
	limits := open()
	limits.NamespaceBytes = 4 * (rowBytes + 32)
	r := newRig(t, limits)
	for i := range 20 {
		a := r.row(i, "ns")
		a.Ranges = spans(0x1000, 0x10ff)
		r.announce(a)
	}
	a := r.row(100, "ns")
	a.Ranges = spans(0x1000, 0x11ff)
	require.Equal(t, RefusedFull, r.announce(a).Refusal)
	require.NotContains(t, r.at("ns", 0x1000, 8), who(100))
	require.Contains(t, r.at("ns", 0x1100, 8), who(100))
}

func TestAQueryWithAKeyGetsOnlyWhoHasIt(t *testing.T) {
	r := newRig(t, open())
	some, open, points := r.row(1, "ns"), r.row(2, "ns"), r.row(4, "ns")
	some.Keys = keys(recordKeys("b", "d"), recordKeys("m", "n"))
	open.Keys = keys(recordKeys("x", ""))
	points.Ranges = spans(0, 0x8000)
	r.announced(some, open, r.row(3, "ns"), points)
	for key, want := range map[string][]peer.ID{
		"a": {who(3)}, "b": {who(1), who(3)}, "czz": {who(1), who(3)}, "d": {who(3)}, "m": {who(1), who(3)},
		"n": {who(3)}, "x": {who(2), who(3)}, "\xff\xff": {who(2), who(3)},
	} {
		require.ElementsMatch(t, want, peersOf(r.query(Query{Peer: who(9), Namespace: "ns", Key: key, K: 8})), key)
	}
	require.ElementsMatch(t, []peer.ID{who(3), who(4)}, r.at("ns", 7, 8), "a record of keys says nothing of points")
	require.Len(t, r.ask("ns", 8, 1).Rows, 4)
	for _, c := range r.ask("ns", 8, 1).Rows {
		require.Contains(t, string(c.Record), "record of")
	}
}

func TestTheLongestKeyRangesAreKept(t *testing.T) {
	r := newRig(t, open())
	var all []record.KeyRange
	for i := range record.MaxKeyRanges {
		long := make([]byte, record.MaxKey)
		long[0] = byte(4 * i)
		from := string(long)
		long[0]++
		all = append(all, recordKeys(from, string(long)))
	}
	a := r.row(1, "ns")
	a.Keys = keys(all...)
	r.announced(a)
	again := newRig(t, open())
	for chunk := range r.chunks(1 << 20) {
		_, err := again.table.Restore(r.now, chunk)
		require.NoError(t, err)
	}
	require.Len(t, again.query(Query{Peer: who(9), Namespace: "ns", Key: all[15].From, K: 8}).Rows, 1)
	require.Empty(t, again.query(Query{Peer: who(9), Namespace: "ns", Key: all[15].To, K: 8}).Rows)
}

func TestTheAgeOfARowIsSinceItWasHeardOf(t *testing.T) {
	r := newRig(t, open())
	a := r.row(1, "ns")
	r.announced(a)
	r.pass(10 * time.Minute)
	require.Equal(t, 10*time.Minute, r.ask("ns", 8, 1).Rows[0].Age)
	require.Equal(t, Verdict{}, r.table.Touch(r.now, who(1), a.Origin, "ns", a.Seq))
	r.pass(time.Minute)
	require.Equal(t, time.Minute, r.ask("ns", 8, 1).Rows[0].Age)
}

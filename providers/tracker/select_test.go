package tracker

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func TestTheAskerIsNotInItsAnswer(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"), r.row(2, "ns"))
	require.Equal(t, []peer.ID{who(2)}, peersOf(r.query(Query{Peer: who(1), Namespace: "ns", K: 8})))
}

func TestOnlyRowsWithThePointAndTheRolesAreGiven(t *testing.T) {
	r := newRig(t, open())
	part, whole, resolver := r.row(1, "ns"), r.row(2, "ns"), r.row(3, "ns")
	part.Ranges = spans(10, 20, 0x8000, 0x9000, 0xfff0, 0xffff)
	resolver.Roles = 6
	r.announced(part, whole, resolver)
	for point, in := range map[record.Point]bool{0: false, 9: false, 10: true, 20: true, 21: false, 0xffef: false, 0xffff: true} {
		ids := peersOf(r.query(Query{Peer: who(9), Namespace: "ns", K: 8, Point: point, HasPoint: true}))
		require.Equal(t, in, slices.Contains(ids, who(1)), point)
		require.Contains(t, ids, who(2))
	}
	for roles, want := range map[Roles]int{0: 3, 2: 1, 6: 1, 7: 0} {
		require.Len(t, r.query(Query{Peer: who(9), Namespace: "ns", K: 8, Roles: roles}).Rows, want)
	}
}

func TestEqualSeedsHaveEqualAnswersAndOthersSpreadTheLoad(t *testing.T) {
	tables := []*rig{newRig(t, open()), newRig(t, open())}
	asked := map[peer.ID]int{}
	for _, r := range tables {
		r.blind = true
		for i := range 200 {
			r.announced(r.row(i, "ns"))
		}
	}
	for seed := range uint64(2000) {
		one := peersOf(tables[0].ask("ns", 8, seed))
		require.Equal(t, one, peersOf(tables[1].ask("ns", 8, seed)), "and with no seed, the tables draw alike")
		if seed > 0 {
			require.Equal(t, one, peersOf(tables[0].ask("ns", 8, seed)))
			tables[1].ask("ns", 8, seed)
		}
		for _, id := range one {
			asked[id]++
		}
	}
	require.Len(t, asked, 200, "all have their turn")
	for id, n := range asked {
		require.InDelta(t, 2000*8/200, n, 2000*8/200*1.2, id)
	}
}

func TestTwoRowsOfAnAnswerAreOfTheOldestQuartile(t *testing.T) {
	for _, rows := range []int{8, 40, 400} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			r := newRig(t, open())
			r.blind = true
			for i := range rows {
				r.announced(r.row(i, "ns"))
				r.pass(time.Second)
			}
			old := map[peer.ID]bool{}
			for i := range rows / 4 {
				old[who(i)] = true
			}
			for seed := range uint64(300) {
				n := 0
				for _, id := range peersOf(r.ask("ns", 6, seed+1)) {
					if old[id] {
						n++
					}
				}
				require.GreaterOrEqual(t, n, 2)
			}
		})
	}
}

func TestRowsOfOnePrefixHaveNoMoreChanceThanOne(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 1000 {
		a := r.row(i, "ns")
		if i >= 50 {
			a.Origin = from(5000)
		}
		r.announced(a)
	}
	for seed := range uint64(200) {
		crowd := slices.DeleteFunc(peersOf(r.ask("ns", 8, seed+1)), func(id peer.ID) bool { return id < who(50) })
		require.LessOrEqual(t, len(crowd), 2)
	}
}

func TestACapacityMayLowerARankAndNeverRaiseIt(t *testing.T) {
	r := newRig(t, open())
	rank := func(capacity uint32) float32 {
		a := r.row(1, "ns")
		a.Capacity = capacity
		r.announced(a)
		h := r.table.rowOf(r.table.announcerOf(who(1)), r.table.spaceOf("ns"))
		return r.table.rows.at(h).rank(second(r.now))
	}
	unsaid := rank(0)
	require.Equal(t, unsaid, rank(plenty))
	require.Equal(t, unsaid, rank(1<<32-1))
	require.Less(t, rank(1), rank(512))
	require.Less(t, rank(512), unsaid)
}

func TestVerifiedAddressesComeFirst(t *testing.T) {
	r := newRig(t, open())
	for i := range 100 {
		a := r.row(i, "ns")
		a.Verified = record.AddrSet(truth(i < 20))
		r.announced(a)
	}
	for seed := range uint64(100) {
		answer := r.ask("ns", 8, seed+1)
		require.True(t, slices.IsSortedFunc(answer.Rows, func(a, b Candidate) int { return cmp.Compare(truth(b.Verified != 0), truth(a.Verified != 0)) }))
		require.NotZero(t, answer.Rows[0].Verified)
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAHotNamespaceIsDividedAndUnitedAgain(t *testing.T) {
	limits := open()
	limits.BucketRows = 16
	r := newRig(t, limits)
	r.blind = true
	buckets := func() int { return len(r.table.spaces.at(r.table.spaceOf("ns")).buckets) }
	for i := range 300 {
		r.announced(r.row(i, "ns"))
	}
	require.Equal(t, 19, buckets())
	require.NoError(t, r.table.Audit())
	found := map[peer.ID]bool{}
	for seed := range uint64(1000) {
		for _, id := range peersOf(r.ask("ns", 8, seed+1)) {
			found[id] = true
		}
	}
	require.Len(t, found, 300, "queries go to all buckets")
	r.blind = false
	for i := range 295 {
		gone := r.row(i, "ns")
		gone.TTL = 0
		r.announced(gone)
	}
	require.Equal(t, 1, buckets())
	require.Len(t, r.ask("ns", 8, 1).Rows, 5)
}

// attack is how often an honest provider is in an answer of 8 when 1,000
// identities of so many prefixes hold nine tenths of a namespace. The 111 honest
// ones are of so many prefixes, and no older than the others.
func attack(t *testing.T, prefixes, honestPrefixes int) float64 {
	r := newRig(t, Limits{TableBytes: 32 << 20, PeerRate: free, PrefixRate: free})
	r.blind = true
	chance := rand.New(rand.NewPCG(3, 4))
	for _, i := range chance.Perm(1111) {
		a := r.row(i, "ns")
		a.Origin = from(i % prefixes)
		if i >= 1000 {
			a.Origin = from(10_000 + i%honestPrefixes)
		}
		r.announced(a)
		r.pass(time.Second)
	}
	hits := 0
	for seed := range uint64(2000) {
		if slices.ContainsFunc(peersOf(r.ask("ns", 8, seed+1)), func(id peer.ID) bool { return id >= who(1000) }) {
			hits++
		}
	}
	return float64(hits) / 2000
}

func TestAnHonestProviderIsInAnswersWhenAnAttackerOfFewPrefixesHoldsMostRows(t *testing.T) {
	for _, c := range []struct {
		prefixes, honest int
		least            float64
	}{{1, 111, 0.95}, {16, 111, 0.95}, {16, 40, 0.95}, {16, 20, 0.95}, {16, 5, 0.8}, {1000, 111, 0.5}} {
		share := attack(t, c.prefixes, c.honest)
		t.Logf("attacker of %4d prefixes, honest of %3d: an honest provider in %.1f %% of answers", c.prefixes, c.honest, 100*share)
		require.GreaterOrEqual(t, share, c.least)
	}
}

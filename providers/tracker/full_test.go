package tracker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fullNamespace is a table in which one namespace has room for about 60 rows.
func fullNamespace(t *testing.T) *rig {
	limits := open()
	limits.NamespaceBytes = 60 * (rowBytes + 16)
	return newRig(t, limits)
}

func (r *rig) has(n int, namespace string) bool {
	h := r.table.rowOf(r.table.announcerOf(who(n)), r.table.spaceOf(namespace))
	return h != 0 && !r.table.rows.at(h).withdrawn()
}

func TestAFullNamespaceTakesFromItsLargestPrefix(t *testing.T) {
	r := fullNamespace(t)
	for i := range 10 {
		r.announced(r.row(i, "ns"))
	}
	flood := func(i int) Verdict {
		r.pass(time.Second)
		a := r.row(i, "ns")
		a.Origin = from(9999)
		return r.announce(a)
	}
	i := 100
	for ; flood(i).Refusal == Accepted; i++ {
	}
	require.Greater(t, i, 140)
	require.Equal(t, RefusedFull, flood(i+1).Refusal, "the flood does not push out itself, nor others")
	for n := 10; n < 20; n++ {
		r.announced(r.row(n, "ns"))
	}
	for n := range 20 {
		require.True(t, r.has(n, "ns"), n)
	}
	require.True(t, r.has(100, "ns"), "the oldest of the flood")
	for n := range 10 {
		require.False(t, r.has(i-1-n, "ns"), "the newest of the flood have gone")
	}
}

func TestAFullNamespaceRefusesWhenNoPrefixHasMoreThanTheNewcomer(t *testing.T) {
	r := fullNamespace(t)
	i := 0
	for ; r.announce(r.row(i, "ns")).Refusal == Accepted; i++ {
	}
	require.Greater(t, i, 50)
	for n := range i {
		require.True(t, r.has(n, "ns"))
	}
	r.announced(r.row(0, "ns"), r.row(999, "other"))
}

func TestWhoHasProvedItselfStaysWhenItsPrefixLosesARow(t *testing.T) {
	r := fullNamespace(t)
	row := func(i int) Announcement {
		a := r.row(i, "ns")
		a.Origin = from(9999)
		return a
	}
	i := 0
	for ; r.announce(row(i)).Refusal == Accepted; i++ {
	}
	r.speak("ns", i-1, Served, 1)
	for n := range 5 {
		r.announced(r.row(1000+n, "ns"))
	}
	require.True(t, r.has(i-1, "ns"))
	require.False(t, r.has(i-2, "ns"))
}

// TestAFloodOfNamespacesCostsTheFlooder: one peer with a million namespaces is
// held by its quota, ten thousand peers with theirs by their prefix.
func TestAFloodOfNamespacesCostsTheFlooder(t *testing.T) {
	limits := open()
	limits.TableBytes = 2 << 20
	r := newRig(t, limits)
	r.blind = true
	for i := range 20 {
		r.announced(r.row(i, fmt.Sprint("honest", i)))
	}
	accepted := 0
	for i := range 20_000 {
		if r.announce(r.row(1000, fmt.Sprint("flood", i))).Refusal == Accepted {
			accepted++
		}
	}
	require.Equal(t, 64, accepted)
	for i := range 10_000 {
		a := r.row(2000+i, fmt.Sprint("crowd", i))
		a.Origin = from(777)
		r.announce(a)
	}
	r.audit()
	require.NotZero(t, r.table.Stat().Refused[RefusedFull])
	for i := 20; i < 40; i++ {
		r.announced(r.row(i, fmt.Sprint("honest", i)))
	}
	for i := range 40 {
		require.True(t, r.has(i, fmt.Sprint("honest", i)))
	}
}

func TestTenThousandPeersOfOneNamespaceLeaveRoomForOthers(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 10_000 {
		a := r.row(i, "crowd")
		a.Record = make([]byte, 500)
		r.announce(a)
	}
	r.audit()
	require.LessOrEqual(t, r.table.spaces.at(r.table.spaceOf("crowd")).bytes, 2<<20)
	r.announced(r.row(20_000, "other"))
}

// fullTable is a table that rows of one prefix, each in a namespace of its own,
// have filled; the last of them, which is returned, has proved itself.
func fullTable(t *testing.T) (r *rig, last int) {
	limits := open()
	limits.TableBytes = 1 << 20
	r = newRig(t, limits)
	r.blind = true
	for i := 0; r.announce(r.crowd(i, 777)).Refusal == Accepted; i++ {
		last = i
	}
	require.Greater(t, last, 500)
	r.speak(fmt.Sprint("crowd", last), last, Served, 1)
	return r, last
}

func (r *rig) crowd(i, prefix int) Announcement {
	a := r.row(i, fmt.Sprint("crowd", i))
	a.Origin = from(prefix)
	return a
}

func TestAFullTableIsSharedAlikeByPrefixesThatWantItAll(t *testing.T) {
	r, last := fullTable(t)
	taken := 0
	for i := 10_000; r.announce(r.crowd(i, 888)).Refusal == Accepted; i++ {
		taken++
	}
	r.audit()
	rows := func(prefix int) int { return int(r.table.rowsOf(prefixOf(from(prefix)))) }
	require.Equal(t, taken, rows(888))
	require.GreaterOrEqual(t, rows(777), rows(888), "who comes later never gets more")
	require.LessOrEqual(t, rows(777), rows(888)+1)
	require.True(t, r.has(last, fmt.Sprint("crowd", last)), "the newest has proved itself, and stays")
	require.False(t, r.has(last-1, fmt.Sprint("crowd", last-1)))
	require.True(t, r.has(0, "crowd0"), "age counts")
}

func TestTheLargestPrefixIsKnownWhateverComesAndGoes(t *testing.T) {
	r := newRig(t, open())
	chance := rand.New(rand.NewPCG(5, 6))
	for range 600 {
		i := chance.IntN(300)
		a := r.row(i, "ns")
		a.Origin = from(i % (1 + i%60)) // some have one row, some many
		if chance.IntN(2) == 0 {
			a.TTL = 0
		}
		r.announce(a)
	}
}

func TestALargerGroupRisesWhenItTakesThePlaceOfASmallOne(t *testing.T) {
	r := newRig(t, open())
	for prefix, rows := range []int{3, 1, 3, 1, 1, 2} {
		for i := range rows {
			a := r.row(10*prefix+i, "ns")
			a.Origin = from(prefix)
			r.announced(a)
		}
	}
	gone := r.row(30, "ns")
	gone.TTL = 0
	r.announced(gone)
}

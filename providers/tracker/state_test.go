package tracker

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func TestAnAnnouncementIsAnsweredWithItsRecordUntilItsTimeIsOver(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	r.pass(59*time.Minute + 59*time.Second)
	answer := r.ask("ns", 8, 1)
	require.Equal(t, []peer.ID{who(1)}, peersOf(answer))
	require.Equal(t, "record of 1", string(answer.Rows[0].Record))
	r.pass(time.Second)
	require.Empty(t, r.ask("ns", 8, 1).Rows)
	require.Zero(t, r.table.Stat().Namespaces, "nothing is left of it")
}

func TestARowThatIsOverIsInNoAnswerEvenBeforeTheClockTicks(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	r.now = r.now.Add(time.Hour)
	require.Empty(t, r.ask("ns", 8, 1).Rows)
}

func TestATTLIsClampedWhateverItIs(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		1: time.Minute, time.Minute: time.Minute, time.Hour: time.Hour, 3 * time.Hour: 2 * time.Hour,
		math.MaxInt64: 2 * time.Hour, -1: time.Minute, math.MinInt64: time.Minute,
	} {
		t.Run(fmt.Sprint(int64(ttl)), func(t *testing.T) {
			r := newRig(t, open())
			a := r.row(1, "ns")
			a.TTL = ttl
			r.announced(a)
			r.pass(want - time.Second)
			require.Len(t, r.ask("ns", 8, 1).Rows, 1)
			r.pass(time.Second)
			require.Empty(t, r.ask("ns", 8, 1).Rows)
		})
	}
}

func TestAnAnnouncementOfAnotherTimeIsRefused(t *testing.T) {
	r := newRig(t, open())
	for issued, want := range map[time.Duration]Refusal{
		10 * time.Minute: Accepted, 10*time.Minute + 1: RefusedEarly,
		-10 * time.Minute: Accepted, -10*time.Minute - 1: RefusedLate, math.MinInt64: RefusedLate,
	} {
		a := r.row(1, "ns")
		a.Issued = r.now.Add(issued)
		require.Equal(t, want, r.announce(a).Refusal, issued)
	}
}

func TestALowerSequenceNeverReplacesAHigherOneAndIsToldIt(t *testing.T) {
	r := newRig(t, open())
	a := r.row(1, "ns")
	a.Seq = 100
	r.announced(a)
	for _, seq := range []uint64{0, 99, 100} {
		a.Seq = seq
		require.Equal(t, Verdict{Refusal: RefusedSequence, Seq: 100}, r.table.Announce(r.now, a))
		require.Equal(t, Verdict{Refusal: RefusedSequence, Seq: 100}, r.announce(a), "nor is its signature verified")
	}
	a.Seq = math.MaxUint64
	r.announced(a)
}

func TestAWithdrawalIsRememberedForTheLongestTTL(t *testing.T) {
	r := newRig(t, open())
	a := r.row(1, "ns")
	r.announced(a)
	gone := r.row(1, "ns")
	gone.TTL = 0
	r.announced(gone)
	require.Empty(t, r.ask("ns", 8, 1).Rows)
	r.pass(2*time.Hour - time.Second)
	a.Issued = r.now
	require.Equal(t, Verdict{Refusal: RefusedSequence, Seq: gone.Seq}, r.announce(a))
	require.Equal(t, 1, r.table.Stat().Withdrawn)
	r.pass(time.Second)
	require.Zero(t, r.table.Stat().Announcers)
}

func TestAWithdrawalIsRememberedOnlyWhereARowWas(t *testing.T) {
	r := newRig(t, open())
	gone := r.row(1, "ns")
	gone.TTL = 0
	require.Equal(t, RefusedUnknown, r.announce(gone).Refusal)
	require.Zero(t, r.table.Stat().Namespaces+r.table.Stat().Announcers)
}

func TestWhoWithdrewCanAnnounceAgain(t *testing.T) {
	r := newRig(t, open())
	r.announced(r.row(1, "ns"))
	gone := r.row(1, "ns")
	gone.TTL = 0
	r.announced(gone, r.row(1, "ns"))
	require.Len(t, r.ask("ns", 8, 1).Rows, 1)
}

func TestATouchKeepsARowUntilADayAfterItWasSigned(t *testing.T) {
	r := newRig(t, open())
	a := r.row(1, "ns")
	r.announced(a)
	touch := func(id peer.ID, seq uint64) Verdict { return r.table.Touch(r.now, id, a.Origin, "ns", seq) }
	r.pass(50 * time.Minute)
	require.Equal(t, RefusedUnknown, touch(who(2), a.Seq).Refusal, "of another")
	require.Equal(t, Verdict{Refusal: RefusedSequence, Seq: a.Seq}, touch(who(1), a.Seq+1))
	for range 27 {
		require.Equal(t, Verdict{}, touch(who(1), a.Seq))
		r.pass(50 * time.Minute)
		require.Len(t, r.ask("ns", 8, 1).Rows, 1)
	}
	require.Equal(t, Verdict{}, touch(who(1), a.Seq))
	r.pass(-r.now.Sub(start.Add(record.MaxAge)) - time.Second)
	require.Equal(t, 40*time.Minute-time.Second, r.ask("ns", 8, 1).Rows[0].Age)
	r.pass(time.Second)
	require.Equal(t, RefusedUnknown, touch(who(1), a.Seq).Refusal)
}

func TestAPeerIsAnnouncedInNoMoreNamespacesThanItsQuota(t *testing.T) {
	r := newRig(t, open())
	for i := range 1000 {
		v := r.announce(r.row(1, fmt.Sprint("ns", i)))
		require.Equal(t, i >= 64, v.Refusal == RefusedNamespaces, i)
	}
	require.Equal(t, 64, r.table.Stat().Rows)
	r.announced(r.row(2, "ns1"), r.row(1, "ns1"))
}

func TestWithdrawalsThatAreRememberedHaveAQuotaToo(t *testing.T) {
	r := newRig(t, open())
	accepted := 0
	for i := range 500 {
		a := r.row(1, fmt.Sprint("ns", i))
		if r.announce(a).Refusal == Accepted {
			accepted++
			a.Seq, a.TTL = a.Seq+1, 0
			r.seq++
			r.announced(a)
		}
	}
	require.Equal(t, 128, accepted)
}

func TestNamesAndRecordsOfAnySizeAreRefused(t *testing.T) {
	r := newRig(t, open())
	for what, spoil := range map[string]func(*Announcement){
		"no namespace": func(a *Announcement) { a.Namespace = "" },
		"namespace":    func(a *Announcement) { a.Namespace = string(make([]byte, 129)) },
		"no peer":      func(a *Announcement) { a.Peer = "" },
		"peer":         func(a *Announcement) { a.Peer = peer.ID(make([]byte, 65)) },
		"record":       func(a *Announcement) { a.Record = make([]byte, 8193) },
	} {
		a := r.row(1, "ns")
		spoil(&a)
		require.Equal(t, RefusedSize, r.table.Announce(r.now, a).Refusal, what)
	}
	require.Equal(t, RefusedSize, r.ask("", 8, 1).Refusal)
	require.Equal(t, RefusedSize, r.ask(string(make([]byte, 1000)), 8, 1).Refusal)
	require.Zero(t, r.table.Stat().Announcers)
}

func TestAQueryIsClampedAndLeavesNothingBehind(t *testing.T) {
	r := newRig(t, open())
	for i := range 100 {
		r.announced(r.row(i, "ns"))
	}
	before := r.table.Stat().Namespaces
	require.Empty(t, r.ask("unknown", 8, 1).Rows)
	require.Equal(t, before, r.table.Stat().Namespaces)
	for k, want := range map[uint64]int{0: 0, 1: 1, 8: 8, 64: 64, 65: 64, 1 << 31: 64, math.MaxUint64: 64} {
		answer := r.ask("ns", k, 7)
		require.Len(t, answer.Rows, want)
		seen := map[peer.ID]bool{}
		for _, c := range answer.Rows {
			require.False(t, seen[c.Peer], "twice")
			seen[c.Peer] = true
		}
	}
}

func TestPeersOfOneRateArePausedAndOthersAreNot(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 8 << 20})
	refused := Verdict{}
	accepted := 0
	for i := range 200 {
		if v := r.announce(r.row(1, fmt.Sprint("ns", i%64))); v.Refusal == Accepted {
			accepted++
		} else {
			refused = v
		}
	}
	require.Equal(t, 120, accepted, "a minute's worth at once")
	require.Equal(t, RefusedRate, refused.Refusal)
	require.InDelta(t, 0.5, refused.After.Seconds(), 0.01)
	r.announced(r.row(2, "ns"))
	r.now = r.now.Add(refused.After)
	r.announced(r.row(1, "ns0"))
}

func TestPeersOfOnePrefixShareItsRate(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 8 << 20})
	accepted := 0
	for i := range 1000 {
		q := Query{Peer: who(i % 100), Origin: from(1), Namespace: "ns", K: 8}
		for range 12 {
			if r.table.Query(r.now, q, nil).Refusal == Accepted {
				accepted++
			}
		}
	}
	require.Equal(t, 16*600, accepted)
	require.NotZero(t, r.table.Stat().Refused[RefusedPrefixRate])
	require.Equal(t, Accepted, r.ask("ns", 8, 1).Refusal)
}

func TestBytesCountAgainstTheRate(t *testing.T) {
	r := newRig(t, Limits{TableBytes: 8 << 20, PeerRate: Rate{Announces: 100, Queries: 100, Bytes: 1000}})
	a := r.row(1, "ns")
	a.Record = make([]byte, 8000)
	accepted := 0
	for range 20 {
		r.seq++
		a.Seq = r.seq
		if r.announce(a).Refusal == Accepted {
			accepted++
		}
	}
	require.Equal(t, 7, accepted)
}

func TestAPrefixIsASlash24OrASlash48(t *testing.T) {
	same := func(a, b string) bool { return prefixOf(netip.MustParseAddr(a)) == prefixOf(netip.MustParseAddr(b)) }
	require.True(t, same("10.1.2.3", "10.1.2.250"))
	require.True(t, same("10.1.2.3", "::ffff:10.1.2.4"))
	require.False(t, same("10.1.2.3", "10.1.3.3"))
	require.True(t, same("2001:db8:1:2::1", "2001:db8:1:ffff::2"))
	require.False(t, same("2001:db8:1::1", "2001:db8:2::1"))
	require.Zero(t, prefixOf(netip.Addr{}))
}

func TestAClockThatIsSetBackLeavesNoRowBehind(t *testing.T) {
	r := newRig(t, open())
	r.pass(time.Hour)
	r.now = start
	a := r.row(1, "ns")
	a.TTL = time.Minute
	r.announced(a)
	r.pass(time.Hour + time.Second)
	require.Zero(t, r.table.Stat().Rows)
}

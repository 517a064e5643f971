package resolver

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

const large = "0123456789" // of three parts

// underway returns a scene in which one peer has sent the first part of a large value, the
// request for the second, and the others.
func underway(t *testing.T) (r *scene, second ask) {
	r = newScene(t, Limits{Hedge: -1}, ann, ben, cat)
	r.plain("k")
	a := r.asked()
	r.reply(a, begins(large))
	second = r.asked()
	require.Equal(t, a.to, second.to, "all parts of one value come from one peer")
	require.Equal(t, uint32(1), second.part)
	require.Equal(t, (wire.Parts{Hashes: hashes(large), Size: len(large)}).List(), second.list)
	return r, second
}

func TestAValueComesInParts(t *testing.T) {
	r, a := underway(t)
	r.says(a, large[4:8])
	r.says(r.asked(), large[8:])
	require.Equal(t, []job{{"k", [][]byte{[]byte("0123"), []byte("4567"), []byte("89")}}}, r.out.jobs)
	require.Equal(t, uint64(2), r.counts.Parts)
	r.verdict("k", false)
	require.Equal(t, []peer.ID{a.to}, r.blockedPeers(), "a sole supplier has lied")
}

// A value goes on at another peer that has the same list. When the value is refused, it
// is not known which of them has lied.
func TestAValueGoesOnAtAnotherPeer(t *testing.T) {
	r, a := underway(t)
	r.do(func() { r.parted(r.now, a.to) })
	b := r.next()
	require.NotEqual(t, a.to, b.to)
	require.Equal(t, a.part, b.part)
	require.Equal(t, a.list, b.list)
	r.says(b, large[4:8])
	c := r.asked()
	require.Equal(t, b.to, c.to)
	r.says(c, large[8:])
	r.verdict("k", false)
	require.Empty(t, r.blockedPeers())
	for _, p := range []peer.ID{a.to, b.to} {
		require.InDelta(t, penaltyShared, r.penalty(r.remotes[p]), 0.01)
	}
}

// From a peer that has another value it begins again, from it.
func TestAValueBeginsAgainFromAPeerThatHasAnother(t *testing.T) {
	r, a := underway(t)
	r.refuses(a, wire.CodeNone)
	b := r.next()
	r.refuses(b, wire.CodeChanged)
	c := r.asked()
	require.Equal(t, b.to, c.to)
	require.Equal(t, ask{id: c.id, to: b.to, key: "k"}, c)
	require.Zero(t, r.held)
	r.reply(c, begins("abcdefgh"))
	r.says(r.asked(), "efgh")
	r.verdict("k", true)
	require.Empty(t, r.fetches)
}

// Bytes of a part that do not have its hash are that peer's invalid data.
func TestAPartThatDoesNotFitBlocksItsPeer(t *testing.T) {
	r, a := underway(t)
	r.says(a, "xxxx")
	require.Equal(t, []peer.ID{a.to}, r.blockedPeers())
	b := r.next()
	require.NotEqual(t, a.to, b.to)
	require.Zero(t, b.part, "its list is not trusted")
	lie := begins(large)
	lie.data = []byte("xxxx")
	r.reply(b, lie)
	require.ElementsMatch(t, []peer.ID{a.to, b.to}, r.blockedPeers())
}

// A peer that has left and sends a part that does not fit is remembered.
func TestAPeerThatHasLeftIsBlockedForItsLastPart(t *testing.T) {
	r, a := underway(t)
	r.do(func() { r.setMembers(r.now, []peer.ID{"dan"}) })
	r.says(a, "xxxx")
	require.Equal(t, []peer.ID{a.to}, r.blockedPeers())
	r.do(func() { r.setMembers(r.now, []peer.ID{a.to, "dan"}) })
	require.Equal(t, peer.ID("dan"), r.next().to)
}

// Size, number of hashes and length of the data must agree, or the answer is malformed.
func TestPartsThatContradictThemselvesAreMalformed(t *testing.T) {
	first := map[string]func(*answer){
		"no hashes":       func(a *answer) { a.hashes = nil },
		"a hash too few":  func(a *answer) { a.hashes = a.hashes[:32] },
		"half a hash":     func(a *answer) { a.hashes = a.hashes[:80] },
		"a short part":    func(a *answer) { a.data = a.data[:3] },
		"no size":         func(a *answer) { a.size = 0 },
		"fits in a part":  func(a *answer) { a.size = 4 },
		"over the limit":  func(a *answer) { a.size = 1 << 40 },
		"a negative size": func(a *answer) { a.size = -1 },
	}
	for name, change := range first {
		t.Run(name, func(t *testing.T) {
			r := newScene(t, Limits{}, ann)
			r.plain("k")
			x := begins(large)
			change(&x)
			r.reply(r.asked(), x)
			require.InDelta(t, penaltyMalformed, r.penalty(r.remotes[ann]), 0.01)
			require.Empty(t, r.blockedPeers())
			require.Zero(t, r.held)
		})
	}
	for name, x := range map[string]answer{"short": {data: []byte("456")}, "a first part": begins(large), "long": {data: []byte("45678")}} {
		t.Run("then "+name, func(t *testing.T) {
			r, a := underway(t)
			r.reply(a, x)
			require.InDelta(t, penaltyMalformed, r.penalty(r.remotes[a.to]), 0.01)
			require.Equal(t, uint32(1), r.next().part, "it goes on elsewhere")
		})
	}
}

// A list of parts that nobody can go on with does not hold its room for ever.
func TestAValueThatNobodyGoesOnWithBeginsAgain(t *testing.T) {
	r, a := underway(t)
	for range mostResumes + 1 {
		require.Equal(t, int64(len(large)), r.held)
		require.Equal(t, uint32(1), a.part)
		r.refuses(a, wire.CodeNone)
		a = r.next()
	}
	require.Zero(t, r.held)
	require.Zero(t, a.part)
}

// A value whose peer leaves the set goes on at another when the part that it was asked for
// has come, or not.
func TestAValueGoesOnWhenItsPeerLeaves(t *testing.T) {
	r, a := underway(t)
	var others []peer.ID
	for _, p := range []peer.ID{ann, ben, cat} {
		if p != a.to {
			others = append(others, p)
		}
	}
	r.do(func() { r.setMembers(r.now, others) })
	r.nobody()
	r.says(a, large[4:8])
	b := r.asked()
	require.Contains(t, others, b.to)
	require.Equal(t, uint32(2), b.part)
}

// Values under way have their room, and go before keys that have none yet.
func TestAValueUnderWayGoesFirst(t *testing.T) {
	r := newScene(t, Limits{Outstanding: 1, Undelivered: 16, MaxValue: 16, Hedge: -1}, ann)
	r.plain("k", "l", "m")
	r.reply(r.asked(), begins("0123456789abcdef"))
	for part := range 3 {
		a := r.asked()
		require.Equal(t, Key("k"), a.key)
		require.Equal(t, uint32(part+1), a.part)
		r.says(a, "0123456789abcdef"[4*part+4:4*part+8])
	}
	r.pass(time.Minute)
	r.nobody()
	r.verdict("k", true)
	require.Equal(t, Key("l"), r.asked().key)
}

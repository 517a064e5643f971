package resolver

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

// claims begins a value of 16 bytes that nothing has to follow.
func (r *scene) claims(a ask) { r.t.Helper(); r.reply(a, begins("0123456789abcdef")) }

// Values that are larger than any good one of their peer take half of the room. Who tells
// of more waits until it is there, and neither the key nor those behind it do.
func TestWhatIsOnlyClaimedTakesHalfOfTheRoom(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 64, MaxValue: 32, Hedge: -1}, ann, ben, cat)
	r.plain("a", "b", "c", "d")
	open := r.all()
	for _, a := range open[:3] {
		r.claims(a)
	}
	require.Equal(t, int64(32), r.claimed)
	require.Equal(t, []*remote{r.remotes[open[2].to]}, r.turned)
	require.Equal(t, "no room for its value", r.spared(r.remotes[open[2].to]))
	require.Zero(t, r.penalty(r.remotes[open[2].to]))
	again := r.all()
	require.Len(t, again, 3, "two parts, and the third key at once from somebody else")
	for _, a := range again {
		require.NotEqual(t, open[2].to, a.to)
		if a.key == "c" {
			r.says(a, "c")
		}
	}
	r.says(open[3], "d")
	r.verdict("c", true)
	r.verdict("d", true)
	r.plain("e", "f", "g", "h")
	for _, a := range r.all() {
		require.NotEqual(t, open[2].to, a.to)
		r.says(a, "v")
		r.verdict(a.key, true)
	}
	require.NotEmpty(t, r.turned)
	r.do(func() { r.cancel(r.now, []Key{"a"}) })
	require.Empty(t, r.turned, "there is room now")
}

// What a peer has given once it may begin again; a size alone proves nothing.
func TestAPeerIsBelievedASizeThatItHasGiven(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 64, MaxValue: 32, Hedge: -1}, ann)
	r.plain("k")
	r.reply(r.asked(), begins("01234567"))
	require.Equal(t, int64(8), r.claimed)
	r.says(r.asked(), "4567")
	r.verdict("k", true)
	require.Zero(t, r.claimed)
	r.plain("l", "m")
	open := r.all()
	r.reply(open[0], begins("01234567"))
	require.Zero(t, r.claimed)
	r.claims(open[1])
	require.Equal(t, int64(16), r.claimed)
	r.do(func() { r.setMembers(r.now, nil) })
	require.Zero(t, r.remotes[ann].largest, "it is forgotten with the peer")
}

// A peer that waits for room goes on with the value that it has begun: it may be what
// takes the room.
func TestAPeerThatWaitsForRoomGoesOnWithItsValue(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 32, MaxValue: 16, Hedge: -1}, ann)
	r.plain("k", "l")
	open := r.all()
	r.claims(open[0])
	a := r.asked()
	r.claims(open[1])
	require.NotEmpty(t, r.turned)
	for from := 4; from < 16; from += 4 {
		require.Equal(t, Key("k"), a.key)
		r.says(a, "0123456789abcdef"[from:from+4])
		if from < 12 {
			a = r.asked()
		}
	}
	r.pass(r.limits.Timeout - 1)
	r.nobody()
	r.verdict("k", true)
	require.Equal(t, Key("l"), r.asked().key)
}

// What takes the room may wait for somebody who waits for room: that ends after a while.
func TestAPeerThatWaitsForRoomIsAskedAgainAfterAWhile(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 32, MaxValue: 16, Hedge: -1}, ann, ben)
	r.aimed("k", ann)
	r.claims(r.asked())
	r.all()
	r.aimed("l", ben)
	r.claims(r.asked())
	r.aimed("k", ben)
	r.do(func() { r.setMembers(r.now, []peer.ID{ben}) })
	r.do(func() { r.parted(r.now, ann) })
	r.pass(r.limits.Timeout - 1)
	r.nobody()
	r.pass(1)
	a := r.all()[0]
	require.Equal(t, Key("k"), a.key, "which is under way")
	require.Equal(t, uint32(1), a.part)
}

// A peer that leaves or comes back waits for nothing.
func TestAPeerThatLeavesDoesNotWaitForRoom(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 32, MaxValue: 16, Hedge: -1}, ann, ben)
	r.aimed("k", ann)
	r.claims(r.asked())
	r.all()
	r.aimed("l", ben)
	r.claims(r.asked())
	require.NotEmpty(t, r.turned)
	r.nobody()
	r.do(func() { r.setMembers(r.now, []peer.ID{ann}) })
	require.Empty(t, r.turned)
	r.do(func() { r.setMembers(r.now, []peer.ID{ann, ben}) })
	require.Equal(t, ben, r.asked().to)
}

// A second peer that is asked for a part, and has another value, has not failed. What it
// has is taken in place of one of which nothing but the first part has come.
func TestASecondPeerMayHaveAnotherValue(t *testing.T) {
	for _, parts := range []int{1, 2} {
		r := newScene(t, Limits{Undelivered: 64, MaxValue: 32}, ann, ben)
		r.plain("k")
		r.claims(r.asked())
		part := r.asked()
		if parts == 2 {
			r.says(part, "4567")
			part = r.asked()
		}
		hedge := r.next()
		require.NotEqual(t, part.to, hedge.to)
		before := r.remotes[hedge.to].performance
		r.refuses(hedge, wire.CodeChanged)
		require.Equal(t, before, r.remotes[hedge.to].performance)
		if parts == 2 {
			r.nobody()
			require.Equal(t, int64(16), r.held, "the first may go on yet")
			continue
		}
		require.Zero(t, r.held)
		again := r.asked()
		require.Equal(t, ask{id: again.id, to: hedge.to, key: "k"}, again)
		r.says(part, "4567")
		require.Zero(t, r.held, "which is of no use any more")
	}
}

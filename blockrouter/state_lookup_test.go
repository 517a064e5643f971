package blockrouter

import (
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

func TestWantSaysWhatIsHereAndWhatIsNot(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b")
	r.look("a")
	require.Equal(t, "local a, missing b", r.told(1))
	r.load(1, "a")
	r.look("a")
	require.Equal(t, "block a", r.told(1))
	r.message("peer", "a")
	require.Empty(t, r.told(1), "it was delivered")
}

func TestBlockThatWentBeforeItWasLoadedIsMissing(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.look("a")
	r.load(1, "a")
	r.look("")
	require.Equal(t, "missing a", r.told(1))
	r.message("peer", "a")
	require.Equal(t, "block a peer", r.told(1), "it is wanted all the while")
}

func TestBlockThatComesDuringTheLookupIsToldOnce(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.put("a")
	require.Equal(t, "block a", r.told(1))
	r.look("a")
	require.Empty(t, r.out.info)
}

// What the store said about a want that was withdrawn is not an answer to the
// next: the block may have come in between.
func TestAnswerToAnEarlierWantIsNotGiven(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.cancel(1, "a")
	r.put("a")
	r.want(1, "a")
	r.look("")
	require.Empty(t, r.out.info)
	r.look("a")
	require.Equal(t, "local a", r.told(1))
}

func TestFailureIsToldOfWhatIsStillWanted(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b")
	r.cancel(1, "b")
	j := r.jobs[0]
	r.looked(time.Time{}, looked{lookup: j, failed: map[cid.Cid]error{j.cids[0]: errDisk, j.cids[1]: errDisk}})
	r.then()
	require.Equal(t, "failed a", r.told(1))
}

func TestWhatWasCancelledIsNotLookedUp(t *testing.T) {
	r := newRig(t)
	r.want(1, "x")
	r.want(1, "a b c d")
	r.cancel(1, "b c d")
	r.look("")
	require.Len(t, r.jobs, 1)
	require.Equal(t, "a", namesOf(r.jobs[0].cids))
	r.look("")
	require.Empty(t, r.jobs)
	require.Empty(t, r.turns)
}

func TestLookupsAreBoundedByTheWorkers(t *testing.T) {
	r := newRig(t, func(l *limits) { l.workers = 2 })
	r.want(1, "a b c d e f g")
	require.Len(t, r.jobs, 2)
	for range 4 {
		require.LessOrEqual(t, r.looking, 2)
		r.look("")
	}
	require.Empty(t, r.jobs)
	require.Zero(t, r.looking)
}

// A session that wants a great deal does not hold up the others, and what was
// found is read before more is looked for.
func TestLinksTakeTurnsAndLoadsGoFirst(t *testing.T) {
	r := newRig(t)
	r.want(1, "a b c d e f")
	r.want(2, "x y z")
	r.load(1, "a")
	var order []string
	for len(r.jobs) > 0 {
		order = append(order, namesOf(r.jobs[0].cids))
		r.look("a b c d e f x y z")
	}
	require.Equal(t, []string{"a b", "a", "x y", "c d", "z", "e f"}, order)
}

func TestArgumentsAreNotChanged(t *testing.T) {
	s := newState(limits{lookupCIDs: 10, workers: 1})
	s.open(1)
	asked := cids("a b c")
	s.want(1, cids("x"))
	s.want(1, asked)
	s.cancel(1, cids("a"))
	s.looked(time.Time{}, looked{lookup: s.take().lookups[0]})
	require.Equal(t, "b c", namesOf(s.take().lookups[0].cids))
	require.Equal(t, cids("a b c"), asked)
}

func TestBlockThatNobodyAskedToLoadIsDropped(t *testing.T) {
	r := newRig(t)
	r.want(1, "a")
	r.looked(time.Time{}, looked{lookup: r.jobs[0], blocks: []blocks.Block{block("b")}})
	r.then()
	require.Empty(t, r.out.info)
}

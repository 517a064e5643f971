package providers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRefused = errors.New("refused")

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const timeout = 30 * time.Second

// rig drives a state without goroutines and remembers what it did.
type rig struct {
	*testing.T
	*state
	now time.Time
	out effects // of the last event
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, state: newState(timeout, true), now: began}
	for l := linkID(1); l <= 3; l++ {
		r.open(l)
	}
	return r
}

func ids(names string) (all []peer.ID) {
	for _, name := range strings.Fields(names) {
		all = append(all, peer.ID(name))
	}
	return all
}

func sample(name string) []cid.Cid { return []cid.Cid{blocks.NewBlock([]byte(name)).Cid()} }

func (r *rig) then() { r.out = r.take() }

// find asks in the namespace "films".
func (r *rig) find(l linkID, most int) { r.ask(l, Query{Namespace: "films", Most: most}) }

func (r *rig) ask(l linkID, q Query) { r.state.find(r.now, l, q); r.then() }

func (r *rig) served(names string) { r.state.served("films", ids(names)) }

func (r *rig) connected(names string) {
	for _, p := range ids(names) {
		r.peerState(p, true)
	}
}

func (r *rig) found(q queryID, name string) {
	r.state.found(q, peer.AddrInfo{ID: peer.ID(name)})
	r.then()
}

func (r *rig) ended(q queryID) { r.state.ended(r.now, q); r.then() }

func (r *rig) cancelAll(l linkID) { r.state.cancelAll(l); r.then() }

func (r *rig) enough(l linkID) { r.state.enough(l); r.then() }

func (r *rig) started() (all []queryID) {
	for _, q := range r.out.start {
		all = append(all, q.id)
	}
	return all
}

// told is what a link heard of the last event.
func (r *rig) told(l linkID) string {
	var all Candidates
	heard := false
	for _, t := range r.out.told {
		if t.link == l {
			all, heard = merge(all, t.candidates), true
		}
	}
	if !heard {
		return ""
	}
	return describe(all)
}

func describe(c Candidates) string {
	var words []string
	for _, p := range c.Peers {
		words = append(words, string(p.ID))
	}
	if c.Done {
		words = append(words, "done")
	}
	return strings.Join(words, " ")
}

func requireEmpty(t require.TestingT, s *state) {
	require.Empty(t, s.links)
	require.Empty(t, s.flying)
	require.Empty(t, s.ageing)
	require.Empty(t, s.waiting)
	require.Empty(t, s.running)
	require.Zero(t, s.wake())
}

func TestUsefulConnectedPeersAreEnough(t *testing.T) {
	r := newRig(t)
	r.served("a b c")
	r.served("a")
	r.connected("a b d")
	r.find(1, 2)
	require.Equal(t, "a b done", r.told(1), "the last to serve first; c is not connected")
	require.Empty(t, r.out.start)
	r.find(2, 1)
	require.Equal(t, "a done", r.told(2))
}

func TestUsefulnessIsOfANamespace(t *testing.T) {
	r := newRig(t)
	r.served("a")
	r.connected("a")
	r.ask(1, Query{Namespace: "songs", Most: 1})
	require.Empty(t, r.told(1))
	require.Len(t, r.out.start, 1)
}

func TestFindersAreAskedWhenTooFewAreUseful(t *testing.T) {
	r := newRig(t)
	r.served("a")
	r.connected("a")
	r.find(1, 3)
	require.Equal(t, "a", r.told(1))
	require.Equal(t, []queryID{1}, r.started())
	r.found(1, "a")
	require.Empty(t, r.told(1), "it was told")
	r.found(1, "b")
	require.Equal(t, "b", r.told(1))
	r.ended(1)
	require.Equal(t, "done", r.told(1))
	r.cancelAll(1)
	require.Empty(t, r.out.stop)
}

// Useful peers and candidates together never exceed what was asked for.
func TestNobodyIsToldMoreThanWasAskedFor(t *testing.T) {
	r := newRig(t)
	r.served("a")
	r.connected("a")
	r.find(1, 3)
	r.found(1, "b")
	r.found(1, "c")
	require.Equal(t, "c done", r.told(1), "at once, not at the end of the search")
	require.Equal(t, []queryID{1}, r.out.stop)
	r.found(1, "d")
	require.Empty(t, r.out)
	r.ended(1)
	require.Empty(t, r.out)
}

func TestOneQueryServesAllWhoAskTheSame(t *testing.T) {
	r := newRig(t)
	r.find(1, 8)
	r.found(1, "a")
	r.find(2, 8)
	require.Equal(t, "a", r.told(2), "what was found before")
	require.Empty(t, r.out.start)
	r.found(1, "b")
	require.Equal(t, "b", r.told(1))
	require.Equal(t, "b", r.told(2))
	r.cancelAll(1)
	require.Empty(t, r.out.stop, "somebody waits")
	r.ended(1)
	require.Empty(t, r.told(1))
	require.Equal(t, "done", r.told(2))
}

func TestOtherQuestionsAreOtherQueries(t *testing.T) {
	r := newRig(t)
	for n, q := range []Query{
		{Namespace: "films", Most: 8}, {Namespace: "films", Most: 9}, {Namespace: "songs", Most: 8},
		{Namespace: "films", Most: 8, CIDs: sample("x")}, {Namespace: "films", Most: 8, CIDs: sample("y")},
	} {
		r.open(linkID(10 + n))
		r.ask(linkID(10+n), q)
		require.Equal(t, []queryID{queryID(n + 1)}, r.started())
	}
}

func TestQueryThatNobodyWaitsForIsStoppedAndNotJoined(t *testing.T) {
	r := newRig(t)
	r.find(1, 8)
	r.cancelAll(1)
	require.Equal(t, []queryID{1}, r.out.stop)
	r.find(2, 8)
	require.Equal(t, []queryID{2}, r.started(), "the stopped one may take its time")
	r.found(1, "late")
	require.Empty(t, r.out)
	r.found(2, "a")
	r.ended(1)
	require.Empty(t, r.out)
	r.ended(2)
	require.Equal(t, "done", r.told(2))
}

// A link that has enough ends its query as one that leaves does, and may ask again:
// what was found until then was of use and is told at once.
func TestQueryEndsWhenItsLinkHasEnough(t *testing.T) {
	r := newRig(t)
	r.find(1, 8)
	r.find(2, 8)
	r.found(1, "a")
	r.enough(1)
	require.Empty(t, r.out.stop, "another link waits")
	r.found(1, "b")
	require.Empty(t, r.told(1))
	r.enough(2)
	require.Equal(t, []queryID{1}, r.out.stop)
	r.ended(1)
	r.enough(2)
	require.Empty(t, r.out)
	r.find(1, 8)
	require.Equal(t, "a b", r.told(1))
	require.Equal(t, []queryID{2}, r.started())
}

func TestNewFindReplacesTheOneInFlight(t *testing.T) {
	r := newRig(t)
	r.find(1, 8)
	r.ask(1, Query{Namespace: "songs", Most: 8})
	require.Equal(t, []queryID{1}, r.out.stop)
	require.Equal(t, []queryID{2}, r.started())
	r.ended(1)
	require.Empty(t, r.told(1))
	r.ask(1, Query{Namespace: "songs", Most: 8})
	require.Empty(t, r.out, "the same: its answer is on the way")
	r.ended(2)
	require.Equal(t, "done", r.told(1))
}

func TestWhatWasFoundServesTheNextForAMinute(t *testing.T) {
	r := newRig(t)
	r.find(1, 2)
	r.found(1, "a")
	r.found(1, "b")
	r.ended(1)
	r.now = began.Add(cacheFor - 1)
	r.find(2, 2)
	require.Equal(t, "a b done", r.told(2))
	require.Empty(t, r.out.start)
	r.find(3, 3)
	require.Equal(t, "a b", r.told(3), "and more is looked for")
	require.Len(t, r.out.start, 1)
	r.now = began.Add(cacheFor)
	r.open(4)
	r.find(4, 2)
	require.Empty(t, r.told(4))
}

// Who asks again found that what is known is dead, or has not what it wants: the
// directory is asked although enough is known.
func TestAskingAgainGoesToTheFinders(t *testing.T) {
	r := newRig(t)
	r.served("a b")
	r.connected("a b")
	r.find(1, 2)
	require.Equal(t, "b a done", r.told(1))
	r.find(1, 2)
	require.Empty(t, r.told(1))
	require.Equal(t, []queryID{1}, r.started())
	r.found(1, "c")
	r.found(1, "d")
	require.Equal(t, "d done", r.told(1))
	r.ended(1)

	r.now = began.Add(cacheFor)
	r.find(1, 2)
	require.Equal(t, "b a done", r.told(1), "much later it is a new question")
}

func TestWithoutFindersWhatIsKnownIsAll(t *testing.T) {
	r := newRig(t)
	r.finders = false
	r.served("a")
	r.connected("a")
	for range 2 {
		r.find(1, 8)
		require.Equal(t, "a done", r.told(1))
	}
}

func TestQueriesAtTheFindersAreBounded(t *testing.T) {
	r := newRig(t)
	for n := range linkID(maxQueries + 3) {
		r.open(10 + n)
		r.ask(10+n, Query{Namespace: fmt.Sprint(n), Most: 1})
	}
	require.Len(t, r.running, maxQueries)
	r.cancelAll(10 + maxQueries)
	require.Empty(t, r.out.stop, "it had not begun")
	r.cancelAll(10)
	require.Empty(t, r.out.start, "the finders have not ended it yet")
	r.ended(1)
	require.Equal(t, []queryID{maxQueries + 2}, r.started())
}

// A finder that does not come back costs its place, and nobody waits for it.
func TestQueryIsDoneWhenItsTimeIsOut(t *testing.T) {
	r := newRig(t)
	r.find(1, 8)
	r.found(1, "a")
	require.Equal(t, began.Add(timeout), r.wake())
	r.now = began.Add(timeout)
	r.tick(r.now)
	r.then()
	require.Equal(t, "done", r.told(1))
	require.Equal(t, []queryID{1}, r.out.stop)
	require.Zero(t, r.wake())
	require.Len(t, r.running, 1)
	r.find(2, 1)
	require.Equal(t, "a done", r.told(2), "what it found is remembered")
}

func TestQueryThatNeverBeganIsDoneInTime(t *testing.T) {
	r := newRig(t)
	for n := range linkID(maxQueries) {
		r.open(10 + n)
		r.ask(10+n, Query{Namespace: fmt.Sprint(n), Most: 1})
	}
	r.find(1, 8)
	r.tick(began.Add(timeout))
	r.then()
	require.Equal(t, "done", r.told(1))
	require.Len(t, r.out.stop, maxQueries)
	require.Empty(t, r.waiting)
}

func TestWhatIsWantedIsClamped(t *testing.T) {
	r := newRig(t)
	for _, most := range []int{0, -1, -1 << 62} {
		r.find(1, most)
		require.Equal(t, "done", r.told(1))
	}
	r.find(1, 1<<62)
	require.Equal(t, mostCandidates, r.out.start[0].key.most)
}

func TestLinkThatIsNotOpenIsNotHeard(t *testing.T) {
	r := newRig(t)
	r.find(9, 8)
	require.Empty(t, r.out)
	r.cancelAll(9)
	require.Empty(t, r.out)
	r.cancelAll(1)
	require.Equal(t, []linkID{1}, r.out.closed)
	r.cancelAll(1)
	require.Empty(t, r.out.closed, "once")
}

func TestUsefulPeersAreBoundedAndTheLatestStay(t *testing.T) {
	r := newRig(t)
	for n := range maxUseful + 10 {
		p := fmt.Sprint("p", n)
		r.served(p)
		r.connected(p)
	}
	require.Len(t, r.useful["films"], maxUseful)
	r.find(1, 1)
	require.Equal(t, fmt.Sprint("p", maxUseful+9, " done"), r.told(1))

	for n := range maxNamespaces + 10 {
		r.state.served(fmt.Sprint(n), ids("a"))
		r.served("a") // In use all the while.
		r.state.served("unused", nil)
	}
	require.Len(t, r.useful, maxNamespaces)
	require.Len(t, r.spaces, maxNamespaces)
	require.Contains(t, r.useful, "films")
	require.NotContains(t, r.useful, "0")
	require.NotContains(t, r.useful, "unused")
}

func TestCacheIsBounded(t *testing.T) {
	r := newRig(t)
	for n := range maxCached + 5 {
		r.ask(1, Query{Namespace: fmt.Sprint(n), Most: 1})
		r.found(queryID(n+1), "a")
		r.ended(queryID(n + 1))
		require.LessOrEqual(t, len(r.cache), maxCached)
	}
	r.now = began.Add(2 * cacheFor)
	r.find(1, 1)
	r.found(r.last, "a")
	require.Contains(t, r.cache, subject{namespace: "films"})
}

func TestUnreadPartsMergeAndDoneIsOfTheLastFind(t *testing.T) {
	part := func(done bool, names string) Candidates {
		c := Candidates{Done: done}
		for _, p := range ids(names) {
			c.Peers = append(c.Peers, peer.AddrInfo{ID: p})
		}
		return c
	}
	require.Equal(t, "a b c done", describe(merge(part(false, "a b"), part(true, "b c"))))
	require.Equal(t, "a b", describe(merge(part(true, "a"), part(false, "b"))), "the second find is not done")
	unread := Candidates{}
	for range 1000 {
		unread = merge(unread, part(true, "a b"))
	}
	require.Equal(t, "a b done", describe(unread))
}

package wantmanager

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

// borrowers are links with one want each. They hold bytes within what they were
// told, and answer when they are told less.
type borrowers struct {
	*rig
	knows map[linkID]int // the budget that a link works with
	holds map[linkID]int
}

func newBorrowers(t *testing.T) *borrowers {
	r := newRig(t)
	r.connect(a)
	for _, l := range slices.Sorted(maps.Keys(r.links)) { // The rig's own.
		r.cancelAll(r.now, l)
	}
	r.settle()
	clear(r.budget)
	return &borrowers{r, make(map[linkID]int), make(map[linkID]int)}
}

func (b *borrowers) begin(l linkID) {
	b.open(l)
	b.settle()
	b.knows[l] = 0
}

func (b *borrowers) start(l linkID) {
	b.begin(l)
	b.block(l, a, cidsOf(int(l), 1)...)
}

// hears lets a link take in what it was told.
func (b *borrowers) hears(l linkID) {
	less := b.budget[l] < b.knows[l]
	b.knows[l] = b.budget[l]
	if less {
		b.state.returned(l, b.holds[l], b.knows[l])
		b.settle()
	}
}

func (b *borrowers) all(do func(linkID)) {
	for _, l := range slices.Sorted(maps.Keys(b.knows)) {
		do(l)
	}
}

// releases lets a link hold less, and say so while it has more than its budget.
func (b *borrowers) releases(l linkID, bytes int) {
	over := b.holds[l] > b.knows[l]
	b.holds[l] = bytes
	if over {
		b.state.returned(l, bytes, b.knows[l])
		b.settle()
	}
}

// could is what all links together hold or may hold without hearing more.
func (b *borrowers) could() int {
	sum := 0
	for l := range b.knows {
		sum += max(b.holds[l], b.knows[l])
	}
	return sum
}

func TestTheNodesBytesAreSharedByLinksWithWants(t *testing.T) {
	b := newBorrowers(t)
	b.start(1)
	require.Equal(t, 16*mib, b.budget[1], "one link has as much as a link may")
	for l := linkID(2); l <= 10; l++ {
		b.start(l)
		b.all(b.hears)
	}
	b.all(b.hears)
	share := 64 * mib / 10
	b.all(func(l linkID) {
		require.LessOrEqual(t, b.budget[l], share+share/4)
		require.GreaterOrEqual(t, b.budget[l], share/2)
	})
}

// A thousand sessions of one node took more time to tell each other apart than to
// fetch: each that came or went changed the share of all, and every one was told.
func TestLinksThatComeAndGoWakeTheOthersSeldom(t *testing.T) {
	b := newBorrowers(t)
	const links = 400
	for l := linkID(1); l <= links; l++ {
		b.start(l)
		b.all(b.hears)
	}
	b.all(func(l linkID) { require.GreaterOrEqual(t, b.budget[l], 64*mib/links/2) })
	for l := linkID(1); l < links; l++ {
		b.state.cancelAll(b.now, l)
		b.settle()
		delete(b.knows, l)
		b.all(b.hears)
	}
	require.Equal(t, 16*mib, b.budget[links])
	// About a word for each eighth by which the share fell or rose.
	require.Less(t, b.words, links*60)
}

// A hundred calls that nobody read took 16 MiB each, one after the other.
func TestWhatIsHeldIsNotLentToOthers(t *testing.T) {
	b := newBorrowers(t)
	for l := linkID(1); l <= 100; l++ {
		b.start(l)
		b.all(b.hears)
		b.holds[l] = max(b.holds[l], b.knows[l])
	}
	require.LessOrEqual(t, b.could(), 64*mib)
	require.LessOrEqual(t, b.budget[100], mib)
	for l := linkID(1); l <= 4; l++ {
		b.releases(l, 0)
	}
	b.all(b.hears)
	require.GreaterOrEqual(t, b.budget[100], 64*mib/100*3/4, "what came back is lent to who had least")
}

func TestALinkWithoutWantsGivesItsBytesBack(t *testing.T) {
	b := newBorrowers(t)
	for l := linkID(1); l <= 4; l++ {
		b.begin(l)
		b.hears(l)
	}
	require.Equal(t, 64*mib, b.could())
	b.start(5)
	b.all(b.hears)
	b.all(b.hears)
	require.InDelta(t, 16*mib, b.knows[5], 4*leastLent)
}

func TestALinkThatLeavesTakesNothingAlong(t *testing.T) {
	b := newBorrowers(t)
	for l := linkID(1); l <= 5; l++ {
		b.start(l)
		b.hears(l)
	}
	for l := linkID(1); l <= 4; l++ {
		b.state.cancelAll(b.now, l)
		b.settle()
	}
	require.Equal(t, 16*mib, b.budget[5])
}

// However late links hear what they are told, and whatever they hold, all of them
// together never may have more than there is.
func TestLoansNeverExceedWhatThereIs(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			b, last := newBorrowers(t), linkID(0)
			for range 200 {
				l := linkID(1 + random.IntN(int(last)+1))
				_, there := b.knows[l]
				switch n := random.IntN(10); {
				case last == 0 || n == 0:
					last++
					b.start(last)
				case !there:
				case n == 1:
					b.state.cancelAll(b.now, l)
					b.settle()
					delete(b.knows, l)
					delete(b.holds, l)
				case n < 5:
					b.hears(l)
				case n < 8 && b.holds[l] < b.knows[l]:
					b.holds[l] += random.IntN(b.knows[l] - b.holds[l] + 1)
				case b.holds[l] > 0:
					b.releases(l, random.IntN(b.holds[l]))
				}
				require.LessOrEqual(t, b.could(), 64*mib+len(b.knows)*leastLent)
			}
		})
	}
}

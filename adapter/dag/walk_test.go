package dag

import (
	"context"
	"errors"
	"fmt"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAbsent = errors.New("absent")

// memory has blocks and counts what is asked of it.
type memory struct {
	blocks map[cid.Cid]blocks.Block
	asked  map[cid.Cid]int
	calls  int
}

func newMemory(bs ...blocks.Block) *memory {
	m := &memory{blocks: map[cid.Cid]blocks.Block{}, asked: map[cid.Cid]int{}}
	for _, b := range bs {
		m.blocks[b.Cid()] = b
	}
	return m
}

func (m *memory) GetBlock(_ context.Context, c cid.Cid) (blocks.Block, error) {
	m.calls++
	m.asked[c]++
	if b := m.blocks[c]; b != nil {
		return b, nil
	}
	return nil, errAbsent
}

func (m *memory) GetBlocks(_ context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	m.calls++
	out := make(chan blocks.Block, len(cs))
	for i := range cs {
		c := cs[len(cs)-1-i] // in no order that anyone expects
		m.asked[c]++
		if b := m.blocks[c]; b != nil {
			out <- b
		}
	}
	close(out)
	return out, nil
}

// walked returns the CIDs in the order of the walk.
func walked(t testing.TB, get Getter, root cid.Cid, o Options) ([]cid.Cid, error) {
	t.Helper()
	var order []cid.Cid
	err := Walk(t.Context(), get, root, o, func(c cid.Cid, b blocks.Block) error {
		if b != nil {
			require.Equal(t, c, b.Cid())
		}
		order = append(order, c)
		return nil
	})
	return order, err
}

func TestAWalkIsDepthFirstAndVisitsOnce(t *testing.T) {
	a, b, c := leaf(t, "a"), leaf(t, "b"), leaf(t, "c")
	left := inner(t, "left", b.Cid(), a.Cid())
	right := inner(t, "right", a.Cid(), left.Cid(), c.Cid())
	root := inner(t, "root", left.Cid(), right.Cid(), c.Cid())
	order, err := walked(t, newMemory(a, b, c, left, right, root), root.Cid(), Options{})
	require.NoError(t, err)
	require.Equal(t, []cid.Cid{root.Cid(), left.Cid(), b.Cid(), a.Cid(), right.Cid(), c.Cid()}, order)
}

// naive walks without looking ahead.
func naive(m *memory, c cid.Cid, seen map[cid.Cid]bool, order []cid.Cid) []cid.Cid {
	if seen[c] {
		return order
	}
	seen[c] = true
	order = append(order, c)
	links, _ := Links(m.blocks[c])
	for _, l := range links {
		order = naive(m, l, seen, order)
	}
	return order
}

func TestAWalkGoesWhereANaiveOneGoes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMemory()
		var all []cid.Cid
		for i := range rapid.IntRange(1, 60).Draw(r, "blocks") {
			b := leaf(t, fmt.Sprint(i))
			if i > 0 && rapid.Bool().Draw(r, "inner") {
				links := rapid.SliceOfN(rapid.SampledFrom(all), 0, 5).Draw(r, "links")
				b = inner(t, fmt.Sprint(i), links...)
			}
			m.blocks[b.Cid()] = b
			all = append(all, b.Cid())
		}
		root := all[len(all)-1]
		order, err := walked(t, m, root, Options{})
		require.NoError(r, err)
		require.Equal(r, naive(m, root, map[cid.Cid]bool{}, nil), order)
		for c, times := range m.asked {
			require.Equal(r, 1, times, "%s is fetched once", c)
		}
	})
}

func wide(t testing.TB, n int) (*memory, blocks.Block) {
	m := newMemory()
	links := make([]cid.Cid, n)
	for i := range links {
		b := leaf(t, fmt.Sprint(i))
		m.blocks[b.Cid()], links[i] = b, b.Cid()
	}
	root := inner(t, "root", links...)
	m.blocks[root.Cid()] = root
	return m, root
}

func TestWhatComesNextIsFetchedTogether(t *testing.T) {
	m, root := wide(t, 3_000)
	order, err := walked(t, m, root.Cid(), Options{})
	require.NoError(t, err)
	require.Len(t, order, 3_001)
	require.Less(t, m.calls, 40)
}

func TestStoredLeavesAreNotRead(t *testing.T) {
	m, root := wide(t, 100)
	var absent cid.Cid
	order, err := walked(t, m, root.Cid(), Options{Stored: func(_ context.Context, c cid.Cid) (bool, error) {
		if !absent.Defined() {
			absent = c
		}
		return c != absent, nil
	}})
	require.NoError(t, err)
	require.Len(t, order, 101)
	require.Equal(t, map[cid.Cid]int{root.Cid(): 1, absent: 1}, m.asked)

	broken := errors.New("broken")
	_, err = walked(t, m, root.Cid(), Options{Stored: func(context.Context, cid.Cid) (bool, error) { return false, broken }})
	require.ErrorIs(t, err, broken)
}

// Blocks that were fetched are stored soon after. They must make room for the next all
// the same, or the walk would fetch one at a time from then on.
func TestWhatIsStoredWhileItIsAheadMakesRoom(t *testing.T) {
	m := newMemory()
	var links []cid.Cid
	for i := range 100 {
		b := leaf(t, fmt.Sprintf("%d %0*d", i, 256<<10, 0)) // 25 MiB in all
		m.blocks[b.Cid()], links = b, append(links, b.Cid())
	}
	root := inner(t, "root", links...)
	m.blocks[root.Cid()] = root
	_, err := walked(t, m, root.Cid(), Options{Stored: func(_ context.Context, c cid.Cid) (bool, error) {
		return m.asked[c] > 0, nil
	}})
	require.NoError(t, err)
	require.Less(t, m.calls, 10)
}

func TestAMissingBlockEndsTheWalkUnlessItIsPassedOver(t *testing.T) {
	a, gone, c := leaf(t, "a"), leaf(t, "gone"), leaf(t, "c")
	root := inner(t, "root", a.Cid(), gone.Cid(), c.Cid())
	m := newMemory(a, c, root)
	_, err := walked(t, m, root.Cid(), Options{})
	require.ErrorIs(t, err, errAbsent)
	require.ErrorContains(t, err, gone.Cid().String())

	var missing []cid.Cid
	order, err := walked(t, m, root.Cid(), Options{Missing: func(c cid.Cid, why error) error {
		require.ErrorIs(t, why, errAbsent)
		missing = append(missing, c)
		return nil
	}})
	require.NoError(t, err)
	require.Equal(t, []cid.Cid{root.Cid(), a.Cid(), c.Cid()}, order)
	require.Equal(t, []cid.Cid{gone.Cid()}, missing)
}

func TestSharedSeenLeavesOutWhatWasWalked(t *testing.T) {
	a, b := leaf(t, "a"), leaf(t, "b")
	one, two := inner(t, "one", a.Cid()), inner(t, "two", a.Cid(), b.Cid())
	m, seen := newMemory(a, b, one, two), NewSeen()
	_, err := walked(t, m, one.Cid(), Options{Seen: seen})
	require.NoError(t, err)
	order, err := walked(t, m, two.Cid(), Options{Seen: seen})
	require.NoError(t, err)
	require.Equal(t, []cid.Cid{two.Cid(), b.Cid()}, order)
}

func TestIdentityCIDsAreWalkedInto(t *testing.T) {
	a := leaf(t, "a")
	data := inner(t, "in", a.Cid()).RawData()
	hash, err := multihash.Sum(data, multihash.IDENTITY, -1)
	require.NoError(t, err)
	carried := cid.NewCidV1(cid.DagProtobuf, hash)
	root := inner(t, "root", carried)
	m := newMemory(a, root)
	order, err := walked(t, m, root.Cid(), Options{})
	require.NoError(t, err)
	require.Equal(t, []cid.Cid{root.Cid(), carried, a.Cid()}, order)
	require.NotContains(t, m.asked, carried)
}

func TestTooManyLinksAreAnError(t *testing.T) {
	a := leaf(t, "a").Cid()
	links := make([]cid.Cid, 50_000)
	for i := range links {
		links[i] = a
	}
	m := newMemory()
	next := inner(t, "last", append(links, a)...)
	for i := range 25 {
		m.blocks[next.Cid()] = next
		next = inner(t, fmt.Sprint(i), append(append([]cid.Cid{}, next.Cid()), links...)...)
	}
	m.blocks[next.Cid()] = next
	_, err := walked(t, m, next.Cid(), Options{})
	require.ErrorIs(t, err, ErrLimit)
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := leaf(t, "a")
	err := Walk(ctx, newMemory(), root.Cid(), Options{Missing: func(cid.Cid, error) error { return nil }},
		func(cid.Cid, blocks.Block) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

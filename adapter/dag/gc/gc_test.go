package gc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	format "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
)

// named are roots that a test names.
type named struct {
	roots []roots.Root
	err   error
}

func (n *named) Name() string { return "test" }

func (n *named) Roots(context.Context) iter.Seq2[roots.Root, error] {
	return func(yield func(roots.Root, error) bool) {
		for _, r := range n.roots {
			if !yield(r, nil) {
				return
			}
		}
		if n.err != nil {
			yield(roots.Root{}, n.err)
		}
	}
}

func (n *named) add(kind roots.Kind, bs ...blocks.Block) {
	for _, b := range bs {
		n.roots = append(n.roots, roots.Root{CID: b.Cid(), Kind: kind})
	}
}

func leaf(t *testing.T, text string) blocks.Block { return coded(t, cid.Raw, []byte(text)) }

func coded(t *testing.T, codec uint64, data []byte) blocks.Block {
	t.Helper()
	c, err := cid.V1Builder{Codec: codec, MhType: multihash.SHA2_256}.Sum(data)
	require.NoError(t, err)
	b, err := blocks.NewBlockWithCid(data, c)
	require.NoError(t, err)
	return b
}

func inner(t *testing.T, name string, links ...blocks.Block) blocks.Block {
	t.Helper()
	n := merkledag.NodeWithData([]byte(name))
	n.SetCidBuilder(cid.V1Builder{Codec: cid.DagProtobuf, MhType: multihash.SHA2_256})
	for _, b := range links {
		require.NoError(t, n.AddRawLink("", &format.Link{Cid: b.Cid()}))
	}
	return n
}

type fixture struct {
	store *blockstore.Guarded
	from  roots.Registry
	named named
}

func newFixture(t *testing.T, bs ...blocks.Block) *fixture {
	t.Helper()
	f := &fixture{store: blockstore.NewGuarded(blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))}
	require.NoError(t, f.store.PutMany(t.Context(), bs))
	require.NoError(t, f.from.Register(&f.named))
	return f
}

func (f *fixture) has(t *testing.T, b blocks.Block) bool {
	t.Helper()
	has, err := f.store.Has(t.Context(), b.Cid())
	require.NoError(t, err)
	return has
}

func (f *fixture) requireStored(t *testing.T, want bool, bs ...blocks.Block) {
	t.Helper()
	for _, b := range bs {
		require.Equal(t, want, f.has(t, b), "%q", b.RawData())
	}
}

func TestWhatNoRootLeadsToIsRemoved(t *testing.T) {
	a, b, c, d, e := leaf(t, "a"), leaf(t, "b"), leaf(t, "c"), leaf(t, "d"), leaf(t, "e")
	shared := inner(t, "shared", a)
	kept, direct, dropped := inner(t, "kept", shared, b), inner(t, "direct", c), inner(t, "dropped", shared, d)
	f := newFixture(t, a, b, c, d, e, shared, kept, direct, dropped)
	f.named.add(roots.Recursive, kept)
	f.named.add(roots.Direct, direct)
	var told []cid.Cid
	o := Options{Removed: func(cs []cid.Cid) { told = append(told, cs...) }}
	dry := o
	dry.DryRun = true
	would, err := Collect(t.Context(), f.store, &f.from, dry)
	require.NoError(t, err)
	f.requireStored(t, true, a, b, c, d, e, shared, kept, direct, dropped)
	require.Len(t, told, 4)

	did, err := Collect(t.Context(), f.store, &f.from, o)
	require.NoError(t, err)
	f.requireStored(t, true, kept, shared, a, b, direct)
	f.requireStored(t, false, c, d, e, dropped)
	require.Equal(t, would, did)
	require.EqualValues(t, 4, did.RemovedBlocks)
	require.EqualValues(t, 3+len(dropped.RawData()), did.RemovedBytes)
	require.EqualValues(t, 5, did.KeptBlocks)
}

// TestADirectRootDoesNotHideWhatARecursiveOneLeadsTo: what was marked is not what was
// walked.
func TestADirectRootDoesNotHideWhatARecursiveOneLeadsTo(t *testing.T) {
	a := leaf(t, "a")
	both := inner(t, "both", a)
	plain := leaf(t, string(both.RawData())) // the same bytes under a CID without links
	f := newFixture(t, a, both)
	f.named.add(roots.Direct, both)
	f.named.add(roots.Recursive, plain, both)
	_, err := Collect(t.Context(), f.store, &f.from, Options{})
	require.NoError(t, err)
	f.requireStored(t, true, a, both)
}

func TestAnythingInDoubtRemovesNothing(t *testing.T) {
	a, garbage := leaf(t, "a"), leaf(t, "garbage")
	middle := inner(t, "middle", a)
	root := inner(t, "root", middle)
	broken := errors.New("broken")
	t.Run("missing", func(t *testing.T) {
		f := newFixture(t, a, root, garbage)
		f.named.add(roots.Recursive, root)
		_, err := Collect(t.Context(), f.store, &f.from, Options{})
		var incomplete *IncompleteError
		require.ErrorAs(t, err, &incomplete)
		require.Equal(t, middle.Cid(), incomplete.Missing)
		require.ErrorContains(t, err, root.Cid().String())
		f.requireStored(t, true, a, garbage)
	})
	t.Run("source", func(t *testing.T) {
		f := newFixture(t, a, garbage)
		f.named.add(roots.Recursive, a)
		f.named.err = broken
		_, err := Collect(t.Context(), f.store, &f.from, Options{})
		require.ErrorIs(t, err, broken)
		f.requireStored(t, true, a, garbage)
	})
	t.Run("codec", func(t *testing.T) {
		strange := coded(t, 0x78, []byte("git"))
		f := newFixture(t, a, strange, garbage)
		f.named.add(roots.Recursive, strange)
		_, err := Collect(t.Context(), f.store, &f.from, Options{})
		require.ErrorContains(t, err, "unknown codec")
		f.requireStored(t, true, garbage)
	})
	t.Run("no roots", func(t *testing.T) {
		f := newFixture(t, garbage)
		_, err := Collect(t.Context(), f.store, &f.from, Options{})
		require.ErrorIs(t, err, ErrNoRoots)
		f.requireStored(t, true, garbage)
		did, err := Collect(t.Context(), f.store, &f.from, Options{All: true})
		require.NoError(t, err)
		require.EqualValues(t, 1, did.RemovedBlocks)
		_, err = Collect(t.Context(), f.store, &f.from, Options{})
		require.NoError(t, err, "there is nothing to lose")
	})
}

func TestAMissingLeafIsNoReasonToKeepGarbage(t *testing.T) {
	gone, garbage := leaf(t, "gone"), leaf(t, "garbage")
	root := inner(t, "root", gone)
	f := newFixture(t, root, garbage)
	f.named.add(roots.Recursive, root)
	_, err := Collect(t.Context(), f.store, &f.from, Options{})
	require.NoError(t, err)
	f.requireStored(t, false, garbage)
}

func TestWhatIsAddedMeanwhileStays(t *testing.T) {
	old, garbage, late := leaf(t, "old"), leaf(t, "garbage"), leaf(t, "late")
	top := inner(t, "top", late, garbage)
	f := newFixture(t, old, garbage)
	f.named.add(roots.Recursive, old)
	release := f.store.Hold()
	require.NoError(t, f.store.Put(t.Context(), late)) // before the collection
	var did Result
	_, err := Collect(t.Context(), f.store, &f.from, Options{Progress: func(p Progress) {
		did = p.Result
		if p.RemovedBlocks+p.KeptBlocks == 0 { // marked, not swept
			require.True(t, f.has(t, garbage)) // relied upon from now on
			require.NoError(t, f.store.Put(t.Context(), top))
		}
	}})
	require.NoError(t, err)
	f.named.add(roots.Recursive, top)
	release()
	f.requireStored(t, true, old, garbage, late, top)
	require.EqualValues(t, 3, did.HeldBlocks)
	_, err = Collect(t.Context(), f.store, &f.from, Options{})
	require.NoError(t, err)
	f.requireStored(t, true, old, garbage, late, top)
}

func TestProgressIsTold(t *testing.T) {
	var bs []blocks.Block
	for i := range 5_000 {
		bs = append(bs, leaf(t, fmt.Sprint(i)))
	}
	root := inner(t, "root", bs[:4_500]...)
	f := newFixture(t, append(bs, root)...)
	f.named.add(roots.Recursive, root)
	var all []Progress
	did, err := Collect(t.Context(), f.store, &f.from, Options{Progress: func(p Progress) { all = append(all, p) }})
	require.NoError(t, err)
	require.Greater(t, len(all), 2)
	last := all[len(all)-1]
	require.Equal(t, Progress{Roots: 1, Marked: 4_501, Result: did}, last)
	require.EqualValues(t, 500, did.RemovedBlocks)
}

// What of a partial root is here stays, though some is missing or cannot be read.
func TestAPartialRootKeepsWhatIsHere(t *testing.T) {
	a, b, gone, garbage := leaf(t, "a"), leaf(t, "b"), leaf(t, "gone"), leaf(t, "garbage")
	missing := inner(t, "missing", a)
	strange := coded(t, 0x78, []byte("git"))
	root := inner(t, "root", gone, missing, strange, b)
	absent := inner(t, "absent", garbage)
	f := newFixture(t, a, b, strange, root, garbage)
	f.named.add(roots.Partial, root, absent)
	did, err := Collect(t.Context(), f.store, &f.from, Options{})
	require.NoError(t, err)
	f.requireStored(t, true, root, strange, b)
	f.requireStored(t, false, a, garbage)
	require.EqualValues(t, 2, did.RemovedBlocks)
}

// A pin of something of which a part is missing is in doubt, whatever was walked before.
func TestAPartialRootDoesNotHideWhatIsMissingOfAPin(t *testing.T) {
	a, garbage := leaf(t, "a"), leaf(t, "garbage")
	middle := inner(t, "middle", a)
	root := inner(t, "root", middle)
	f := newFixture(t, a, root, garbage)
	f.named.add(roots.Partial, root)
	f.named.add(roots.Recursive, root)
	_, err := Collect(t.Context(), f.store, &f.from, Options{})
	var incomplete *IncompleteError
	require.ErrorAs(t, err, &incomplete)
	f.requireStored(t, true, a, garbage)
}

// unreadable is a store one block of which cannot be read for now.
type unreadable struct {
	blockstore.Blockstore
	block cid.Cid
}

var errDisk = errors.New("the disk does not answer")

func (u unreadable) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if c == u.block {
		return nil, errDisk
	}
	return u.Blockstore.Get(ctx, c)
}

func TestABlockOfAPartialRootThatCannotBeReadIsNotMissing(t *testing.T) {
	a := leaf(t, "a")
	root := inner(t, "root", a)
	f := newFixture(t, a, root)
	f.store = blockstore.NewGuarded(unreadable{f.store, root.Cid()})
	f.named.add(roots.Partial, root)
	_, err := Collect(t.Context(), f.store, &f.from, Options{})
	require.ErrorContains(t, err, errDisk.Error())
	f.requireStored(t, true, a)
}

func TestWhatStaysWholeIsToldBeforeAnythingIsRemoved(t *testing.T) {
	a, b, c := leaf(t, "a"), leaf(t, "b"), leaf(t, "c")
	kept, part, direct, dropped := inner(t, "kept", a), inner(t, "part", b), inner(t, "direct", c), inner(t, "dropped", c)
	f := newFixture(t, a, b, c, kept, part, direct, dropped)
	f.named.add(roots.Recursive, kept)
	f.named.add(roots.Partial, part)
	f.named.add(roots.Direct, direct)
	no := errors.New("no")
	told := 0
	o := Options{Marked: func(_ context.Context, whole func(cid.Cid) bool) error {
		told++
		f.requireStored(t, true, c, dropped)
		for b, want := range map[blocks.Block]bool{a: true, b: true, kept: true, part: true, c: false, direct: false, dropped: false} {
			require.Equal(t, want, whole(b.Cid()), "%q", b.RawData())
		}
		return no
	}}
	_, err := Collect(t.Context(), f.store, &f.from, o)
	require.ErrorIs(t, err, no)
	f.requireStored(t, true, c, dropped)
	o.DryRun = true
	_, err = Collect(t.Context(), f.store, &f.from, o)
	require.NoError(t, err)
	require.Equal(t, 1, told, "a dry run removes nothing")
}

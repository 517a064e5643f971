package unixfs

import (
	"errors"
	"io"
	"testing"

	"github.com/ipfs/boxo/ipld/unixfs/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
)

// FuzzWalk reads any bytes as the root of a DAG that has nothing else. Whatever
// they are, the walk ends, and what it refuses it refuses with a place.
func FuzzWalk(f *testing.F) {
	s := newMapStore()
	leaf := forgeLeaf(f, s, "x")
	fanout, hash := uint64(256), uint64(hashMurmur3)
	shard := &pb.Data{Type: pb.Data_HAMTShard.Enum(), Fanout: &fanout, HashType: &hash}
	for _, l := range []link{
		forgeDirectory(f, s, leaf.named("a"), leaf.named("b")),
		forgeFile(f, s, new(uint64(2)), []uint64{1, 1}, leaf, leaf),
		forge(f, s, shard, leaf.named("A4a")),
		forge(f, s, &pb.Data{Type: pb.Data_Symlink.Enum(), Data: []byte("x")}),
	} {
		f.Add(s.blocks[l.cid].RawData())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := pbPrefix.Sum(raw)
		require.NoError(t, err)
		root, err := blocks.NewBlockWithCid(raw, c)
		require.NoError(t, err)
		s := newMapStore()
		s.put(t, root)
		s.blocks[leaf.cid], err = blocks.NewBlockWithCid([]byte("x"), leaf.cid)
		require.NoError(t, err)

		var place *Error
		if err := Cat(t.Context(), s, c, io.Discard, CatOptions{}); err != nil {
			require.True(t, errors.As(err, &place), "%v", err)
		}
		for _, err := range List(t.Context(), s, c, ListOptions{Types: true}) {
			require.True(t, err == nil || errors.As(err, &place), "%v", err)
		}
		_, _ = dag.Links(root)
		_, _ = lookup(t.Context(), s, c, "a")
	})
}

func TestTheUndefinedCIDIsAnError(t *testing.T) {
	s := newMapStore()
	require.Error(t, Cat(t.Context(), s, cid.Undef, io.Discard, CatOptions{}))
	_, err := Get(t.Context(), s, cid.Undef, t.TempDir()+"/out", GetOptions{})
	require.Error(t, err)
	for _, err := range List(t.Context(), s, cid.Undef, ListOptions{}) {
		require.Error(t, err)
	}
	_, err = Stat(t.Context(), s, cid.Undef)
	require.Error(t, err)
}

package main

import (
	"encoding/base32"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// spoil changes the bytes of a stored block.
func spoil(t *testing.T, dir, text string) {
	t.Helper()
	c, err := cid.Decode(text)
	require.NoError(t, err)
	r, err := repo.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	key := datastore.NewKey("/blocks").ChildString(strings.ToUpper(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(c.Hash())))
	has, err := r.Blocks().Has(t.Context(), key)
	require.NoError(t, err)
	require.True(t, has)
	require.NoError(t, r.Blocks().Put(t.Context(), key, []byte("something else")))
	require.NoError(t, r.Blocks().Sync(t.Context(), key))
}

func TestVerifyFindsAndPutsAsideWhatIsBroken(t *testing.T) {
	for _, running := range []bool{false, true} {
		dir := t.TempDir()
		add(t, dir, tree(t))
		require.Contains(t, must(t, dir, "verify"), "verified 15 blocks, 1.5 MiB: 0 broken\n")
		leaf := put(t, dir, "hello, world\n")
		spoil(t, dir, leaf)
		if running {
			start(t, dir)
		}
		o := command(t, dir, "verify")
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.out, "broken "+leaf)
		require.Contains(t, o.out, ": 1 broken\n")
		require.Equal(t, exitFailed, command(t, dir, "verify", "--quarantine", "--rate", "100").code)
		require.Equal(t, exitNotFound, command(t, dir, "block", "stat", leaf).code)
		require.Contains(t, must(t, dir, "verify"), ": 0 broken\n")
		require.Equal(t, leaf, put(t, dir, "hello, world\n"))
		got := decodeLines[verifyLine](t, must(t, dir, "--json", "verify"))
		require.EqualValues(t, 15, got[0].Result.Blocks)
	}
}

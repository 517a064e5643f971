package message

import (
	"bytes"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// A CID that is accepted is what its bytes say, is short, and names a hash that can
// be computed and proves something.
func FuzzCheckCID(f *testing.F) {
	digest := bytes.Repeat([]byte{7}, 32)
	for _, seed := range [][]byte{
		{}, {1}, {1, 0x55, 0, 0}, {1, 0x55, 0x12, 1, 7}, {2, 0x55, 0x12, 32},
		append([]byte{1, 0x55, 0x12, 32}, digest...), append([]byte{0x12, 32}, digest...),
		append([]byte{0x12, 32}, append(digest, 0)...), append([]byte{1, 0x55, 0x12, 32}, digest[:31]...),
		append([]byte{1, 0x55, 0x11, 20}, digest[:20]...), append([]byte{1, 0x78, 0x11, 20}, digest[:20]...),
		append([]byte{1, 0x81, 0x80, 0xc0, 0x01, 0x12, 32}, digest...),
		append([]byte{1, 0x55, 0x1e, 0x80, 1}, make([]byte, 128)...), append([]byte{0x81, 0, 0x55, 0x12, 32}, digest...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := cid.Cast(b)
		if err != nil || CheckCID(c) != nil {
			return
		}
		require.Equal(t, b, c.Bytes())
		require.LessOrEqual(t, len(b), MaxCID)
		require.Equal(t, string(c.Hash()), Multihash(c))
		p := c.Prefix()
		require.NotEqualValues(t, multihash.IDENTITY, p.MhType)
		require.GreaterOrEqual(t, p.MhLength, minDigest)
		sum, err := p.Sum([]byte("any bytes"))
		require.NoError(t, err)
		require.Equal(t, p, sum.Prefix())
	})
}

// A prefix that is accepted is written again as the same bytes, and blocks under it
// have CIDs that are accepted.
func FuzzPrefix(f *testing.F) {
	for _, seed := range [][]byte{
		{}, {0}, {0, 0x70, 0x12, 32}, {0, 0x55, 0x12, 32}, {1, 0x55, 0x12, 32}, {1, 0x55, 0x12, 33}, {1, 0x55, 0x12, 1},
		{7, 0x55, 0x12, 32}, {1, 0x55, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, {1, 0x55, 0x12, 32, 0},
		{0x81, 0, 0x55, 0x12, 32}, {1, 0x78, 0x11, 20}, {1, 0x55, 0x11, 20}, {1, 0x55, 0x1e, 0x80, 1}, {1, 0x55, 0, 4},
	} {
		f.Add(seed, []byte("data"))
	}
	f.Fuzz(func(t *testing.T, b, data []byte) {
		p, fault := prefixFault(b)
		if fault != 0 {
			return
		}
		require.Equal(t, b, appendPrefix(nil, p))
		require.LessOrEqual(t, len(b), maxPrefix)
		c, err := sum(nil, p, data)
		require.NoError(t, err)
		require.NoError(t, CheckCID(c))
		require.Equal(t, p, c.Prefix())
		proof, err := p.Sum(data)
		require.NoError(t, err)
		require.Equal(t, proof, c, "the short way gives the same")
	})
}

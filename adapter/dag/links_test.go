package dag

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// block makes a block of some codec.
func block(t testing.TB, codec uint64, data []byte) blocks.Block {
	t.Helper()
	c, err := cid.V1Builder{Codec: codec, MhType: multihash.SHA2_256}.Sum(data)
	require.NoError(t, err)
	b, err := blocks.NewBlockWithCid(data, c)
	require.NoError(t, err)
	return b
}

func leaf(t testing.TB, text string) blocks.Block { return block(t, cid.Raw, []byte(text)) }

// inner makes a dag-pb block with links in this order.
func inner(t testing.TB, name string, links ...cid.Cid) blocks.Block {
	t.Helper()
	n := merkledag.NodeWithData([]byte(name))
	n.SetCidBuilder(cid.V1Builder{Codec: cid.DagProtobuf, MhType: multihash.SHA2_256})
	for _, c := range links {
		require.NoError(t, n.AddRawLink("", &format.Link{Cid: c}))
	}
	return n
}

// cborLink is a link in dag-cbor: tag 42 over the bytes of the CID behind a zero.
func cborLink(c cid.Cid) []byte {
	raw := append([]byte{0}, c.Bytes()...)
	return append([]byte{0xd8, 42, 0x58, byte(len(raw))}, raw...)
}

func TestLinksOfEveryCodec(t *testing.T) {
	a, b := leaf(t, "a").Cid(), leaf(t, "b").Cid()
	cbor := bytes.Join([][]byte{{0xa1, 0x61, 'k', 0x83}, cborLink(b), cborLink(a), cborLink(b)}, nil)
	json := fmt.Sprintf(`{"k":[{"/":%q},{"/":%q},{"/":%q}]}`, b, a, b)
	for _, c := range []struct {
		block blocks.Block
		links []cid.Cid
	}{
		{leaf(t, "raw"), nil},
		{block(t, codecCBOR, cborLink(a)), nil},
		{block(t, codecJSON, []byte(json)), nil},
		{inner(t, "x", b, a, b), []cid.Cid{b, a, b}},
		{inner(t, "x"), []cid.Cid{}},
		{block(t, cid.DagCBOR, cbor), []cid.Cid{b, a, b}},
		{block(t, cid.DagJSON, []byte(json)), []cid.Cid{b, a, b}},
		{block(t, cid.DagCBOR, []byte{0x01}), []cid.Cid{}},
	} {
		links, err := Links(c.block)
		require.NoError(t, err)
		require.Equal(t, c.links, links)
		require.Equal(t, c.links == nil, IsLeaf(c.block.Cid()))
	}
}

func TestWhatIsNoBlockOfItsCodecIsAnError(t *testing.T) {
	for _, b := range []blocks.Block{
		block(t, cid.DagProtobuf, []byte("\xff")),
		block(t, cid.DagCBOR, []byte("\xff")),
		block(t, cid.DagCBOR, []byte{0x01, 0x01}),
		block(t, cid.DagJSON, []byte("{")),
		block(t, cid.DagJSON, []byte(`{"/":"no CID"}`)),
		block(t, cid.DagCBOR, bytes.Repeat([]byte{0x81}, 2<<20)),
		block(t, cid.DagCBOR, append([]byte{0x9a, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...)), // a list that says it is long
		block(t, cid.DagJSON, []byte(strings.Repeat("[", 2<<20))),
		block(t, cid.DagJSON, []byte(strings.Repeat(`{"a":`, 2000)+`1`+strings.Repeat("}", 2000))),
	} {
		_, err := Links(b)
		require.ErrorIs(t, err, ErrMalformed)
	}
	_, err := Links(block(t, 0x78, []byte("git-raw")))
	require.ErrorIs(t, err, ErrCodec)
	require.False(t, IsLeaf(block(t, 0x78, nil).Cid()))
}

func TestBracketsInsideOfTextAreNotDepth(t *testing.T) {
	b := block(t, cid.DagJSON, []byte(`["`+strings.Repeat(`[\"{`, 4000)+`"]`))
	_, err := Links(b)
	require.NoError(t, err)
}

func FuzzLinks(f *testing.F) {
	f.Add(uint64(cid.DagCBOR), []byte{0xa1, 0x61, 'k', 0x80})
	f.Add(uint64(cid.DagJSON), []byte(`{"k":[{"/":"bafkqaaa"}]}`))
	f.Add(uint64(cid.DagProtobuf), inner(f, "x", leaf(f, "a").Cid()).RawData())
	f.Fuzz(func(t *testing.T, codec uint64, data []byte) {
		b, err := blocks.NewBlockWithCid(data, cid.NewCidV1(codec, leaf(t, "x").Cid().Hash()))
		require.NoError(t, err)
		links, err := Links(b)
		for _, c := range links {
			require.True(t, err != nil || c.Defined())
		}
	})
}

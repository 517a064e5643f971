package unixfs

import (
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
)

var (
	rawPrefix = cid.NewPrefixV1(cid.Raw, multihash.SHA2_256)
	pbPrefix  = cid.NewPrefixV1(cid.DagProtobuf, multihash.SHA2_256)
)

// encodeLeaf makes a raw block. It keeps data.
func encodeLeaf(data []byte) (blocks.Block, error) {
	c, err := rawPrefix.Sum(data)
	if err != nil {
		return nil, fmt.Errorf("unixfs: hash: %w", err)
	}
	return blocks.NewBlockWithCid(data, c)
}

// encodeFile makes the node above parts of a file.
func encodeFile(links []link) (blocks.Block, error) {
	fsn := unixfs.NewFSNode(unixfs.TFile)
	for _, l := range links {
		fsn.AddBlockSize(l.size)
	}
	data, err := fsn.GetBytes()
	if err != nil {
		return nil, fmt.Errorf("unixfs: encode file: %w", err)
	}
	return encodeProtobuf(data, links)
}

// encodeDirectory makes a directory of one block.
func encodeDirectory(links []link) (blocks.Block, error) {
	return encodeProtobuf(unixfs.FolderPBData(), links)
}

// encodeShard makes one node of a HAMT.
func encodeShard(bitfield []byte, fanout uint64, links []link) (blocks.Block, error) {
	data, err := unixfs.HAMTShardData(bitfield, fanout, hashMurmur3)
	if err != nil {
		return nil, fmt.Errorf("unixfs: encode shard: %w", err)
	}
	return encodeProtobuf(data, links)
}

func encodeSymlink(target string) (blocks.Block, error) {
	data, err := unixfs.SymlinkData(target)
	if err != nil {
		return nil, fmt.Errorf("unixfs: encode symbolic link: %w", err)
	}
	return encodeProtobuf(data, nil)
}

// encodeProtobuf makes a dag-pb block, whose links are sorted by name.
func encodeProtobuf(data []byte, links []link) (blocks.Block, error) {
	pn := merkledag.NodeWithData(data)
	if err := pn.SetCidBuilder(pbPrefix); err != nil {
		return nil, fmt.Errorf("unixfs: encode: %w", err)
	}
	for _, l := range links {
		if err := pn.AddRawLink(l.name, &format.Link{Size: l.tsize, Cid: l.cid}); err != nil {
			return nil, fmt.Errorf("unixfs: encode link: %w", err)
		}
	}
	raw, err := pn.EncodeProtobuf(false)
	if err != nil {
		return nil, fmt.Errorf("unixfs: encode: %w", err)
	}
	return blocks.NewBlockWithCid(raw, pn.Cid())
}

// total is the Tsize of a link to a node: its block and all that is below.
func total(b blocks.Block, links []link) uint64 {
	n := uint64(len(b.RawData()))
	for _, l := range links {
		n += l.tsize
	}
	return n
}

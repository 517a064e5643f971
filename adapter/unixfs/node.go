package unixfs

import (
	"fmt"
	"math"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/proto"
)

// node is one decoded block: a file or a part of one, a directory or a shard
// of one, or a symbolic link.
type node struct {
	typ pb.Data_DataType
	// data is a file's content that precedes its links, a shard's bitfield or
	// a symbolic link's target. It may share memory with the block.
	data []byte
	// size counts the content bytes of a file and of all below it.
	size  uint64
	links []link
	// hashType and fanout belong to shards.
	hashType, fanout uint64
}

// link is one link of a node.
type link struct {
	name string
	cid  cid.Cid
	// tsize is the claimed size of all blocks below, 0 if there is no claim.
	tsize uint64
	// size is the claimed content size; only links of files have one.
	size uint64
}

// kind returns the type of entry that the node is, or is a part of.
func (n *node) kind() Type {
	switch n.typ {
	case pb.Data_File, pb.Data_Raw:
		return TypeFile
	case pb.Data_Directory, pb.Data_HAMTShard:
		return TypeDirectory
	case pb.Data_Symlink:
		return TypeSymlink
	default:
		return TypeUnknown
	}
}

// decode reads a block by the codec of its CID and checks what can be checked
// without other blocks.
func decode(b blocks.Block) (*node, error) {
	switch codec := b.Cid().Type(); codec {
	case cid.Raw:
		return &node{typ: pb.Data_Raw, data: b.RawData(), size: uint64(len(b.RawData()))}, nil
	case cid.DagProtobuf:
		return decodeProtobuf(b.RawData())
	default:
		return nil, fmt.Errorf("%w codec 0x%x: UnixFS is dag-pb and raw", ErrUnsupported, codec)
	}
}

func decodeProtobuf(raw []byte) (*node, error) {
	pn, err := merkledag.DecodeProtobuf(raw)
	if err != nil {
		return nil, malformed("%s", err)
	}
	var data pb.Data
	if err := proto.Unmarshal(pn.Data(), &data); err != nil {
		return nil, malformed("%s", err)
	}
	n := &node{
		typ:      data.GetType(),
		data:     data.GetData(),
		hashType: data.GetHashType(),
		fanout:   data.GetFanout(),
		links:    make([]link, len(pn.Links())),
	}
	for i, l := range pn.Links() {
		n.links[i] = link{name: l.Name, cid: l.Cid, tsize: l.Size}
	}
	return n, n.check(&data)
}

// check completes the sizes and refuses what no node of its type can be.
func (n *node) check(data *pb.Data) error {
	switch n.typ {
	case pb.Data_File, pb.Data_Raw:
		return n.checkFile(data)
	case pb.Data_Directory:
		return nil
	case pb.Data_HAMTShard:
		return checkFanout(n.hashType, n.fanout)
	case pb.Data_Symlink:
		n.size = uint64(len(n.data))
		if len(n.links) > 0 || len(n.data) == 0 {
			return malformed("symbolic link with %d links and a target of %d bytes", len(n.links), len(n.data))
		}
		return nil
	default:
		return fmt.Errorf("%w UnixFS type %s", ErrUnsupported, n.typ)
	}
}

// checkFile compares the size that a file claims with the sum of its parts. An
// absent claim is accepted: some writers leave it out of leaves.
func (n *node) checkFile(data *pb.Data) error {
	if len(data.GetBlocksizes()) != len(n.links) {
		return malformed("%d links but %d block sizes", len(n.links), len(data.GetBlocksizes()))
	}
	n.size = uint64(len(n.data))
	for i, size := range data.GetBlocksizes() {
		if size > math.MaxInt64-n.size {
			return malformed("block sizes overflow")
		}
		n.links[i].size = size
		n.size += size
	}
	if data.Filesize != nil && data.GetFilesize() != n.size {
		return malformed("file size %d but parts of %d bytes", data.GetFilesize(), n.size)
	}
	return nil
}

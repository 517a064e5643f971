package dag

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/codec/dagjson"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/ipld/go-ipld-prime/traversal"
)

var (
	// ErrCodec is a block whose codec is none of those whose links can be read.
	ErrCodec = errors.New("unknown codec")
	// ErrMalformed is a block that is not what its codec says.
	ErrMalformed = errors.New("malformed block")
)

// Codecs of blocks without links, from the table of multicodecs.
const (
	codecCBOR = 0x51
	codecJSON = 0x0200
)

// maxDepth is how deep lists and maps may be in each other; it is that of the decoder of
// dag-cbor.
const maxDepth = 1024

// IsLeaf reports whether the codec of a CID says that its block links to nothing.
func IsLeaf(c cid.Cid) bool {
	switch c.Type() {
	case cid.Raw, codecCBOR, codecJSON:
		return true
	}
	return false
}

// Links returns the CIDs that a block links to, in order and with repetitions. It reads
// dag-pb, dag-cbor and dag-json, and knows that raw, cbor and json have none; another
// codec is an [ErrCodec]. What it takes is bounded, whatever the block holds.
func Links(b blocks.Block) ([]cid.Cid, error) {
	switch codec := b.Cid().Type(); codec {
	case cid.Raw, codecCBOR, codecJSON:
		return nil, nil
	case cid.DagProtobuf:
		return protobufLinks(b.RawData())
	case cid.DagCBOR:
		return nodeLinks(dagcbor.Decode, b.RawData())
	case cid.DagJSON:
		if deeper(b.RawData(), maxDepth) {
			return nil, fmt.Errorf("%w: nested more than %d deep", ErrMalformed, maxDepth)
		}
		return nodeLinks(dagjson.Decode, b.RawData())
	default:
		return nil, fmt.Errorf("%w 0x%x: links are read from dag-pb, dag-cbor and dag-json", ErrCodec, codec)
	}
}

func protobufLinks(raw []byte) ([]cid.Cid, error) {
	n, err := merkledag.DecodeProtobuf(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := make([]cid.Cid, len(n.Links()))
	for i, l := range n.Links() {
		out[i] = l.Cid
	}
	return out, nil
}

func nodeLinks(decode func(datamodel.NodeAssembler, io.Reader) error, raw []byte) ([]cid.Cid, error) {
	n := basicnode.Prototype.Any.NewBuilder()
	if err := decode(n, bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	links, err := traversal.SelectLinks(n.Build())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := make([]cid.Cid, 0, len(links))
	for _, l := range links {
		if c, ok := l.(cidlink.Link); ok {
			out = append(out, c.Cid)
		}
	}
	return out, nil
}

// deeper reports whether lists and maps of a JSON text are nested more than most deep.
// The decoder would go as deep as the text, on the stack.
func deeper(text []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > most {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

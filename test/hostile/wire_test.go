package hostile

import (
	"bytes"
	"encoding/binary"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the Bitswap schema, as far as cases write them.
const (
	msgWantlist  protowire.Number = 1
	msgBlocks    protowire.Number = 2
	msgPayload   protowire.Number = 3
	msgPresences protowire.Number = 4
	msgPending   protowire.Number = 5

	listEntries protowire.Number = 1
	listFull    protowire.Number = 2

	entryCID      protowire.Number = 1
	entryPriority protowire.Number = 2
	entryCancel   protowire.Number = 3
	entryType     protowire.Number = 4
	entryDontHave protowire.Number = 5

	blockPrefix protowire.Number = 1
	blockData   protowire.Number = 2

	presenceCID  protowire.Number = 1
	presenceType protowire.Number = 2
)

// field is a field of bytes.
func field(n protowire.Number, value ...[]byte) []byte {
	b := protowire.AppendTag(nil, n, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(value, nil))
}

// number is a field with a varint.
func number(n protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), value)
}

// signed is a field with an int32, which goes over the wire as 64 bits.
func signed(n protowire.Number, value int32) []byte { return number(n, uint64(int64(value))) }

// frame is a message with its length.
func frame(fields ...[]byte) []byte {
	body := bytes.Join(fields, nil)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

// wantlist is the field with the entries.
func wantlist(entries ...[]byte) []byte { return field(msgWantlist, entries...) }

// entry is a want-block for the bytes of a CID, unless further fields say
// otherwise.
func entry(c []byte, more ...[]byte) []byte {
	return field(listEntries, append([][]byte{field(entryCID, c)}, more...)...)
}

// wants is the wantlist with a want-block for each CID.
func wants(cs ...cid.Cid) []byte {
	entries := make([][]byte, len(cs))
	for i, c := range cs {
		entries[i] = entry(c.Bytes())
	}
	return wantlist(entries...)
}

// cancels is the wantlist with a cancel for each CID.
func cancels(cs ...cid.Cid) []byte {
	entries := make([][]byte, len(cs))
	for i, c := range cs {
		entries[i] = entry(c.Bytes(), number(entryCancel, 1))
	}
	return wantlist(entries...)
}

// have and dontHave are a presence each.
func have(c cid.Cid) []byte     { return field(msgPresences, field(presenceCID, c.Bytes())) }
func dontHave(c cid.Cid) []byte { return presence(c, 1) }

func presence(c cid.Cid, kind uint64) []byte {
	return field(msgPresences, field(presenceCID, c.Bytes()), number(presenceType, kind))
}

// payload is a block under a prefix, which may lie.
func payload(prefix, data []byte) []byte {
	return field(msgPayload, field(blockPrefix, prefix), field(blockData, data))
}

// block is a payload that tells the truth.
func block(b blocks.Block) []byte { return payload(b.Cid().Prefix().Bytes(), b.RawData()) }

// times repeats an element.
func times(n int, element ...byte) []byte { return bytes.Repeat(element, n) }

// each joins what f makes of the numbers below n.
func each(n int, f func(i int) []byte) []byte {
	var b []byte
	for i := range n {
		b = append(b, f(i)...)
	}
	return b
}

// counter is a number as three bytes, so that elements differ.
func counter(i int) []byte { return []byte{byte(i), byte(i >> 8), byte(i >> 16)} }

// cidOf makes the bytes of a CIDv1 from its parts, which need not fit together.
func cidOf(codec, hash uint64, digest []byte) []byte {
	b := binary.AppendUvarint([]byte{1}, codec)
	b = binary.AppendUvarint(b, hash)
	b = binary.AppendUvarint(b, uint64(len(digest)))
	return append(b, digest...)
}

// absent is the i-th CID of a block that nobody has.
func absent(i int) cid.Cid {
	digest := make([]byte, 32)
	copy(digest, "nobody has this")
	copy(digest[16:], counter(i))
	return cid.MustParse(cidOf(cid.Raw, sha2256, digest))
}

// absents are the first n of them.
func absents(n int) []cid.Cid {
	cs := make([]cid.Cid, 0, n)
	for i := range n {
		cs = append(cs, absent(i))
	}
	return slices.Clip(cs)
}

// Codes of hash functions and codecs.
const (
	identity = 0x00
	sha1     = 0x11
	sha2256  = 0x12
	sha2512  = 0x13
	md5      = 0xd5
	raw      = 0x55
	dagPB    = 0x70
)

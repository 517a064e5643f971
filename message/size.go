package message

import (
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the wire schema. Wantlist and payload are those of the message
// at the top, the others are named after the message that they are in.
const (
	fieldWantlist     = protowire.Number(1)
	fieldBlocks       = protowire.Number(2)
	fieldPayload      = protowire.Number(3)
	fieldPresences    = protowire.Number(4)
	fieldPendingBytes = protowire.Number(5)

	fieldWantlistEntries = protowire.Number(1)
	fieldWantlistFull    = protowire.Number(2)

	fieldEntryCID          = protowire.Number(1)
	fieldEntryPriority     = protowire.Number(2)
	fieldEntryCancel       = protowire.Number(3)
	fieldEntryWantType     = protowire.Number(4)
	fieldEntrySendDontHave = protowire.Number(5)

	fieldBlockPrefix = protowire.Number(1)
	fieldBlockData   = protowire.Number(2)

	fieldPresenceCID  = protowire.Number(1)
	fieldPresenceType = protowire.Number(2)
)

// The values of a presence's type on the wire.
const (
	presenceHave     = 0
	presenceDontHave = 1
)

const (
	tagSize  = 1 // every field number of the schema is under 16
	flagSize = tagSize + 1
	int32Max = tagSize + 10 // a negative int32 is a varint of ten bytes
)

// Overhead is at most what a message adds to a body besides its elements, in
// bytes: the head of the wantlist, its full flag, and pendingBytes.
const Overhead = tagSize + 4 + flagSize + int32Max

// EntrySize returns at most what a wantlist entry for c adds to a body, in
// bytes, whatever its priority and flags.
func EntrySize(c cid.Cid) int {
	return bytesSize(bytesSize(c.ByteLen()) + int32Max + 3*flagSize)
}

// PresenceSize returns at most what a presence for c adds to a body, in bytes.
func PresenceSize(c cid.Cid) int {
	return bytesSize(bytesSize(c.ByteLen()) + flagSize)
}

// BlockSize returns what b adds to the body of a message of [V110] or newer, in
// bytes.
func BlockSize(b blocks.Block) int { return bytesSize(payloadSize(b)) }

// Size returns the size of the body of the message on the wire of v, in bytes,
// without the length before it.
func (m *Message) Size(v Version) int {
	n := bytesSize(m.wantlistSize(v))
	for _, b := range m.Blocks {
		if v < V110 {
			n += bytesSize(len(b.RawData()))
		} else {
			n += BlockSize(b)
		}
	}
	if v < V120 {
		return n
	}
	for _, p := range m.Presences {
		n += bytesSize(p.size())
	}
	return n + int32Size(m.PendingBytes)
}

func (m *Message) wantlistSize(v Version) int {
	n := flag(m.Full)
	for i := range m.Wantlist {
		n += bytesSize(m.Wantlist[i].size(v))
	}
	return n
}

func (e *Entry) size(v Version) int {
	n := bytesSize(e.CID.ByteLen()) + int32Size(e.Priority) + flag(e.Cancel)
	if v < V120 {
		return n
	}
	return n + flag(e.Type != WantBlock) + flag(e.SendDontHave)
}

func (p *Presence) size() int { return bytesSize(p.CID.ByteLen()) + flag(!p.Have) }

// payloadSize returns the size of the submessage of a block. Proto3 leaves out
// an empty field.
func payloadSize(b blocks.Block) int {
	n := bytesSize(prefixSize(b.Cid().Prefix()))
	if len(b.RawData()) > 0 {
		n += bytesSize(len(b.RawData()))
	}
	return n
}

func bytesSize(n int) int { return tagSize + protowire.SizeBytes(n) }

func int32Size(i int32) int {
	if i == 0 {
		return 0
	}
	return tagSize + protowire.SizeVarint(uint64(int64(i)))
}

// flag returns the size of a field that is one when set and left out when not.
func flag(set bool) int {
	if set {
		return flagSize
	}
	return 0
}

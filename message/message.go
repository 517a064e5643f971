// Package message is the Bitswap wire message: what its fields are, how they
// merge, and how they are written and read within limits.
//
// It speaks Bitswap 1.2.0, 1.1.0, 1.0.0 and the unversioned first protocol. It
// has no goroutine, clock or lock; a value belongs to whoever holds it.
package message

import (
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// WantType is what a wantlist entry asks for.
type WantType uint8

// The numbers are those of the wire.
const (
	WantBlock WantType = 0 // the block itself
	WantHave  WantType = 1 // whether the peer has it
)

// Entry is one element of a wantlist.
type Entry struct {
	CID          cid.Cid
	Priority     int32 // higher is sooner; any int32 is legal
	Type         WantType
	Cancel       bool // withdraw the want for CID, whatever its type
	SendDontHave bool // answer even when the block is not there
}

// Presence says whether a peer has a block.
type Presence struct {
	CID  cid.Cid
	Have bool // HAVE, or DONT_HAVE
}

// Message is one Bitswap message, or a part of one (see [Decoder.Next]).
// Blocks are always verified: their bytes hash to their CID.
type Message struct {
	Wantlist     []Entry
	Full         bool // Wantlist replaces what was sent before instead of changing it
	Blocks       []blocks.Block
	Presences    []Presence
	PendingBytes int32 // bytes of blocks that the sender still has queued for the receiver; advisory
}

// Empty reports whether the message says nothing.
func (m *Message) Empty() bool {
	return len(m.Wantlist) == 0 && !m.Full && len(m.Blocks) == 0 && len(m.Presences) == 0 && m.PendingBytes == 0
}

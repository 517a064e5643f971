package network

import (
	"context"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// Sinks take what peers send. All are required. They are called by the readers
// of streams, concurrently for different streams, and may block: that is how
// pressure reaches the wire. The context ends with the stream or the network.
// An error ends the stream.
type Sinks struct {
	// Wants takes changes of a peer's wantlist.
	Wants func(ctx context.Context, w Wants) error
	// Heard takes what a message said, without the bytes, before Answers takes
	// the same.
	Heard func(ctx context.Context, h Heard) error
	// Answers takes blocks and presences, in wire order.
	Answers func(ctx context.Context, a Answers) error
	// Fault takes how often a peer did something wrong. It must not lose any.
	Fault func(ctx context.Context, p peer.ID, f message.Fault, n int)
}

func (s *Sinks) missing() string {
	switch {
	case s.Wants == nil:
		return "Wants"
	case s.Heard == nil:
		return "Heard"
	case s.Answers == nil:
		return "Answers"
	case s.Fault == nil:
		return "Fault"
	}
	return ""
}

// Wants is the wantlist of one message: a change, or the whole when Full. The
// receiver owns it.
type Wants struct {
	From    peer.ID
	Entries []message.Entry
	Full    bool

	// Generation is that of the connection on which the stream began, see
	// [PeerState]; zero when it is not known. What a reader still had when its
	// connection was lost may come after the next one was made known.
	Generation uint64
}

// Answers is blocks and presences of one message, or of a part of one. Blocks
// are verified. The receiver owns it.
type Answers struct {
	From      peer.ID
	Blocks    []blocks.Block
	Haves     []cid.Cid
	DontHaves []cid.Cid
	Began     time.Time // when the first of its message was read
	At        time.Time // when the last of it was read

	credit *credit
}

// Release gives the bytes of the blocks back to the receive budget, once they
// are delivered and stored, or dropped. Until then the peer's readers have that
// much less room. Calling it again, or on Answers that came from no network,
// does nothing.
func (a Answers) Release() { a.credit.release() }

// Heard is what an Answers said, without the bytes. The receiver owns it. While a
// large block is on its way it says nothing but how much has come.
type Heard struct {
	From      peer.ID
	Blocks    []Sized
	Haves     []cid.Cid
	DontHaves []cid.Cid
	At        time.Time // when the last of it was read
	Began     time.Time // when the message that it is of began to come
	Read      int64     // bytes that came from the peer until then, on all streams
	Part      int       // of those, in blocks that are not complete
	Burst     float64   // the highest rate at which bytes came without a pause, from all peers, since the last Heard of any; or 0
}

// Sized is the CID and the size in bytes of a block.
type Sized struct {
	CID  cid.Cid
	Size int
}

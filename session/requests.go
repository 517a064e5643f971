package session

import (
	"context"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Result is one block, or why it did not come.
type Result struct {
	CID   cid.Cid // as it was asked for
	Block blocks.Block
	From  peer.ID       // who sent it; empty when it was here already
	Took  time.Duration // from the want to the block
	Err   error         // when Block is nil: a *FetchError, or why the CID was refused
}

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	// want adds CIDs to a call. The call's first want makes it known.
	want struct {
		call    *call
		cids    []cid.Cid
		ordered bool // ask in this order
		single  bool // it is the call's only one, whose result counts as consumed when it is given
	}
	// finish says that no more wants follow: the call's slot is closed after the
	// last result.
	finish struct{ call *call }
	// cancel ends a call: it gets no more results and its slot is closed. The
	// reply says what became of each want that is still open.
	cancel struct {
		call  *call
		cause error
		reply chan<- []*FetchError
	}
	// look asks how the session is doing.
	look struct {
		detail bool
		reply  chan<- Report
	}
	// consumed says that the caller has taken results.
	consumed struct {
		call  *call
		count int
		bytes int
	}
)

func (want) isRequest()     {}
func (finish) isRequest()   {}
func (cancel) isRequest()   {}
func (consumed) isRequest() {}
func (look) isRequest()     {}

// Report returns how the session is doing, with its peers and oldest wants when
// detail is asked for. The error is the context's or [ErrClosed].
func (s *Session) Report(ctx context.Context, detail bool) (Report, error) {
	r, err := actor.Ask(ctx, s.inbox, func(reply chan<- Report) request { return look{detail, reply} })
	return r, closed(err)
}

// ID is the number that the session was made with.
func (s *Session) ID() uint64 { return s.cfg.ID }

// Opened is when the session was made.
func (s *Session) Opened() time.Time { return s.opened }

// call is one GetBlock, GetBlocks or Results: where its results go.
type call struct {
	slot *actor.Slot[[]Result]

	// The session's alone:

	due    []Result // to be published
	closed bool     // the slot is closed
	served bool     // it has had a block from a peer

	// course is the session's until the slot is closed or a cancel is answered, and then
	// the caller's.
	course *course
}

func newCall() *call { return &call{slot: actor.NewSlot[[]Result]()} }

// close ends the results of a call, once. The session alone calls it.
func (c *call) close() {
	if !c.closed {
		c.closed = true
		c.slot.Close()
	}
}

func appendResults(older, newer []Result) []Result { return append(older, newer...) }

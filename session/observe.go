package session

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Hook is told of each call when it begins, with the context of its caller and in
// its goroutine. It returns what is told of the end, in whatever goroutine that comes
// about, or nil. Both must be fast: the call waits for them. One that panics is
// counted, and the call goes on.
type Hook func(ctx context.Context, f Fetch) (ended func(Fetched))

// Fetch is a call that begins.
type Fetch struct {
	Session   uint64 // see [Session.ID]
	Call      string // "GetBlock", "GetBlocks" or "Results"
	Namespace string
	CIDs      int     // that are wanted; 0 for Results, to which they come one by one
	First     cid.Cid // of those; undefined when there is none
}

// Fetched is what came of a call.
type Fetched struct {
	Blocks int // that the caller has got
	Bytes  int // of those
	Local  int // of those, blocks that did not come from a peer
	Failed int // CIDs that could not be had
	Peers  int // that sent some of the blocks

	Candidates int // peers that the caller or the directory has named to the session
	Asked      int // peers that were asked for some of the blocks, or whether they have them
	Duplicates int // blocks that were asked of a further peer when they came: at most so many came twice
	Phases     Phases

	// FirstBlock is how long the first block took that came from a peer, since its
	// want; 0 when none did.
	FirstBlock time.Duration
	// Err is why the call ended early: its context has ended, or it broke; and for
	// GetBlock why there is no block.
	Err error
}

// Phases are when a call came to each of its phases. Zero is for one that it did not
// come to: a block that is here is not searched for.
type Phases struct {
	Began      time.Time // it waits for the session
	Taken      time.Time // which looks whether the blocks are here
	Searched   time.Time // nobody is known for some of them: the directory is asked, and peers that are connected
	Asked      time.Time // a peer was asked for a block
	FirstByte  time.Time // the first byte of the message of a peer that brought the first block
	FirstBlock time.Time // which was there, and verified
	LastBlock  time.Time // so far
	Ended      time.Time
}

// watched is a call of which a hook is told. A nil one is of nobody.
type watched struct {
	session *Session
	call    *call // once there is one
	ended   func(Fetched)
	came    Fetched
	peers   map[peer.ID]struct{}
}

// watch tells the hook of a call that begins.
func (s *Session) watch(ctx context.Context, call string, cids ...cid.Cid) *watched {
	if s.cfg.Hook == nil {
		return nil
	}
	f := Fetch{Session: s.cfg.ID, Call: call, Namespace: s.told, CIDs: len(cids)}
	if len(cids) > 0 {
		f.First = cids[0]
	}
	w := &watched{session: s, peers: make(map[peer.ID]struct{})}
	w.came.Phases.Began = time.Now()
	_ = actor.Guard("hook", s.cfg.Panicked, func() error { w.ended = s.cfg.Hook(ctx, f); return nil })
	return w
}

// of says which call it is.
func (w *watched) of(c *call) {
	if w != nil {
		w.call = c
	}
}

// note counts a result that the caller has got.
func (w *watched) note(r *Result) {
	if w == nil {
		return
	}
	c := &w.came
	switch {
	case r.Block == nil:
		c.Failed++
		return
	case r.From == "":
		c.Local++
	case len(w.peers) == 0:
		c.FirstBlock = r.Took
	}
	if r.From != "" {
		w.peers[r.From] = struct{}{}
	}
	c.Blocks++
	c.Bytes += len(r.Block.RawData())
}

// end tells the hook what came of the call.
func (w *watched) end(err error) {
	if w == nil || w.ended == nil {
		return
	}
	w.came.Peers, w.came.Err = len(w.peers), err
	w.courseOf()
	w.came.Phases.Ended = time.Now()
	_ = actor.Guard("hook", w.session.cfg.Panicked, func() error { w.ended(w.came); return nil })
}

// courseOf adds what the session tells of the call. It knows nothing of one that did
// not get that far.
func (w *watched) courseOf() {
	if w.call == nil || w.call.course == nil {
		return
	}
	c, began := w.call.course, w.came.Phases.Began
	w.came.Candidates, w.came.Asked, w.came.Duplicates = c.candidates, c.peers, c.duplicates
	w.came.Phases = c.phases
	w.came.Phases.Began = began
}

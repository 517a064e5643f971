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
	// FirstBlock is how long the first block took that came from a peer, since its
	// want; 0 when none did.
	FirstBlock time.Duration
	// Err is why the call ended early: its context has ended, or it broke; and for
	// GetBlock why there is no block.
	Err error
}

// watched is a call of which a hook is told. A nil one is of nobody.
type watched struct {
	session *Session
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
	_ = actor.Guard("hook", s.cfg.Panicked, func() error { w.ended = s.cfg.Hook(ctx, f); return nil })
	return w
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
	_ = actor.Guard("hook", w.session.cfg.Panicked, func() error { w.ended(w.came); return nil })
}

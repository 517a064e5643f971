package session

import (
	"context"
	"errors"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

// maxTaken is how many wants of a stream are taken in before results have gone
// out: enough for the largest windows of small blocks.
const maxTaken = 4096

// GetBlock fetches one block, verified. It blocks until the block is there, the
// fetch has failed with a [*FetchError], or ctx ends, which gives a *FetchError
// that says what each peer answered until then.
func (s *Session) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	w := s.watch(ctx, "GetBlock", c)
	r := s.getBlock(ctx, c, w)
	w.note(&r)
	w.end(r.Err)
	return r.Block, r.Err
}

func (s *Session) getBlock(ctx context.Context, c cid.Cid, w *watched) Result {
	if b, err := atOnce(c); b != nil || err != nil {
		return Result{CID: c, Block: b, Err: err}
	}
	if err := context.Cause(ctx); err != nil {
		return failed(c, err)
	}
	call := newCall()
	w.of(call)
	if err := s.inbox.Send(ctx, want{call: call, cids: []cid.Cid{c}, ordered: true, single: true}); err != nil {
		return failed(c, closed(err))
	}
	select {
	case r := <-call.slot.C():
		return only(c, r)
	case <-ctx.Done():
		return s.giveUp(c, call, context.Cause(ctx))
	case <-s.loop.Done():
		return only(c, last(call))
	}
}

func failed(c cid.Cid, cause error) Result {
	return Result{CID: c, Err: &FetchError{CID: c, Err: cause}}
}

// only returns the one result of a call.
func only(c cid.Cid, rs []Result) Result {
	if len(rs) == 0 {
		return failed(c, ErrClosed)
	}
	return rs[0]
}

// giveUp cancels a call for one block. A block that came in the same moment is
// returned.
func (s *Session) giveUp(c cid.Cid, call *call, cause error) Result {
	open := s.cancel(call, cause)
	if rs := last(call); len(rs) > 0 {
		return rs[0]
	}
	if len(open) == 0 {
		return failed(c, cause)
	}
	return Result{CID: c, Err: open[0]}
}

// last looks once more for results that came in the moment of the end.
func last(call *call) []Result {
	select {
	case rs := <-call.slot.C():
		return rs
	default:
		return nil
	}
}

// GetBlocks fetches blocks, verified, in the order in which they come. Each CID
// is delivered once, however often it is in cids. The channel is closed when
// all are there, when none of those missing can come any more, or when ctx ends;
// the caller must receive until then or end ctx. [Session.Results] tells more.
func (s *Session) GetBlocks(ctx context.Context, cids []cid.Cid) (<-chan blocks.Block, error) {
	for _, c := range cids {
		if _, err := atOnce(c); err != nil {
			return nil, err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	p := &pump[blocks.Block]{session: s, call: newCall(), out: out, open: make(map[cid.Cid]struct{}), convert: func(r Result) (blocks.Block, bool) {
		return r.Block, r.Err == nil
	}}
	p.watched = s.watch(ctx, "GetBlocks", cids...)
	p.watched.of(p.call)
	if err := p.begin(ctx, cids); err != nil {
		p.watched.end(err)
		return nil, err
	}
	go p.guard(ctx)
	return out, nil
}

// Results fetches the blocks whose CIDs come in, until in is closed and all are
// there, or ctx ends; then its channel is closed. Every CID gets one result:
// the block, who sent it and how long it took, or why it did not come. CIDs are
// asked for in the order in which they come. The caller must receive until the
// channel is closed or end ctx.
func (s *Session) Results(ctx context.Context, in <-chan cid.Cid) <-chan Result {
	out := make(chan Result)
	p := &pump[Result]{session: s, call: newCall(), out: out, in: in, open: make(map[cid.Cid]struct{}), convert: func(r Result) (Result, bool) {
		return r, true
	}}
	p.watched = s.watch(ctx, "Results")
	p.watched.of(p.call)
	go p.guard(ctx)
	return out
}

// atOnce answers what needs no peer: an identity CID holds its own bytes, the
// empty block has none, and what is no proof of anything is refused.
func atOnce(c cid.Cid) (blocks.Block, error) {
	if !c.Defined() {
		return nil, ErrUndefined
	}
	if data, ok := Identity(c); ok {
		return blocks.NewBlockWithCid(data, c)
	}
	if _, empty := emptyHashes[message.Multihash(c)]; empty {
		return blocks.NewBlockWithCid([]byte{}, c)
	}
	return nil, message.CheckCID(c)
}

// emptyHashes are the hashes of no bytes. A block without bytes is known by its
// CID; boxo's server takes it for a block that it does not have
// (blockstoremanager.go), so asking could wait for ever.
var emptyHashes = hashesOfNothing(
	multihash.SHA2_256, multihash.SHA2_512, multihash.DBL_SHA2_256, multihash.SHA3_256, multihash.SHA3_512,
	multihash.KECCAK_256, multihash.BLAKE2B_MIN+31, multihash.BLAKE2S_MIN+31, multihash.BLAKE3,
)

func hashesOfNothing(functions ...uint64) map[string]struct{} {
	hashes := make(map[string]struct{}, len(functions))
	for _, f := range functions {
		if h, err := multihash.Sum(nil, f, -1); err == nil {
			hashes[string(h)] = struct{}{}
		}
	}
	return hashes
}

// maxIdentity is the longest identity digest that is accepted, as Kubo does.
const maxIdentity = 128

// Identity returns the bytes that an identity CID holds, and whether it is one of
// at most 128 bytes.
func Identity(c cid.Cid) ([]byte, bool) {
	if hash := message.Multihash(c); hash == "" || hash[0] != multihash.IDENTITY {
		return nil, false
	}
	d, err := multihash.Decode(c.Hash())
	if err != nil || len(d.Digest) > maxIdentity {
		return nil, false
	}
	return d.Digest, true
}

// cancel ends a call and returns what became of its open wants. It does not
// depend on the caller's context, which has ended.
func (s *Session) cancel(call *call, cause error) []*FetchError {
	failed, _ := actor.Ask(context.Background(), s.inbox, func(reply chan<- []*FetchError) request {
		return cancel{call, cause, reply}
	})
	return failed
}

// closed speaks of the session where the actor says that it has ended.
func closed(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}

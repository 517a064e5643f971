package session

import (
	"context"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
)

// pump is the goroutine of one GetBlocks or Results: it takes the call's
// results from the session, which never waits for it, and gives them to the
// caller, who may be slow. What it holds the session counts as undelivered.
type pump[T any] struct {
	session *Session
	call    *call
	in      <-chan cid.Cid // more wants; nil when there are none
	out     chan<- T
	convert func(Result) (T, bool) // false for a result that the caller is not told

	held  []Result
	open  map[cid.Cid]struct{} // wants taken in and not yet given out
	taken consumed

	watched *watched
	cut     error // why the call ended before its results did
}

// guard runs the pump. A panic, which can only come from the caller's context,
// ends the call.
func (p *pump[T]) guard(ctx context.Context) {
	defer close(p.out)
	err := actor.Guard("call", p.session.cfg.Panicked, func() error { p.run(ctx); return nil })
	if err != nil {
		p.session.cancel(p.call, err)
	} else {
		err = p.cut
	}
	p.watched.end(err)
}

func (p *pump[T]) run(ctx context.Context) {
	results := p.call.slot.C()
	for results != nil || len(p.held) > 0 || p.in != nil {
		next, out := p.next()
		in := p.in
		if len(p.open) >= maxTaken {
			in = nil
		}
		select {
		case rs, ok := <-results:
			if !ok {
				results = nil
				p.in = nil
			}
			p.held = append(p.held, rs...)
		case out <- next:
			p.gave()
		case c, more := <-in:
			if !p.take(ctx, c, more) {
				p.in = nil // The context or the session has ended.
			}
		case <-ctx.Done():
			p.drop(ctx)
			return
		case <-p.session.loop.Done():
			p.in, p.cut = nil, ErrClosed
			p.held = append(p.held, last(p.call)...)
			results = nil
			if len(p.held) == 0 {
				return
			}
			p.flush(ctx)
			return
		}
	}
}

// next is the result that the caller gets next, and where; a nil channel when
// there is none.
func (p *pump[T]) next() (T, chan<- T) {
	var none T
	for len(p.held) > 0 {
		if v, told := p.convert(p.held[0]); told {
			return v, p.out
		}
		p.gave()
	}
	return none, nil
}

// gave counts the first result held as consumed. The session is told when it
// matters: with the last of a batch, or when much has gathered.
func (p *pump[T]) gave() {
	r := p.held[0]
	p.watched.note(&r)
	p.held[0] = Result{}
	p.held = p.held[1:]
	delete(p.open, r.CID)
	p.taken.count++
	if r.Block != nil {
		p.taken.bytes += len(r.Block.RawData())
	}
	if len(p.held) > 0 && p.taken.bytes < reportBytes {
		return
	}
	p.taken.call = p.call
	_ = p.session.inbox.Send(context.Background(), p.taken) // Fails only when the session has ended.
	p.taken = consumed{}
}

// reportBytes is how much the caller may have taken before the session hears of
// it within a batch: a quarter of the size of a usual block.
const reportBytes = 64 << 10

// take takes in the CIDs that are there, and reports whether the session lives.
func (p *pump[T]) take(ctx context.Context, c cid.Cid, more bool) bool {
	var cids []cid.Cid
	for more {
		cids = append(cids, c)
		if len(p.open)+len(cids) >= maxTaken {
			return p.add(ctx, cids, true) == nil
		}
		select {
		case c, more = <-p.in:
		default:
			return p.add(ctx, cids, true) == nil
		}
	}
	p.in = nil
	return p.add(ctx, cids, true) == nil && p.finish(ctx) == nil
}

// begin wants the CIDs of a call to which none are added.
func (p *pump[T]) begin(ctx context.Context, cids []cid.Cid) error {
	err := p.add(ctx, cids, false)
	p.open = nil // It would only tell what is asked for twice.
	if err == nil {
		err = p.finish(ctx)
	}
	if err != nil {
		p.session.cancel(p.call, err)
	}
	return closed(err)
}

// add wants the CIDs that are not open already. Those that need no peer, or are
// refused, are answered at once.
func (p *pump[T]) add(ctx context.Context, cids []cid.Cid, ordered bool) error {
	var wanted []cid.Cid
	for _, c := range cids {
		if _, twice := p.open[c]; twice {
			continue
		}
		p.open[c] = struct{}{}
		if b, err := atOnce(c); b != nil || err != nil {
			p.held = append(p.held, Result{CID: c, Block: b, Err: err})
			continue
		}
		wanted = append(wanted, c)
	}
	if len(wanted) == 0 {
		return nil
	}
	return p.session.inbox.Send(ctx, want{call: p.call, cids: wanted, ordered: ordered})
}

func (p *pump[T]) finish(ctx context.Context) error {
	return p.session.inbox.Send(ctx, finish{p.call})
}

// drop ends the call because the caller's context has ended.
func (p *pump[T]) drop(ctx context.Context) {
	p.cut = context.Cause(ctx)
	p.session.cancel(p.call, p.cut)
}

// flush gives out what is left after the session has ended.
func (p *pump[T]) flush(ctx context.Context) {
	for {
		v, out := p.next()
		if out == nil {
			return
		}
		select {
		case out <- v:
			p.gave()
		case <-ctx.Done():
			return
		}
	}
}

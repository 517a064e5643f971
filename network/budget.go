package network

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// floorShare is the part of a peer's budget that is small: the last quarter of
// the node's budget is kept for peers that take no more than it, so that a few
// peers with large unfinished frames do not lock out the others.
const floorShare = 16

// budget is the memory for what is being received, taken before it is
// allocated, and the streams that take it.
//
// Nobody waits for ever. Bytes that were handed on come back when their
// consumer releases them. When a peer has none of those, what is left is held
// by unfinished frames: one of its streams then becomes the leader, who may go
// over the peer's limit until its frame is handed on. A stream that waits for
// the node's limit gives up after the patience, and with it what it holds.
type budget struct {
	node     int
	peer     int
	patience time.Duration

	mu       sync.Mutex
	used     int
	accounts map[peer.ID]*account
	waiting  []*claim // oldest first
}

// account is what one peer has taken and the streams of it that are read.
type account struct {
	id      peer.ID
	used    int // bytes taken, of which
	onHand  int // were handed on and are not yet released
	leader  *allowance
	streams map[*inbound]struct{}
	opened  int // streams of ours on which the peer answers
}

// allowance is the share of one stream.
type allowance struct {
	b    *budget
	acct *account
	ctx  context.Context
	held int // taken and not handed on
}

// claim is an allowance that waits for bytes.
type claim struct {
	a       *allowance
	bytes   int
	granted chan struct{}
}

func newBudget(node, peerLimit int, patience time.Duration) *budget {
	return &budget{node: node, peer: peerLimit, patience: patience, accounts: make(map[peer.ID]*account)}
}

func (b *budget) taken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// try takes bytes for a frame if they are there, and overtakes nobody.
func (a *allowance) try(bytes int) bool {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if a.b.isAwaited(a.acct) || !a.b.fits(a, bytes) {
		return false
	}
	a.b.charge(a, bytes)
	return true
}

// isAwaited reports whether somebody waits for bytes of the account or of the
// node.
func (b *budget) isAwaited(acct *account) bool {
	for _, c := range b.waiting {
		if c.a.acct == acct || !b.fitsNode(c.a.acct, c.bytes) {
			return true
		}
	}
	return false
}

// take takes bytes for a frame, and waits for them if it must.
func (a *allowance) take(bytes int) error {
	b := a.b
	b.mu.Lock()
	c := &claim{a: a, bytes: bytes, granted: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.grant()
	b.mu.Unlock()
	return b.await(c)
}

// await blocks until the claim is granted, its stream ends, or the node has had
// no room for the patience.
func (b *budget) await(c *claim) error {
	patience := time.NewTimer(b.patience)
	defer patience.Stop()
	for {
		select {
		case <-c.granted:
			return nil
		case <-c.a.ctx.Done():
			return b.withdraw(c, context.Cause(c.a.ctx))
		case <-patience.C:
			if b.nodeIsFull(c) {
				return b.withdraw(c, errNoRoom)
			}
			patience.Reset(b.patience)
		}
	}
}

func (b *budget) nodeIsFull(c *claim) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.fitsNode(c.a.acct, c.bytes)
}

// withdraw takes a claim back, unless it was granted in the same moment.
func (b *budget) withdraw(c *claim, cause error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.waiting {
		if other == c {
			b.waiting = slices.Delete(b.waiting, i, i+1)
			b.grant()
			return cause
		}
	}
	return nil
}

// lend gives an allowance to a stream that we have opened to p.
func (b *budget) lend(ctx context.Context, p peer.ID) *allowance {
	b.mu.Lock()
	defer b.mu.Unlock()
	acct := b.account(p)
	acct.opened++
	return &allowance{b: b, acct: acct, ctx: ctx}
}

// settle takes back what was lent.
func (b *budget) settle(a *allowance) {
	a.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	a.acct.opened--
	b.drop(a.acct)
}

// give returns bytes that were not handed on.
func (a *allowance) give(bytes int) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.put(bytes)
}

func (a *allowance) put(bytes int) {
	a.held -= bytes
	a.b.discharge(a.acct, bytes)
	a.yield()
	a.b.grant()
}

// handOn turns bytes of the allowance into a credit, which whoever consumes
// them gives back.
func (a *allowance) handOn(bytes int) *credit {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.held -= bytes
	a.acct.onHand += bytes
	a.yield()
	return &credit{b: a.b, acct: a.acct, bytes: bytes}
}

// close gives back what the stream still holds.
func (a *allowance) close() {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.put(a.held)
}

// yield ends the lead when nothing unfinished is held any more.
func (a *allowance) yield() {
	if a.acct.leader == a && a.held == 0 {
		a.acct.leader = nil
	}
}

// grant gives bytes to those who wait, oldest first, as far as there are any.
func (b *budget) grant() {
	kept := b.waiting[:0]
	for _, c := range b.waiting {
		if !b.fits(c.a, c.bytes) {
			kept = append(kept, c)
			continue
		}
		b.charge(c.a, c.bytes)
		close(c.granted)
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
}

// fits reports whether a may take the bytes now. It may make a the leader.
func (b *budget) fits(a *allowance, bytes int) bool {
	if !b.fitsNode(a.acct, bytes) {
		return false
	}
	acct := a.acct
	if acct.used+bytes <= b.peer || acct.leader == a {
		return true
	}
	if acct.leader == nil && acct.onHand == 0 {
		acct.leader = a
		return true
	}
	return false
}

func (b *budget) fitsNode(acct *account, bytes int) bool {
	limit := b.node
	if small := acct.used+bytes <= b.peer/floorShare; !small && b.used > acct.used {
		limit -= b.node / 4
	}
	return b.used+bytes <= limit || b.used == 0
}

func (b *budget) charge(a *allowance, bytes int) {
	a.held += bytes
	a.acct.used += bytes
	b.used += bytes
}

func (b *budget) discharge(acct *account, bytes int) {
	acct.used -= bytes
	b.used -= bytes
	b.drop(acct)
}

// drop forgets an account that nobody uses.
func (b *budget) drop(acct *account) {
	if acct.used == 0 && len(acct.streams)+acct.opened == 0 && b.accounts[acct.id] == acct {
		delete(b.accounts, acct.id)
	}
}

// account returns that of p.
func (b *budget) account(p peer.ID) *account {
	acct := b.accounts[p]
	if acct == nil {
		acct = &account{id: p, streams: make(map[*inbound]struct{})}
		b.accounts[p] = acct
	}
	return acct
}

// credit is bytes that were handed on.
type credit struct {
	b     *budget
	acct  *account
	bytes int
}

// release gives the bytes back, once.
func (c *credit) release() {
	if c == nil {
		return
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	bytes := c.bytes
	c.bytes = 0
	c.acct.onHand -= bytes
	c.b.discharge(c.acct, bytes)
	c.b.grant()
}

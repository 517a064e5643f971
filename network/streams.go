package network

import (
	"github.com/libp2p/go-libp2p/core/peer"
)

// overbooking is how many times the cap of inbound streams may be read while
// none of them waits for its peer: then it is us who are slow, and a reset would
// lose what an honest peer has sent.
const overbooking = 8

// admit counts a stream of a peer and gives it its allowance. When the peer has
// too many it returns the idlest, which has to end; when that does not help, it
// reports false.
func (b *budget) admit(in *inbound, limit int) (evicted *inbound, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	acct := b.account(in.peer)
	if len(acct.streams) >= limit {
		evicted = acct.idlest()
		if evicted == nil && len(acct.streams) >= limit*overbooking {
			return nil, false
		}
	}
	if evicted != nil {
		delete(acct.streams, evicted)
	}
	acct.streams[in] = struct{}{}
	in.share = &allowance{b: b, acct: acct, ctx: in.ctx}
	return evicted, true
}

// dismiss takes back the admission of a stream that has ended.
func (b *budget) dismiss(in *inbound) {
	in.share.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(in.share.acct.streams, in)
	b.drop(in.share.acct)
}

// idlest returns the stream that has waited longest for its peer, if any waits.
func (a *account) idlest() *inbound {
	var idlest *inbound
	var since int64
	for in := range a.streams {
		if w := in.wire.waiting.Load(); w != 0 && (idlest == nil || w < since) {
			idlest, since = in, w
		}
	}
	return idlest
}

// endStreams ends the streams of p. Their readers do the rest.
func (b *budget) endStreams(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if acct := b.accounts[p]; acct != nil {
		acct.endStreams()
	}
}

func (b *budget) endAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, acct := range b.accounts {
		acct.endStreams()
	}
}

func (a *account) endStreams() {
	for in := range a.streams {
		in.end()
	}
}

package network

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// overbooking is how many times the cap of inbound streams may be read
	// while none of them is idle: a boxo server opens a stream for each message,
	// in bursts, and a reset would lose what an honest peer has sent.
	overbooking = 8
	// idleTime is for how long a stream must have waited for its peer to be
	// idle: longer than the bytes of a burst are apart, lost packets included.
	idleTime = time.Second
)

// MostInboundStreams is how many streams of one peer are read at most while none of
// them is idle, by default. Whoever bounds streams in front of the network should let
// so many pass.
const MostInboundStreams = DefaultInboundStreams * overbooking

// admit counts a stream of a peer and gives it its allowance. When the peer has
// too many it returns the idlest, which have to end; when that does not help, it
// reports false.
func (b *budget) admit(in *inbound, limit int, now time.Time) (evicted []*inbound, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	acct := b.account(in.peer)
	for len(acct.streams) >= limit {
		idlest := acct.idlest(now.Add(-idleTime))
		if idlest == nil {
			break
		}
		delete(acct.streams, idlest)
		evicted = append(evicted, idlest)
	}
	if len(acct.streams) >= limit*overbooking {
		return evicted, false
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

// idlest returns the stream that has waited longest for its peer, among those
// that began to wait before the given time.
func (a *account) idlest(before time.Time) *inbound {
	var idlest *inbound
	since := before.UnixNano()
	for in := range a.streams {
		if w := in.wire.waiting.Load(); w != 0 && w < since {
			idlest, since = in, w
		}
	}
	return idlest
}

// streams returns how many streams are admitted.
func (b *budget) streams() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, acct := range b.accounts {
		n += len(acct.streams)
	}
	return n
}

// endStreams ends the streams of p. Their readers do the rest.
func (b *budget) endStreams(p peer.ID) {
	b.mu.Lock()
	var streams []*inbound
	if acct := b.accounts[p]; acct != nil {
		streams = slices.Collect(maps.Keys(acct.streams))
	}
	b.mu.Unlock()
	for _, in := range streams {
		in.end()
	}
}

func (b *budget) endAll() {
	b.mu.Lock()
	peers := slices.Collect(maps.Keys(b.accounts))
	b.mu.Unlock()
	for _, p := range peers {
		b.endStreams(p)
	}
}

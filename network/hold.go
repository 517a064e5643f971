package network

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/peer"
)

// usefulTag is under what the connection manager sees the worth of a peer.
const usefulTag = "souk-useful"

type hold struct {
	peer peer.ID
	tag  string
}

// holds counts who wants to keep a connection: libp2p's connection manager
// protects a peer under a tag once, however often it is asked.
type holds struct {
	manager connmgr.ConnManager

	mu     sync.Mutex
	count  map[hold]int
	useful map[peer.ID]struct{}
	closed bool // nothing is held any more
}

func newHolds(m connmgr.ConnManager) *holds {
	return &holds{manager: m, count: make(map[hold]int), useful: make(map[peer.ID]struct{})}
}

// Hold keeps the connections of p from being trimmed by the connection manager,
// until Release has been called as often with the same tag. It opens none.
func (n *Network) Hold(p peer.ID, tag string) {
	h := n.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.count[hold{p, tag}]++
	if h.count[hold{p, tag}] == 1 {
		_ = n.life.guard("hold", func() { h.manager.Protect(p, tag) })
	}
}

// Release takes one [Network.Hold] back. It closes no connection. One Release
// too many does nothing.
func (n *Network) Release(p peer.ID, tag string) {
	h := n.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.count[hold{p, tag}] {
	case 0:
		return
	case 1:
		delete(h.count, hold{p, tag})
		_ = n.life.guard("hold", func() { h.manager.Unprotect(p, tag) })
	default:
		h.count[hold{p, tag}]--
	}
}

// Useful tells the connection manager what p is worth when it has to choose
// whose connections to trim. The last weight counts; zero takes it back.
func (n *Network) Useful(p peer.ID, weight int) {
	h := n.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	if weight == 0 {
		delete(h.useful, p)
		_ = n.life.guard("hold", func() { h.manager.UntagPeer(p, usefulTag) })
		return
	}
	if h.closed {
		return
	}
	h.useful[p] = struct{}{}
	_ = n.life.guard("hold", func() { h.manager.TagPeer(p, usefulTag, weight) })
}

// releaseAll leaves the connection manager as if there had been no network.
func (h *holds) releaseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for held := range h.count {
		h.manager.Unprotect(held.peer, held.tag)
	}
	for p := range h.useful {
		h.manager.UntagPeer(p, usefulTag)
	}
	clear(h.count)
	clear(h.useful)
}

package network

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// PeerState is the latest state of one peer.
type PeerState struct {
	Peer peer.ID
	// Connected says that the peer has a usable connection and speaks Bitswap.
	// It becomes false after the last reader of the peer's streams has ended.
	Connected bool
	// Version is the newest version that both sides have.
	Version message.Version
	// Epoch grows when something written in [LaneWants] or [LanePresences] may
	// be lost although it was reported as sent: what the peer must know has to
	// be written again.
	Epoch uint64
	// Generation grows each time when the peer connects. A state that is
	// Connected with a higher Generation than the last says that the peer was
	// gone in between: it has forgotten what it was told.
	Generation uint64
}

// Watch gives one follower the latest state of each peer that has changed.
// Noting a change never blocks; changes of one peer that were not taken yet
// merge into the last.
type Watch struct {
	changed chan struct{}

	mu     sync.Mutex
	order  []peer.ID // oldest unread change first
	states map[peer.ID]PeerState
}

func newWatch() *Watch {
	return &Watch{changed: make(chan struct{}, 1), states: make(map[peer.ID]PeerState)}
}

// C delivers when something has changed since the last Take. It is never closed.
func (w *Watch) C() <-chan struct{} { return w.changed }

// Take returns what has changed since it was last called, one state for each
// peer, the one with the oldest change first. It is nil when nothing has.
func (w *Watch) Take() []PeerState {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return nil
	}
	taken := make([]PeerState, 0, len(w.order))
	for _, p := range w.order {
		taken = append(taken, w.states[p])
	}
	w.order = w.order[:0]
	clear(w.states)
	return taken
}

func (w *Watch) note(s PeerState) {
	w.mu.Lock()
	if _, waits := w.states[s.Peer]; !waits {
		w.order = append(w.order, s.Peer)
	}
	w.states[s.Peer] = s
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

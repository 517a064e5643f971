package network

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// roster knows the peers that are connected and speak Bitswap, and nobody else.
//
// Its lock may be taken while libp2p holds locks of its own, and is only held
// to look at connections and to note state.
type roster struct {
	n *Network

	mu         sync.Mutex
	byID       map[peer.ID]*remote
	watches    []*Watch
	generation uint64 // last one given; of all peers, so that it grows for each
	epoch      uint64 // likewise
	places     *places
	from       func(peer.ID) netip.Addr // that a peer connects from; not valid when we dialled it
	turnedAway bool                     // somebody was, since the host's peers were looked through
	again      *time.Timer              // until they are
	closed     bool
}

// remote is one peer of the roster.
type remote struct {
	id      peer.ID
	arrival arrival

	// Under the lock of the roster.
	versions versionSet // that both sides have
	up       bool       // has a usable connection and a place, and is not refused
	crowded  bool       // there was no place for it, as long as it is known
	places   []netip.Prefix
	since    time.Time // when it took its place
	rose     time.Time // when it came up last
	readers  int       // of its inbound streams
	heard    bool      // a reader may have handed something on
	told     PeerState // as last noted in the watches
	expiry   *time.Timer
	senders  [linesPerPeer]*sender
}

func newRoster(n *Network) *roster {
	return &roster{n: n, byID: make(map[peer.ID]*remote), places: newPlaces(&n.cfg), from: n.origin}
}

// refresh looks at the connections of p again. libp2p calls it, through the
// notices of connections.
func (r *roster) refresh(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.byID[p]; m != nil {
		r.settle(m)
	}
}

// learn notes that p speaks the versions.
func (r *roster) learn(p peer.ID, versions versionSet) {
	if versions == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[p] == nil && !r.usable(p) {
		return
	}
	m := r.enlist(p)
	m.versions |= versions
	r.settle(m)
}

// unlearn notes that p does not speak the versions any more.
func (r *roster) unlearn(p peer.ID, versions versionSet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.byID[p]; m != nil {
		m.versions &^= versions
		r.settle(m)
	}
}

// join notes that a reader of p's streams begins, and that p speaks v: it opened
// a stream with it. It also returns the generation of the connection. The reader
// calls leave at its end. It reports false when there is no place for the peer: its
// streams are not read.
func (r *roster) join(p peer.ID, v message.Version) (m *remote, generation uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m = r.enlist(p)
	m.versions |= setOf(v)
	m.readers++
	r.settle(m)
	if m.crowded {
		m.readers--
		r.settle(m)
		return nil, 0, false
	}
	m.heard = true
	return m, m.told.Generation, true
}

func (r *roster) leave(m *remote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.readers--
	if r.byID[m.id] == m {
		r.settle(m)
	}
}

func (r *roster) enlist(p peer.ID) *remote {
	m := r.byID[p]
	if m == nil {
		m = &remote{id: p}
		r.byID[p] = m
	}
	return m
}

// settle draws the consequences of what is known about m.
func (r *roster) settle(m *remote) {
	up := m.versions != 0 && r.usable(m.id)
	switch {
	case up && !m.up && r.admit(m):
		r.rise(m)
	case up && m.up && m.told.Version != m.versions.newest():
		r.tell(m)
	case !up && m.up:
		r.fall(m)
	case !m.up && m.readers == 0:
		r.forget(m)
	}
}

func (r *roster) rise(m *remote) {
	m.up = true
	m.rose = time.Now()
	m.stopExpiry()
	r.generation++
	r.epoch++
	m.told.Generation, m.told.Epoch = r.generation, r.epoch
	r.tell(m)
}

// fall notes that the last usable connection is gone. Readers may still hand on
// what came before.
func (r *roster) fall(m *remote) {
	m.up = false
	r.vacate(m)
	if m.readers == 0 {
		r.forget(m)
		return
	}
	generation := m.told.Generation
	m.expiry = r.n.life.after(r.n.cfg.GoneAfter, "events", func() { r.expire(m, generation) })
}

func (r *roster) expire(m *remote, generation uint64) {
	r.mu.Lock()
	gone := r.byID[m.id] == m && !m.up && m.told.Generation == generation
	if gone {
		r.forget(m)
	}
	r.mu.Unlock()
	if gone {
		r.n.budget.endStreams(m.id)
	}
}

// forget removes m and says so to whoever may have heard of it.
func (r *roster) forget(m *remote) {
	delete(r.byID, m.id)
	m.stopExpiry()
	for _, s := range m.senders {
		if s != nil {
			r.n.life.always("close", s.end)
		}
	}
	if m.told.Connected || m.heard {
		r.tell(m)
	}
}

func (m *remote) stopExpiry() {
	if m.expiry != nil {
		m.expiry.Stop()
		m.expiry = nil
	}
}

// tell notes the state of m in every watch.
func (r *roster) tell(m *remote) {
	m.told.Peer = m.id
	m.told.Connected = m.up
	m.told.Version = m.versions.newest()
	for _, w := range r.watches {
		w.note(m.told)
	}
}

// lost notes that something which m was told may not have arrived.
func (r *roster) lost(m *remote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[m.id] == m {
		r.settle(m) // The connection may be gone as well, and its notice on the way.
	}
	r.epoch++
	m.told.Epoch = r.epoch
	if m.up && r.byID[m.id] == m {
		r.tell(m)
	}
}

// lookAgain is after how long a look at connections that panicked is taken
// again: no notice may come that would make us look.
const lookAgain = time.Second

// usable reports whether p has a connection that Bitswap may use. While the host
// panics it has none; whoever holds the lock finishes what it began.
func (r *roster) usable(p peer.ID) (yes bool) {
	if r.closed || r.n.strikes.refused(p, time.Now()) {
		return false
	}
	if r.n.life.guard("events", func() { yes = r.connected(p) }) != nil {
		r.n.life.after(lookAgain, "events", func() {
			r.refresh(p)
			r.n.meet(p)
		})
	}
	return yes
}

func (r *roster) connected(p peer.ID) bool {
	for _, c := range r.n.cfg.Host.Network().ConnsToPeer(p) {
		if !c.IsClosed() && (r.n.cfg.AllowLimited || !c.Stat().Limited) {
			return true
		}
	}
	return false
}

// isDirect reports whether there is a connection to p that is not through a relay.
func (n *Network) isDirect(p peer.ID) bool {
	return slices.ContainsFunc(n.cfg.Host.Network().ConnsToPeer(p), func(c p2pnet.Conn) bool {
		return !c.IsClosed() && !c.Stat().Limited
	})
}

// sender returns who writes the line of p, or nil when p is not connected.
func (r *roster) sender(p peer.ID, l line) *sender {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.byID[p]
	if m == nil || !m.up {
		return nil
	}
	if m.senders[l] == nil {
		m.senders[l] = newSender(r.n, m, l)
	}
	return m.senders[l]
}

// version returns the newest version that m and we have.
func (r *roster) version(m *remote) message.Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.versions.newest()
}

func (r *roster) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID)
}

func (r *roster) find(p peer.ID) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[p]
}

// close makes every peer gone and returns who wrote to them.
func (r *roster) close() []*sender {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.again != nil {
		r.again.Stop()
	}
	var senders []*sender
	for _, p := range slices.Sorted(maps.Keys(r.byID)) {
		m := r.byID[p]
		m.stopExpiry()
		for _, s := range m.senders {
			if s != nil {
				senders = append(senders, s)
			}
		}
		m.up = false
		r.tell(m)
	}
	clear(r.byID)
	return senders
}

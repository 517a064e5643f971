package resolver

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/internal/actor"
)

// Source is a set of peers that changes. See [NewSet], [Connected], [InNamespace] and
// [Join].
type Source interface {
	// Follow calls set with the whole set, at first and after each change, until ctx
	// ends. It runs in one goroutine of the resolver. Set does not block, and keeps what
	// it is given. When Follow returns before that it is called again, after a second and
	// then ever later; the set stays what it was.
	Follow(ctx context.Context, set func([]peer.AddrInfo)) error
}

// bound is a source that needs the exchange of its resolver.
type bound interface {
	Source
	bind(s *souk.Service, id protocol.ID) Source
}

// bind gives a source what it needs.
func bind(of Source, s *souk.Service, id protocol.ID) Source {
	if b, ok := of.(bound); ok {
		return b.bind(s, id)
	}
	return of
}

// Set is a source that the caller changes. Its methods are safe for concurrent use.
type Set struct {
	held chan membership // the one there is, for who changes it or looks at it
}

// membership is who is in a set.
type membership struct {
	peers   map[peer.ID]peer.AddrInfo
	changed chan struct{} // closed with the next change
}

// NewSet returns a set of the given peers.
func NewSet(peers ...peer.AddrInfo) *Set {
	s := &Set{held: make(chan membership, 1)}
	s.held <- membership{make(map[peer.ID]peer.AddrInfo), make(chan struct{})}
	s.Replace(peers...)
	return s
}

// Replace lets the set be the given peers.
func (s *Set) Replace(peers ...peer.AddrInfo) {
	s.change(func(in map[peer.ID]peer.AddrInfo) {
		clear(in)
		for _, p := range peers {
			in[p.ID] = p
		}
	})
}

// Add adds peers; one that is there already gets the given addresses.
func (s *Set) Add(peers ...peer.AddrInfo) {
	s.change(func(in map[peer.ID]peer.AddrInfo) {
		for _, p := range peers {
			in[p.ID] = p
		}
	})
}

// Remove removes peers. What they were asked they may still answer.
func (s *Set) Remove(peers ...peer.ID) {
	s.change(func(in map[peer.ID]peer.AddrInfo) {
		for _, p := range peers {
			delete(in, p)
		}
	})
}

func (s *Set) change(f func(map[peer.ID]peer.AddrInfo)) {
	m := <-s.held
	f(m.peers)
	close(m.changed)
	m.changed = make(chan struct{})
	s.held <- m
}

// Follow implements [Source].
func (s *Set) Follow(ctx context.Context, set func([]peer.AddrInfo)) error {
	for {
		m := <-s.held
		all, changed := inOrder(m.peers), m.changed
		s.held <- m
		set(all)
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// inOrder are peers by id.
func inOrder(of map[peer.ID]peer.AddrInfo) []peer.AddrInfo {
	return slices.SortedFunc(maps.Values(of), func(a, b peer.AddrInfo) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// Connected is the source of all peers that are connected and may speak the protocol
// of the resolver: those that have said they do not are left out.
func Connected() Source { return connected{} }

type connected struct{}

func (connected) bind(s *souk.Service, id protocol.ID) Source {
	return follow(func(ctx context.Context, set func([]peer.AddrInfo)) error {
		return s.Connected(ctx, id, func(peers []peer.ID) {
			all := make([]peer.AddrInfo, len(peers))
			for i, p := range peers {
				all[i].ID = p
			}
			set(all)
		})
	})
}

// Follow implements [Source]. It is not called: the resolver binds it to its exchange.
func (connected) Follow(context.Context, func([]peer.AddrInfo)) error { return errUnbound }

// follow is a source that is a function.
type follow func(ctx context.Context, set func([]peer.AddrInfo)) error

func (f follow) Follow(ctx context.Context, set func([]peer.AddrInfo)) error { return f(ctx, set) }

// Join is the union of sources. A peer that several name has the addresses of all.
func Join(sources ...Source) Source { return joined(sources) }

type joined []Source

func (j joined) bind(s *souk.Service, id protocol.ID) Source {
	all := make(joined, len(j))
	for i, of := range j {
		all[i] = bind(of, s, id)
	}
	return all
}

// word is the last word of one of several sources.
type word struct {
	of    int
	peers []peer.AddrInfo
	over  bool // it says nothing more
	why   error
}

// Follow implements [Source]. It returns when one of the sources has.
func (j joined) Follow(ctx context.Context, set func([]peer.AddrInfo)) error {
	ctx, cancel := context.WithCancel(ctx)
	crew, words := actor.NewCrew("source", nil), make(chan word)
	defer func() {
		cancel()
		_ = crew.Wait(context.WithoutCancel(ctx)) // They end with ctx.
	}()
	say := func(w word) {
		select {
		case words <- w:
		case <-ctx.Done():
		}
	}
	for i, of := range j {
		crew.Go(func() {
			why := actor.Guard("source", nil, func() error {
				return of.Follow(ctx, func(peers []peer.AddrInfo) { say(word{of: i, peers: peers}) })
			})
			say(word{of: i, over: true, why: why})
		})
	}
	last := make([][]peer.AddrInfo, len(j))
	for {
		select {
		case w := <-words:
			if w.over {
				return w.why
			}
			last[w.of] = w.peers
			set(union(last))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func union(of [][]peer.AddrInfo) []peer.AddrInfo {
	all := make(map[peer.ID]peer.AddrInfo)
	for _, peers := range of {
		for _, p := range peers {
			have := all[p.ID]
			all[p.ID] = peer.AddrInfo{ID: p.ID, Addrs: multiaddr.Unique(append(slices.Clone(have.Addrs), p.Addrs...))}
		}
	}
	return inOrder(all)
}

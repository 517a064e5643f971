package providers

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func (s *state) peerState(p peer.ID, connected bool) {
	if !connected {
		delete(s.connected, p)
		return
	}
	s.connected[p] = struct{}{}
	s.tried(p)
}

func (s *state) isConnected(p peer.ID) bool {
	_, connected := s.connected[p]
	return connected
}

// served remembers useful peers of a namespace, the latest last. The namespaces
// in which nobody served for longest are forgotten first.
func (s *state) served(namespace string, peers []peer.ID) {
	if len(peers) == 0 {
		return
	}
	s.spaces = append(without(s.spaces, namespace), namespace)
	if len(s.spaces) > maxNamespaces {
		delete(s.useful, s.spaces[0])
		s.spaces = slices.Delete(s.spaces, 0, 1)
	}
	list := s.useful[namespace]
	for _, p := range peers {
		list = append(without(list, p), p)
	}
	s.useful[namespace] = slices.Delete(list, 0, max(0, len(list)-maxUseful))
}

// known are the candidates that nobody has to be asked for, best first: useful
// peers that are connected, the latest first, then those that were found lately,
// and the link is noted to know them. Those that were of no use to somebody since
// are for later.
func (s *state) known(now time.Time, k key, mine *link) (known Candidates) {
	for _, c := range s.remembered(now, k.subject) {
		if mine.satisfied() {
			break
		}
		if _, twice := mine.seen[c.ID]; twice || s.denies(c.ID) || s.isUseless(now, k.namespace, c.ID) || !s.admit(now, c) {
			continue
		}
		s.note(mine, c.ID)
		known.add(c)
	}
	return known
}

func (s *state) remembered(now time.Time, about subject) []candidate {
	var all []candidate
	for _, p := range slices.Backward(s.useful[about.namespace]) {
		if s.isConnected(p) {
			all = append(all, candidate{AddrInfo: peer.AddrInfo{ID: p}})
		}
	}
	if a, cached := s.cache[about]; cached && now.Before(a.until) {
		all = append(all, a.peers...)
	}
	return append(all, s.listed(now, about)...)
}

// forget lets everybody who asks about the subject ask anew.
func (s *state) forget(about subject) {
	delete(s.cache, about)
	s.listings.delete(about.topic())
}

// remember keeps what a query has found, unless more is known already. The time
// is one at which it was true.
func (s *state) remember(at time.Time, q *query) {
	if len(q.found) == 0 {
		return
	}
	if a := s.cache[q.key.subject]; at.Before(a.until) && len(a.peers) > len(q.found) {
		return
	}
	if len(s.cache) >= maxCached {
		s.sweep(at)
	}
	s.cache[q.key.subject] = answer{q.found, at.Add(cacheFor)}
}

// sweep makes room in the cache: first what has expired, else everything, which
// costs at most one query each.
func (s *state) sweep(now time.Time) {
	for k, a := range s.cache {
		if !now.Before(a.until) {
			delete(s.cache, k)
		}
	}
	if len(s.cache) >= maxCached {
		clear(s.cache)
	}
}

// unique keeps the first word about each peer.
func unique(peers []peer.AddrInfo) []peer.AddrInfo {
	seen := make(map[peer.ID]struct{}, len(peers))
	return slices.DeleteFunc(peers, func(p peer.AddrInfo) bool {
		_, twice := seen[p.ID]
		seen[p.ID] = struct{}{}
		return twice
	})
}

// without removes the one that is equal.
func without[T comparable](list []T, x T) []T {
	if at := slices.Index(list, x); at >= 0 {
		return slices.Delete(list, at, at+1)
	}
	return list
}

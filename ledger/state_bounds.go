package ledger

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// DefaultPeers is how many accounts are kept: at about 600 bytes each, 6 MB, and
	// 9 MB more if something passed with every one of them within a day.
	DefaultPeers = 10_000

	// DefaultStrangers is how many accounts are kept of peers that are gone and
	// only ever sent faults. It is what stops a crowd of made-up identities from
	// pushing out the accounts of peers that served us.
	DefaultStrangers = 1_000

	// evictShare is the part of a bound that is freed at once when it is passed,
	// so that sorting the accounts is paid for by many newcomers.
	evictShare = 64
)

// evict keeps the accounts within their bounds.
func (s *state) evict() {
	if s.alien > s.strangers {
		s.remove(s.alien-s.strangers+s.strangers/evictShare, (*account).stranger)
	}
	if over := len(s.accounts) - s.peers; over > 0 {
		s.remove(over+s.peers/evictShare, func(*account) bool { return true })
	}
}

// remove deletes the n accounts that are worth least among those that match.
func (s *state) remove(n int, match func(*account) bool) {
	worth := make([]peer.ID, 0, len(s.accounts))
	for p, a := range s.accounts {
		if match(a) {
			worth = append(worth, p)
		}
	}
	slices.SortFunc(worth, s.compareWorth)
	for _, p := range worth[:min(n, len(worth))] {
		if s.accounts[p].stranger() {
			s.alien--
		}
		s.drop(p, s.accounts[p])
	}
}

// compareWorth orders the account that is to go first before the other.
func (s *state) compareWorth(p, q peer.ID) int {
	a, b := s.accounts[p], s.accounts[q]
	return cmp.Or(
		cmp.Compare(a.class(), b.class()),
		a.lastActive.Compare(b.lastActive),
		cmp.Compare(p, q),
	)
}

// class is what kind of account it is, the most dispensable kind first.
func (a *account) class() int {
	switch {
	case a.stranger():
		return 0
	case !a.connected:
		return 1
	case !a.exchanged():
		return 2
	}
	return 3
}

package kademlia

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/table"
)

const (
	// mostRoots are told: at a few seconds each, and a few at a time, more could not be
	// told in provideAgain.
	mostRoots = 4096
	// provideAgain is how often what is kept is told, as in Kubo: nodes of the DHT forget
	// it after 48 hours, and some of them go before that.
	provideAgain = 22 * time.Hour
	// What could not be told is told after firstPause, then after twice as long each
	// time up to lastPause.
	firstPause = 10 * time.Second
	lastPause  = time.Hour
)

// root is one that is told.
type root struct {
	cid      cid.Cid
	next     time.Time
	told     bool // the last time that it was due
	failures int  // in a row
}

// schedule says which roots are to be told when.
type schedule struct {
	all map[string]*root // by multihash, which is what a DHT knows
}

func newSchedule() schedule { return schedule{all: make(map[string]*root)} }

// set replaces the roots: new ones are due now, and those that are not among them are
// told no more. Of too many the last ones are left out.
func (s *schedule) set(roots []cid.Cid, now time.Time) {
	kept := make(map[string]*root, len(roots))
	for _, c := range roots {
		key := string(c.Hash())
		switch {
		case kept[key] != nil || len(kept) >= mostRoots:
		case s.all[key] != nil:
			kept[key] = s.all[key]
		default:
			kept[key] = &root{cid: c, next: now}
		}
	}
	s.all = kept
}

// due returns at most so many roots that are to be told now, the longest due first.
func (s *schedule) due(now time.Time, most int) []cid.Cid {
	var ready []*root
	for _, r := range s.all {
		if !r.next.After(now) {
			ready = append(ready, r)
		}
	}
	slices.SortFunc(ready, func(a, b *root) int {
		return cmp.Or(a.next.Compare(b.next), table.Compare(a.cid, b.cid))
	})
	var cids []cid.Cid
	for _, r := range ready[:min(most, len(ready))] {
		cids = append(cids, r.cid)
	}
	return cids
}

// done notes whether a root was told.
func (s *schedule) done(c cid.Cid, err error, now time.Time) {
	r := s.all[string(c.Hash())]
	if r == nil {
		return // It is kept no more.
	}
	if err == nil {
		r.told, r.failures, r.next = true, 0, now.Add(provideAgain)
		return
	}
	r.next = now.Add(min(firstPause<<min(r.failures, 16), lastPause)) // 16: no overflow
	r.failures++
	r.told = false
}

// counts are how many roots the DHT knows, and how many it is still to be told.
func (s *schedule) counts() (told, waiting int) {
	for _, r := range s.all {
		if r.told {
			told++
		}
	}
	return told, len(s.all) - told
}

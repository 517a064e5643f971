package souk

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/rate"
)

// ClassStat is what passed between this node and the peers of one class of the access
// rules since the start, and what may pass in a second.
type ClassStat struct {
	Class string `json:"class"` // [rate.Default] for peers in no other

	BlocksReceived uint64 `json:"blocks_received"` // duplicates included
	BytesReceived  uint64 `json:"bytes_received"`
	BlocksSent     uint64 `json:"blocks_sent"`
	BytesSent      uint64 `json:"bytes_sent"`

	// In bytes a second; 0 for no limit of the class.

	DownloadRate     rate.Rate `json:"download_rate"` // of all its peers together
	UploadRate       rate.Rate `json:"upload_rate"`
	DownloadRatePeer rate.Rate `json:"download_rate_per_peer"` // of each of them
	UploadRatePeer   rate.Rate `json:"upload_rate_per_peer"`
}

// mostClasses bounds what bytes are counted by: files that were replaced may have had
// classes of their own. What is over counts as "other".
const mostClasses = 4 * rate.MostClasses

// classes counts what passed by class: in which one a peer was when it did.
type classes struct {
	mu     sync.Mutex
	passed map[string]*ledger.Counters
}

// count notes blocks that passed.
func (c *classes) count(class string, n *ledger.Counters) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.passed[class]
	if all == nil {
		if len(c.passed) >= mostClasses {
			class = "other"
		}
		all = cmp.Or(c.passed[class], new(ledger.Counters))
		c.passed[class] = all
	}
	all.BlocksReceived += n.BlocksReceived
	all.BytesReceived += n.BytesReceived
	all.BlocksSent += n.BlocksSent
	all.BytesSent += n.BytesSent
}

// totals is what passed so far.
func (c *classes) totals() map[string]ledger.Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]ledger.Counters, len(c.passed))
	for class, n := range c.passed {
		all[class] = *n
	}
	return all
}

// Classes returns what passed by class, by name: of each class that something passed
// with or that has a rate, and of [rate.Default]. It never blocks for long.
func (x *Exchange) Classes() []ClassStat {
	passed := x.classes.totals()
	up, down := x.policy.rates()
	for _, class := range slices.Concat(slices.Collect(maps.Keys(up.Classes)), slices.Collect(maps.Keys(down.Classes)), []string{rate.Default}) {
		if _, counted := passed[class]; !counted {
			passed[class] = ledger.Counters{}
		}
	}
	all := make([]ClassStat, 0, len(passed))
	for _, class := range slices.Sorted(maps.Keys(passed)) {
		n := passed[class]
		all = append(all, ClassStat{
			Class: class, BlocksReceived: n.BlocksReceived, BytesReceived: n.BytesReceived, BlocksSent: n.BlocksSent, BytesSent: n.BytesSent,
			DownloadRate: max(down.Classes[class].Total, 0), UploadRate: max(up.Classes[class].Total, 0),
			DownloadRatePeer: max(down.Of(class), 0), UploadRatePeer: max(up.Of(class), 0),
		})
	}
	return all
}

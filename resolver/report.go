package resolver

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/resolver/server"
)

// Stat is what a resolver is at and has done.
type Stat struct {
	Protocol protocol.ID `json:"protocol"`

	Pending     int   `json:"pending"`     // fetches
	Active      int   `json:"active"`      // of those, with a request that is not answered
	Judged      int   `json:"judged"`      // values that the Consumer has, or that wait for it
	Undelivered int64 `json:"undelivered"` // bytes that count towards Limits.Undelivered

	Peers   int `json:"peers"`   // in the set
	Blocked int `json:"blocked"` // for what they sent
	Paused  int `json:"paused"`  // not asked for a while, for whatever reason
	Streams int `json:"streams"` // that are open or being opened

	Counts Counts `json:"counts"`

	Serving *server.Stat `json:"serving,omitempty"` // of a resolver that serves
}

// FetchPage is some of the fetches.
type FetchPage struct {
	Fetches []FetchStat `json:"fetches"`
	Total   int         `json:"total"`
	Next    uint64      `json:"next,omitempty"` // for the next page; 0 when this is the last
}

// FetchStat is a fetch that goes on.
type FetchStat struct {
	Key Key           `json:"key"`
	Age time.Duration `json:"age_ns"`
	// Waits is for what: "for a peer", "for its next attempt", "for an answer", "for an
	// answer that is late", "for the Consumer", or, of one that may ask nobody,
	// "for new targets".
	Waits    string        `json:"waits"`
	Attempts int           `json:"attempts"`
	Most     int           `json:"most_attempts,omitempty"` // 0 for any number
	Deadline time.Duration `json:"deadline_ns,omitempty"`   // until then; 0 for none
	Targeted bool          `json:"targeted,omitempty"`
	Targets  []peer.ID     `json:"targets,omitempty"` // at most 16
	Asked    []peer.ID     `json:"asked,omitempty"`   // who has not answered yet
	Callers  int           `json:"callers,omitempty"` // Gets that wait for it
	Parts    int           `json:"parts,omitempty"`   // of its value that are here
	Size     int64         `json:"size,omitempty"`    // of its value in bytes, once known
}

// PeerPage is some of the peers.
type PeerPage struct {
	Peers []PeerStat `json:"peers"`
	Total int        `json:"total"`
	Next  peer.ID    `json:"next,omitempty"` // for the next page; empty when this is the last
}

// PeerStat is what a resolver knows of a peer: a member of its set, a target, or one that
// is blocked.
type PeerStat struct {
	Peer        peer.ID       `json:"peer"`
	Member      bool          `json:"member"`
	Performance time.Duration `json:"performance_ns"` // past and last, half each; a failure counts as the timeout
	Asked       int           `json:"asked"`          // requests that it has not answered
	Targets     int           `json:"targets"`        // fetches whose target it is
	Penalty     float64       `json:"penalty"`        // for what it sent, decayed by now
	// Not is why it is not asked now: "blocked", "penalties", "cannot be reached or is
	// busy", "rate", "no room for its value", "as many requests as it may have", "not in
	// the set", or "".
	Not   string        `json:"not,omitempty"`
	Until time.Duration `json:"until_ns,omitempty"` // for so long; 0 where that is not known
	// Fault is the last thing for which it was blocked or penalized, or "".
	Fault string `json:"fault,omitempty"`
}

package network

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// Lane is one kind of traffic to a peer. Lanes do not wait for each other,
// apart from the two that share the control stream.
type Lane uint8

// The lanes.
const (
	LaneWants     Lane = iota // wants and cancels, on the control stream
	LanePresences             // HAVE and DONT_HAVE, on the control stream
	LaneBlocks                // blocks, on the data stream
	lanes
)

// String returns a lower-case word.
func (l Lane) String() string {
	return [...]string{"wants", "presences", "blocks", "unknown"}[min(l, lanes)]
}

// depth is how many messages of the lane may be in hand: what the transport
// took cannot be cancelled, but with a single block in hand the stream would
// idle while the next is fetched.
func (l Lane) depth() int {
	if l == LaneBlocks {
		return 2
	}
	return 1
}

// line is the stream that carries the lane.
func (l Lane) line() line {
	if l == LaneBlocks {
		return lineData
	}
	return lineControl
}

// line is one of the two long-lived streams to a peer.
type line uint8

const (
	lineControl line = iota
	lineData
	linesPerPeer
)

// Sent is what became of a message that was handed over. With a nil Err the
// stream has accepted all of it and was not reset until then; that the peer has
// read it, nobody knows.
type Sent struct {
	Peer  peer.ID
	Lane  Lane
	Err   error     // a *SendError
	Bytes int       // of the frame, when it was accepted
	At    time.Time // of the outcome
}

// job is a message in hand.
type job struct {
	lane   Lane
	msg    *message.Message
	report func(Sent)
}

// Hand gives the network one message for p. It never blocks. The network owns m
// until it reports.
//
// The report is called exactly once, from a goroutine of the network, and may
// block: the lane has its room back before that. A lane takes one message in
// hand, LaneBlocks two; with more, the report says [ErrLaneFull]. No connection
// is made for a message: without one the report says [ErrNotConnected].
func (n *Network) Hand(p peer.ID, lane Lane, m *message.Message, report func(Sent)) {
	j := job{lane: lane, msg: m, report: report}
	if err := n.hand(p, j); err != nil {
		sent := Sent{Peer: p, Lane: lane, Err: &SendError{Peer: p, Err: err}, At: time.Now()}
		n.life.always("writer", func() { report(sent) })
	}
}

func (n *Network) hand(p peer.ID, j job) error {
	if n.life.over() {
		return ErrClosed
	}
	s := n.peers.sender(p, j.lane.line())
	if s == nil {
		return ErrNotConnected
	}
	return s.put(j)
}

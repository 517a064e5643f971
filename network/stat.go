package network

import "sync/atomic"

// Stat is what has passed since the start.
type Stat struct {
	MessagesReceived uint64 // whole frames of the Bitswap protocols
	MessagesSent     uint64
	BytesReceived    uint64 // on the Bitswap streams, above the stream negotiation
	BytesSent        uint64
	StreamsOpened    uint64 // by us
	StreamsAccepted  uint64
	StreamsRefused   uint64 // over a cap, without budget, or of a refused peer
	Refusals         uint64 // peers that were refused for their strikes
	TurnedAway       uint64 // peers for which there was no place beside others of their address or network
	Panics           uint64 // recovered; each is a bug, here or in the host
	Receiving        uint64 // bytes that are taken from the receive budget now
	Peers            int    // of which something is kept now
	Streams          int    // that peers opened and that are read now
	Writing          int    // messages that are being written now
}

// counters are the moving parts of Stat.
type counters struct {
	messagesReceived, messagesSent                 atomic.Uint64
	bytesReceived, bytesSent                       atomic.Uint64
	streamsOpened, streamsAccepted, streamsRefused atomic.Uint64
	refusals, turnedAway, panics                   atomic.Uint64
	writing                                        atomic.Int64
}

// Stat returns what has passed so far. The numbers are not of one instant.
func (n *Network) Stat() Stat {
	return Stat{
		MessagesReceived: n.count.messagesReceived.Load(),
		MessagesSent:     n.count.messagesSent.Load(),
		BytesReceived:    n.count.bytesReceived.Load(),
		BytesSent:        n.count.bytesSent.Load(),
		StreamsOpened:    n.count.streamsOpened.Load(),
		StreamsAccepted:  n.count.streamsAccepted.Load(),
		StreamsRefused:   n.count.streamsRefused.Load(),
		Refusals:         n.count.refusals.Load(),
		TurnedAway:       n.count.turnedAway.Load(),
		Panics:           n.count.panics.Load(),
		Receiving:        uint64(n.budget.taken()),
		Peers:            n.peers.size(),
		Streams:          n.budget.streams(),
		Writing:          int(n.count.writing.Load()),
	}
}

package node

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/debug"
)

// Page is what the debug pages show of the node.
func (n *Online) Page() debug.Source { return page{n.Exchange, n.Host.ID()} }

type page struct {
	*souk.Exchange
	self peer.ID
}

func (p page) Self() peer.ID { return p.self }

func (p page) Stat() debug.Stat {
	s := p.Exchange.Stat()
	return debug.Stat{
		BlocksReceived: s.BlocksReceived, DataReceived: s.DataReceived,
		DupBlksReceived: s.DupBlksReceived, DupDataReceived: s.DupDataReceived,
		BlocksSent: s.BlocksSent, DataSent: s.DataSent,
		MessagesReceived: s.MessagesReceived, MessagesSent: s.MessagesSent,
	}
}

// Tracker implements [debug.Source].
func (p page) Tracker(context.Context, int) (debug.Tracker, bool) { return debug.Tracker{}, false }

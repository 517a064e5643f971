package client

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/internal/carrier"
	"github.com/souk-p2p/souk/network"
)

// Stream is one stream to a tracker; a *network.Duplex is one.
type Stream = carrier.Stream

// Network is what the client needs of one; [Over] makes it of a *network.Network.
type Network interface {
	// OpenDuplex opens a stream, and connects when it has to.
	OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (Stream, error)
	// OnDisconnect has f told who has no connection any more. F does not block.
	OnDisconnect(f func(peer.ID))
	// Hold keeps the connections of p from being trimmed until Release.
	Hold(p peer.ID, tag string)
	Release(p peer.ID, tag string)
}

// Over returns n as a client needs it.
func Over(n *network.Network) Network { return over{n} }

type over struct{ *network.Network }

func (o over) OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (Stream, error) {
	d, err := o.Network.OpenDuplex(ctx, to, id)
	if err != nil {
		return nil, err
	}
	return d, nil
}

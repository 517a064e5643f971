package sim

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

// Carrier is a node that has a network and no exchange: what a protocol of its own is
// tested on.
type Carrier struct {
	*Node
	Net *network.Network
}

// Carrier adds a node with a network, which has not started.
func (w *World) Carrier(l Link) *Carrier {
	c := &Carrier{Node: w.Host(l)}
	w.do(func() (err error) {
		c.Net, err = network.New(network.Config{Host: c.Host})
		return err
	})
	return c
}

// Start starts the network of a carrier, in which what is said in Bitswap is passed
// over, and returns its end.
func (w *World) Start(c *Carrier) (stop func()) {
	w.do(func() error {
		return c.Net.Start(network.Sinks{
			Wants:   func(context.Context, network.Wants) error { return nil },
			Heard:   func(context.Context, network.Heard) error { return nil },
			Answers: func(context.Context, network.Answers) error { return nil },
			Fault:   func(context.Context, peer.ID, message.Fault, int) {},
		})
	})
	return func() { w.Try(c.Net.Stop) }
}

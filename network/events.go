package network

import (
	"github.com/libp2p/go-libp2p/core/event"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"go.uber.org/zap"
)

// eventBuffer is the number of identify events that wait for us: libp2p blocks
// beyond it, and many connections can come at once.
const eventBuffer = 256

// events is what the host tells: who connects, and who speaks what.
type events struct {
	n       *Network
	notices *p2pnet.NotifyBundle
	bus     event.Subscription
}

// follow subscribes to the host and starts the goroutine that listens.
func (n *Network) follow() (*events, error) {
	bus, err := n.cfg.Host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerProtocolsUpdated),
		new(event.EvtLocalAddressesUpdated),
	}, eventbus.BufSize(eventBuffer), eventbus.Name("souk/network"))
	if err != nil {
		return nil, err
	}
	refresh := func(_ p2pnet.Network, c p2pnet.Conn) {
		_ = n.life.guard("events", func() { n.peers.refresh(c.RemotePeer()) })
	}
	e := &events{n: n, bus: bus, notices: &p2pnet.NotifyBundle{ConnectedF: refresh, DisconnectedF: n.disconnected()}}
	n.cfg.Host.Network().Notify(e.notices)
	n.life.spawn("events", e.listen)
	return e, nil
}

// disconnected is what libp2p calls for each connection that has closed.
func (n *Network) disconnected() func(p2pnet.Network, p2pnet.Conn) {
	tell := n.parted // No more are added after the start.
	return func(_ p2pnet.Network, c p2pnet.Conn) {
		_ = n.life.guard("events", func() {
			p := c.RemotePeer()
			n.peers.refresh(p)
			if n.peers.connected(p) {
				return
			}
			for _, f := range tell {
				f(p)
			}
		})
	}
}

func (e *events) listen() {
	for {
		select {
		case evt, open := <-e.bus.Out():
			if !open {
				return
			}
			// A panic costs what this event would have told.
			_ = e.n.life.guard("events", func() { e.handle(evt) })
		case <-e.n.life.ctx.Done():
			return
		}
	}
}

func (e *events) handle(evt any) {
	t := e.n.protocols
	switch evt := evt.(type) {
	case event.EvtPeerIdentificationCompleted:
		e.n.peers.learn(evt.Peer, t.match(evt.Protocols))
	case event.EvtPeerProtocolsUpdated:
		e.n.peers.unlearn(evt.Peer, t.match(evt.Removed))
		e.n.peers.learn(evt.Peer, t.match(evt.Added))
	case event.EvtLocalAddressesUpdated:
		select {
		case e.n.moved <- struct{}{}:
		default: // Who follows has not looked since the last time.
		}
	}
}

// close ends the subscriptions. The goroutine ends with them.
func (e *events) close() {
	e.n.cfg.Host.Network().StopNotify(e.notices)
	if err := e.bus.Close(); err != nil {
		e.n.log.Debug("closing the event subscription", zap.Error(err))
	}
}

// meetConnected notes the peers that were connected before the start.
func (n *Network) meetConnected() {
	for _, p := range n.cfg.Host.Network().Peers() {
		n.meet(p)
	}
}

// meet notes which versions p speaks, as far as the host has been told.
func (n *Network) meet(p peer.ID) {
	ids, err := n.cfg.Host.Peerstore().GetProtocols(p)
	if err != nil {
		n.log.Debug("protocols of a peer", zap.Stringer("peer", p), zap.Error(err))
		return
	}
	n.peers.learn(p, n.protocols.match(ids))
}

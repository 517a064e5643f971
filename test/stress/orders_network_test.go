package stress

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

// stageHost is a host whose connections and notices are played by hand. What is
// not played panics.
type stageHost struct {
	host.Host
	bus     event.Bus
	network *stageNetwork
}

func (h *stageHost) Network() p2pnet.Network                            { return h.network }
func (h *stageHost) EventBus() event.Bus                                { return h.bus }
func (h *stageHost) ConnManager() connmgr.ConnManager                   { return connmgr.NullConnMgr{} }
func (h *stageHost) Peerstore() peerstore.Peerstore                     { return stagePeers{} }
func (h *stageHost) SetStreamHandler(protocol.ID, p2pnet.StreamHandler) {}
func (h *stageHost) RemoveStreamHandler(protocol.ID)                    {}

// stagePeers knows what nobody speaks.
type stagePeers struct{ peerstore.Peerstore }

func (stagePeers) GetProtocols(peer.ID) ([]protocol.ID, error) { return nil, nil }

type stageNetwork struct {
	p2pnet.Network
	notices p2pnet.Notifiee
	open    map[peer.ID][]p2pnet.Conn
}

func (n *stageNetwork) Notify(to p2pnet.Notifiee)           { n.notices = to }
func (n *stageNetwork) StopNotify(p2pnet.Notifiee)          {}
func (n *stageNetwork) Peers() []peer.ID                    { return nil }
func (n *stageNetwork) ConnsToPeer(p peer.ID) []p2pnet.Conn { return n.open[p] }

// stageConn is one of several connections to a peer.
type stageConn struct {
	p2pnet.Conn
	to     peer.ID
	number int
}

func (c stageConn) RemotePeer() peer.ID           { return c.to }
func (c stageConn) RemoteMultiaddr() ma.Multiaddr { return ma.StringCast("/ip4/192.0.2.1/tcp/4001") }
func (c stageConn) IsClosed() bool                { return false }
func (c stageConn) Stat() p2pnet.ConnStats        { return p2pnet.ConnStats{} }

// tableRig is a Network with a follower, and what it was told last.
type tableRig struct {
	host       *stageHost
	network    *network.Network
	watch      *network.Watch
	identified event.Emitter
}

func newTableRig(t *testing.T) *tableRig {
	bus := eventbus.NewBus()
	r := &tableRig{host: &stageHost{bus: bus, network: &stageNetwork{open: make(map[peer.ID][]p2pnet.Conn)}}}
	var err error
	r.network, err = network.New(network.Config{Host: r.host})
	require.NoError(t, err)
	r.watch = r.network.Watch()
	require.NoError(t, r.network.Start(network.Sinks{
		Wants:   func(context.Context, network.Wants) error { return nil },
		Heard:   func(context.Context, network.Heard) error { return nil },
		Answers: func(context.Context, network.Answers) error { return nil },
		Fault:   func(context.Context, peer.ID, message.Fault, int) {},
	}))
	r.identified, err = bus.Emitter(new(event.EvtPeerIdentificationCompleted))
	require.NoError(t, err)
	return r
}

// opens makes a connection, and closes ends it; of both notice says that something
// has changed, which may come late.
func (r *tableRig) opens(p peer.ID, number int) {
	r.host.network.open[p] = append(r.host.network.open[p], stageConn{to: p, number: number})
}

func (r *tableRig) closes(p peer.ID, number int) {
	var left []p2pnet.Conn
	for _, c := range r.host.network.open[p] {
		if c.(stageConn).number != number {
			left = append(left, c)
		}
	}
	r.host.network.open[p] = left
}

func (r *tableRig) noticed(p peer.ID) {
	r.host.network.notices.Disconnected(r.host.network, stageConn{to: p})
}

func (r *tableRig) identify(p peer.ID) {
	_ = r.identified.Emit(event.EvtPeerIdentificationCompleted{Peer: p, Protocols: []protocol.ID{"/ipfs/bitswap/1.2.0"}})
}

// check lets the last notices come: a peer counts as connected when it has a
// connection over which it said that it speaks Bitswap.
func (r *tableRig) check(t *testing.T) {
	for _, p := range []peer.ID{alice, bob} {
		if len(r.host.network.open[p]) > 0 {
			r.identify(p)
		}
		r.noticed(p)
	}
	synctest.Wait()
	last := make(map[peer.ID]bool)
	for _, s := range r.watch.Take() {
		last[s.Peer] = s.Connected
	}
	for _, p := range []peer.ID{alice, bob} {
		require.Equal(t, len(r.host.network.open[p]) > 0, last[p], p)
	}
}

func (r *tableRig) end(t *testing.T) {
	require.NoError(t, r.identified.Close())
	require.NoError(t, r.network.Stop(t.Context()))
}

// Alice has two connections, one after the other or side by side, and the notices
// and identifications come at any time.
func TestWhoIsConnectedDoesNotDependOnTheOrder(t *testing.T) {
	inEveryOrder(t, newTableRig, []step[*tableRig]{
		{"alice's first opens", nil, func(r *tableRig) { r.opens(alice, 1) }},
		{"alice's first closes", []string{"alice's first opens"}, func(r *tableRig) { r.closes(alice, 1) }},
		{"alice's second opens", nil, func(r *tableRig) { r.opens(alice, 2) }},
		{"alice is identified", nil, func(r *tableRig) { r.identify(alice) }},
		{"alice is noticed", nil, func(r *tableRig) { r.noticed(alice) }},
		{"bob opens", nil, func(r *tableRig) { r.opens(bob, 1) }},
		{"bob is identified", nil, func(r *tableRig) { r.identify(bob) }},
	})
	inRandomOrders(t, newTableRig, []step[*tableRig]{
		{"alice's first opens", nil, func(r *tableRig) { r.opens(alice, 1) }},
		{"alice's first closes", nil, func(r *tableRig) { r.closes(alice, 1) }},
		{"alice's second opens", nil, func(r *tableRig) { r.opens(alice, 2) }},
		{"alice's second closes", nil, func(r *tableRig) { r.closes(alice, 2) }},
		{"alice is identified", nil, func(r *tableRig) { r.identify(alice) }},
		{"alice is noticed", nil, func(r *tableRig) { r.noticed(alice) }},
		{"bob opens", nil, func(r *tableRig) { r.opens(bob, 1) }},
		{"bob closes", nil, func(r *tableRig) { r.closes(bob, 1) }},
		{"bob is noticed", nil, func(r *tableRig) { r.noticed(bob) }},
		{"bob is identified", nil, func(r *tableRig) { r.identify(bob) }},
	})
}

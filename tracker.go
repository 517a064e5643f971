package souk

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/probe"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// TrackerConfig says how a tracker is run. Zero fields mean the defaults.
type TrackerConfig struct {
	// Limits bound what it keeps for others.
	Limits tracker.Limits
	// Keep is where it keeps what it was told, so that a restart is not amnesia.
	// The default is nowhere.
	Keep datastore.Batching
	// List is a signed list of trackers that it hands out; see
	// [record.SignTrackers].
	List []byte
	// Public are the namespaces from which questions over HTTP are answered that
	// name none.
	Public []string
}

// Tracker is the tracker that this node is, for HTTP and for pages, or nil when it
// is none.
func (x *Exchange) Tracker() *tracker.Tracker { return x.tracker }

func (x *Exchange) buildTracker() (err error) {
	cfg := x.opts.tracker
	if cfg == nil {
		return nil
	}
	public := make([]record.Namespace, len(cfg.Public))
	for i, name := range cfg.Public {
		public[i] = record.Namespace(name)
	}
	prober := probe.New(probe.Config{Blocks: x.blocks, Peers: x.peers, Wants: x.wants})
	x.tracker, err = tracker.New(tracker.Config{
		Limits: cfg.Limits, Seed: secret(), Probe: prober.Has, Keep: cfg.Keep, List: cfg.List, Public: public,
		Fail: x.without("the tracker"), Panicked: x.panics.contained, Logger: x.opts.logger.Named("tracker"),
	})
	if err != nil {
		return err
	}
	return x.network.HandleDuplex(wire.Protocol, func(ctx context.Context, d *network.Duplex) error {
		return x.tracker.Serve(ctx, d)
	})
}

// stopTracker ends the tracker and the streams of this node to it.
func (x *Exchange) stopTracker(ctx context.Context) error {
	if x.tracker == nil {
		return nil
	}
	return errors.Join(x.tracker.Stop(ctx), x.inside.Wait(ctx))
}

// secret draws a number that nobody outside knows.
func secret() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // Never fails.
	return binary.LittleEndian.Uint64(b[:])
}

// trackerNetwork leads to trackers: over the network, or in memory to the one that
// this node is.
type trackerNetwork struct {
	client.Network
	x *Exchange
}

func (n trackerNetwork) OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (client.Stream, error) {
	if to.ID != n.x.host.ID() {
		return n.Network.OpenDuplex(ctx, to, id)
	}
	ours, theirs := client.Pipe(to.ID, seenAt(n.x.host.Addrs()))
	n.x.inside.Go(func() {
		if n.x.tracker.Serve(context.Background(), theirs) != nil { // Ends with the tracker.
			theirs.Reset()
		}
		_ = theirs.Close() // Never fails.
	})
	return ours, nil
}

// loopback is how a node sees itself that has no address of wider scope.
var loopback = multiaddr.StringCast("/ip4/127.0.0.1")

// seenAt is the address of the widest scope, at which others see a host. A tracker
// that is on the host cannot observe it.
func seenAt(addrs []multiaddr.Multiaddr) multiaddr.Multiaddr {
	return slices.MaxFunc(append([]multiaddr.Multiaddr{loopback}, addrs...), func(a, b multiaddr.Multiaddr) int {
		return int(scope(a)) - int(scope(b))
	})
}

func scope(a multiaddr.Multiaddr) record.Scope {
	ip, err := manet.ToIP(a)
	if err != nil {
		return record.ScopeNone
	}
	addr, _ := netip.AddrFromSlice(ip)
	return record.ScopeOf(addr.Unmap())
}

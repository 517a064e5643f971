package node

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/resources"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// newHost brings up a libp2p host. Whoever has it closes it.
func newHost(key crypto.PrivKey, cfg Config, gate *Gate, log *zap.Logger) (host.Host, error) {
	bounds, err := cfg.bounds(log)
	if err != nil {
		return nil, err
	}
	near := &nearRelays{relays: cfg.Relaying.Relays}
	h, err := libp2p.New(append(bounds,
		libp2p.Identity(key),
		libp2p.UserAgent(cfg.Agent),
		libp2p.ChainOptions(cfg.transports()...),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, windows(cfg)),
		libp2p.ChainOptions(cfg.Relaying.options(near)...),
		libp2p.DisableMetrics(),
		libp2p.NoListenAddrs, // a New that cannot listen leaks its goroutines
		libp2p.ConnectionGater(gate),
		libp2p.ChainOptions(cfg.under...),
	)...)
	if err != nil {
		return nil, err
	}
	near.host.Store(&h)
	if len(cfg.Listen) == 0 {
		return h, nil
	}
	if err := h.Network().Listen(cfg.Listen...); err != nil {
		return nil, errors.Join(&ListenError{Err: err}, h.Close())
	}
	return h, nil
}

func (cfg *Config) transports() []libp2p.Option {
	options := []libp2p.Option{libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport())} // else a second node shares the port unnoticed
	if cfg.PSK != nil {
		return append(options, libp2p.PrivateNetwork(cfg.PSK))
	}
	return append(options, libp2p.Transport(quic.NewTransport))
}

// bounds are what libp2p may take.
func (cfg *Config) bounds(log *zap.Logger) ([]libp2p.Option, error) {
	budget := cfg.Connections
	budget.Bitswap = network.Protocols("")
	budget.Others = []resources.Protocol{{ID: wire.Protocol, Streams: tracker.DefaultStreams, PeerStreams: tracker.DefaultPeerStreams}}
	var err error
	if budget.Files, err = resources.Files(); err != nil {
		return nil, err
	}
	manager, err := resources.New(budget)
	if err != nil {
		return nil, err
	}
	if err := manager.Scarce(); err != nil {
		log.Warn("too few files", zap.Error(err))
	}
	connections, err := manager.Connections()
	if err != nil {
		return nil, errors.Join(err, manager.Close())
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(manager); err != nil {
			return nil, errors.Join(err, manager.Close(), connections.Close())
		}
	}
	return []libp2p.Option{libp2p.ResourceManager(manager), libp2p.ConnectionManager(connections)}, nil
}

// dialWindow is what a peer that the user has named may send on a stream over TCP
// before any of it was read: the bytes under way on a link of 170 Mb/s and 100 ms.
// With libp2p's 256 KiB, which grow from there, 16 MiB at 100 Mb/s and 100 ms take 2.3
// seconds, with this 1.65. The resource manager does not count it.
const dialWindow = 2 << 20

// windows are those of the streams over TCP. A node that listens keeps libp2p's:
// what strangers can make it hold is to be small.
func windows(cfg Config) *yamux.Transport {
	t := *yamux.DefaultTransport
	if len(cfg.Listen) == 0 {
		t.Config().InitialStreamWindowSize = dialWindow
	}
	return &t
}

// ListenError says that a node can accept connections at none of its addresses.
type ListenError struct{ Err error }

func (e *ListenError) Error() string { return fmt.Sprintf("cannot listen: %v", e.Err) }

func (e *ListenError) Unwrap() error { return e.Err }

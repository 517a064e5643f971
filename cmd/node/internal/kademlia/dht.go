package kademlia

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/amino"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Config says how a node takes part.
type Config struct {
	// Server answers others and keeps for them what they announce, in Keep. Who is no
	// server asks and tells only.
	Server bool
	Keep   datastore.Batching // nil is memory
	// Bootstrap are nodes of the DHT to begin with. Without any, it begins with those
	// that connect.
	Bootstrap []peer.AddrInfo
	// Public says that it is the public DHT, where addresses of local networks mean
	// nothing.
	Public bool
	// Roots yields what is kept. It may be called at any time.
	Roots  func(context.Context) iter.Seq2[cid.Cid, error]
	Logger *zap.Logger
}

// DHT is a node's part in one.
type DHT struct {
	kad      *dht.IpfsDHT
	provider *provider
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

// Start takes part with a host, and does not wait for anybody. It must be closed
// before the host.
func Start(h host.Host, cfg Config) (*DHT, error) {
	kad, err := dht.New(h, cfg.options(h)...)
	if err != nil {
		return nil, fmt.Errorf("start the DHT: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := kad.Bootstrap(ctx); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("start the DHT: %w", err), kad.Close())
	}
	d := &DHT{kad: kad, cancel: cancel, provider: &provider{
		ready:   func() bool { return kad.RoutingTable().Size() > 0 },
		provide: func(ctx context.Context, c cid.Cid) error { return kad.Provide(ctx, c, true) },
		roots:   cfg.Roots, log: cfg.Logger, changed: make(chan struct{}, 1), schedule: newSchedule(),
	}}
	d.work.Go(func() { d.provider.run(ctx) })
	return d, nil
}

func (cfg *Config) options(h host.Host) []dht.Option {
	mode, keep := dht.ModeClient, cfg.Keep
	if cfg.Server {
		mode = dht.ModeServer
	}
	if keep == nil || !cfg.Server {
		keep = dssync.MutexWrap(datastore.NewMapDatastore()) // of a client: its own roots
	}
	options := []dht.Option{dht.Mode(mode), dht.Datastore(keep), dht.BootstrapPeers(cfg.Bootstrap...)}
	if !cfg.Public {
		return options
	}
	// As libp2p's own nodes of the public DHT do.
	return append(options,
		dht.QueryFilter(dht.PublicQueryFilter),
		dht.RoutingTableFilter(dht.PublicRoutingTableFilter),
		dht.RoutingTablePeerDiversityFilter(dht.NewRTPeerDiversityFilter(h, amino.DefaultMaxPeersPerIPGroupPerCpl, amino.DefaultMaxPeersPerIPGroup)),
		dht.AddressFilter(func(addrs []ma.Multiaddr) []ma.Multiaddr { return ma.FilterAddrs(addrs, manet.IsPublicAddr) }),
	)
}

// PublicNodes are those that libp2p names for the public DHT.
func PublicNodes() []peer.AddrInfo { return dht.GetDefaultBootstrapPeerAddrInfos() }

// Routing tells who has what.
func (d *DHT) Routing() routing.ContentDiscovery { return d.kad }

// Look has the roots read again soon: some have come or gone. It does not block.
func (d *DHT) Look() { d.provider.look() }

// Close takes no part any more. What was told is forgotten by others with time.
func (d *DHT) Close() error {
	d.cancel()
	d.work.Wait()
	return d.kad.Close()
}

var (
	peersDesc    = prometheus.NewDesc("souk_dht_peers", "Nodes of the DHT that are known. With none it is no use: look at --bootstrap.", nil, nil)
	rootsDesc    = prometheus.NewDesc("souk_dht_roots", "Roots that the DHT was told of in the last 22 h, and those that it is still to be told.", []string{"state"}, nil)
	providesDesc = prometheus.NewDesc("souk_dht_provides_total", "Roots that the DHT was told, and those for which that failed.", []string{"result"}, nil)
)

// Describe implements [prometheus.Collector].
func (d *DHT) Describe(out chan<- *prometheus.Desc) {
	out <- peersDesc
	out <- rootsDesc
	out <- providesDesc
}

// Collect implements [prometheus.Collector].
func (d *DHT) Collect(out chan<- prometheus.Metric) {
	told, waiting := d.provider.counts()
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(peersDesc, d.kad.RoutingTable().Size())
	gauge(rootsDesc, told, "told")
	gauge(rootsDesc, waiting, "waiting")
	for result, n := range map[string]uint64{"told": d.provider.provided.Load(), "failed": d.provider.failed.Load()} {
		out <- prometheus.MustNewConstMetric(providesDesc, prometheus.CounterValue, float64(n), result)
	}
}

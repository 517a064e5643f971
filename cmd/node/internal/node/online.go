package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/kademlia"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/nearby"
	"github.com/souk-p2p/souk/cmd/node/internal/resources"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/mirror"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/session"
)

// closePatience is far more than a session needs to withdraw its wants.
const closePatience = 5 * time.Second

// Config says how a node uses the network.
type Config struct {
	// Listen holds the addresses to accept connections at. Without any, the node
	// only dials.
	Listen []ma.Multiaddr
	// Agent is what the node calls itself to its peers.
	Agent string
	// Peers are those to stay connected to; see [Online.Keep].
	Peers []peer.AddrInfo
	// Trackers are told what the node announces, and asked who holds what it
	// fetches. With a ListKey, those in the lists that this key signed are, too.
	Trackers []peer.AddrInfo
	ListKey  peer.ID
	// PSK is the key of a private network, or nil. Private networks have no QUIC.
	PSK pnet.PSK
	// Allowed are those who may be connected, everybody when there are none.
	Allowed []peer.ID
	// Tracker makes the node one, unless it is nil, with the memory for its table
	// that Limits.TableBytes says.
	Tracker *souk.TrackerConfig
	// Memory is where the node notes what it announces. Without one it is not
	// announced again after a restart.
	Memory Memory
	// Storage is what the store is a part of. Without one, pins are forgotten with the node.
	Storage *Storage
	// CollectGarbage has the node collect garbage by itself when much is stored.
	CollectGarbage bool
	// SyncDocuments has the node fetch what is missing of the documents that are synced.
	SyncDocuments bool
	// Connections bound what libp2p takes; what is zero is the default.
	Connections resources.Budget
	// Relaying says what the node has to do with relays.
	Relaying Relaying
	// Nearby finds nodes on the local network, and lets them find this one.
	Nearby bool
	// DHT is what the node takes part in; nil is none.
	DHT *DHT
	// Metrics is told of connections and of what is refused below the exchange; may be
	// nil. The exchange has a registerer of its own.
	Metrics prometheus.Registerer
	// Exchange tunes the exchange.
	Exchange []souk.Option
	// Log is silent when nil.
	Log *zap.Logger
	// Logs is what Log is written to, and lets its levels be changed; may be nil.
	Logs *logs.Logs
	// Settings returns what the node was told; may be nil.
	Settings func() []config.Setting

	under []libp2p.Option // of tests: the network that the host is in
}

// Online is a node with a host and an exchange of its own.
type Online struct {
	*Storage
	Host     host.Host
	Exchange *souk.Exchange

	log     *zap.Logger
	logs    *logs.Logs
	told    func() []config.Setting
	store   blockstore.Blockstore
	memory  Memory
	started time.Time
	forget  func() error    // closes a storage of the node's own
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // peers that are kept, announcements of a restart

	downloads     *download.Downloads // nil when documents are not synced
	mirror        *mirror.Mirror      // likewise
	counts        counter
	looked        chan struct{}  // somebody may have what is synced
	dht           *kademlia.DHT  // likewise
	nearby        *nearby.Finder // nil when it is off
	gate          *Gate
	relaying      bool        // connections through relays are used
	commands      atomic.Bool // are taken
	isTracker     bool
	trackerMemory int // that its table may take

	mu    sync.Mutex
	given []peer.AddrInfo // trackers that the settings name
	added []peer.AddrInfo // and those that commands have
	kept  map[peer.ID]kept
}

// Start brings up a host with the given identity, over TCP and QUIC, secured by
// Noise or TLS, without what the configuration does not ask for, and an exchange
// over store. The caller closes the node and after that the store.
func Start(ctx context.Context, key crypto.PrivKey, store blockstore.Blockstore, cfg Config) (*Online, error) {
	gate := &Gate{}
	gate.Allow(cfg.Allowed)
	storage, forget := cfg.Storage, func() error { return nil }
	if storage == nil {
		storage = newStorage(store, dssync.MutexWrap(datastore.NewMapDatastore()), cfg.Log)
		store, forget = storage.Blocks, storage.Close
	}
	log := cmp.Or(cfg.Log, zap.NewNop())
	h, err := newHost(key, cfg, gate, log.Named("node"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the network: %w", err), forget())
	}
	if cfg.Memory == nil {
		cfg.Memory = forgetful{}
	}
	d, err := cfg.joinDHT(h, storage, log)
	if err != nil {
		return nil, errors.Join(err, h.Close(), forget())
	}
	x, err := souk.New(ctx, h, store, cfg.options(log, d)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the exchange: %w", err), leave(d), h.Close(), forget())
	}
	n := &Online{
		Storage: storage, forget: forget, Host: h, Exchange: x, log: log.Named("node"), logs: cfg.Logs, told: cfg.Settings, store: store, memory: cfg.Memory, started: time.Now(),
		gate: gate, dht: d, relaying: cfg.Relaying.Client, isTracker: cfg.Tracker != nil, given: merge(nil, cfg.Trackers),
		kept: make(map[peer.ID]kept), looked: make(chan struct{}, 1),
	}
	if n.isTracker {
		n.trackerMemory = cfg.Tracker.Limits.TableBytes
	}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if cfg.SyncDocuments {
		if err := n.startSyncing(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	n.begin(&cfg)
	return n, nil
}

// begin starts what a node does by itself.
func (n *Online) begin(cfg *Config) {
	n.Keep(cfg.Peers)
	if relays := cfg.Relaying.Relays; len(relays) > 0 {
		n.work.Go(func() { n.watchRelays(relays) })
	}
	if cfg.Nearby {
		n.nearby = nearby.Start(nearby.Config{Host: n.Host, Connect: n.dial, Connected: n.isConnected, Allowed: n.gate.Allows, Logger: n.log})
	}
	if cfg.CollectGarbage {
		n.work.Go(func() { n.collectWhenHigh(n.ctx, cmp.Or(cfg.Log, zap.NewNop())) })
	}
}

func (cfg *Config) options(log *zap.Logger, d *kademlia.DHT) []souk.Option {
	options := []souk.Option{souk.WithLogger(log), souk.WithTrackers(cfg.Trackers...), souk.WithTrackerList(cfg.ListKey)}
	if cfg.Tracker != nil {
		options = append(options, souk.WithTracker(*cfg.Tracker))
	}
	if cfg.Relaying.Client {
		options = append(options, souk.WithLimitedConnections())
	}
	if d != nil {
		options = append(options, souk.WithRouting(d.Routing()))
	}
	return append(options, cfg.Exchange...)
}

// PutMany implements [Node].
func (n *Online) PutMany(ctx context.Context, bs []blocks.Block) error {
	return orFull(n.Exchange.Put(ctx, bs...))
}

// Pin implements [Keeper].
func (n *Online) Pin(ctx context.Context, r PinRequest, progress func(PinProgress)) (pins.Pin, error) {
	defer n.rootsChanged()
	return n.pin(ctx, r, n.Fetch, progress)
}

// ImportDocument implements [Library].
func (n *Online) ImportDocument(ctx context.Context, r DocumentRequest, progress func(DocumentProgress)) (document.Info, error) {
	return n.importDocument(ctx, r, n.Fetch, progress)
}

// Fetch implements [Node].
func (n *Online) Fetch(ctx context.Context, from Source) (Fetcher, error) {
	if len(from.Peers) > 0 {
		ids, err := n.Connect(ctx, from.Peers)
		if err != nil {
			return nil, err
		}
		return &sessionFetcher{Session: n.Exchange.NewSession(ctx, session.WithPeers(ids...))}, nil
	}
	if err := n.AddTrackers(from.Trackers...); err != nil {
		return nil, err
	}
	if from.Namespace != "" && n.tracked() {
		return n.search(ctx, from.Namespace), nil
	}
	if len(n.Host.Network().Peers()) > 0 || n.dht != nil {
		return &sessionFetcher{Session: n.Exchange.NewSession(ctx)}, nil
	}
	// A session with nobody to ask fails at once for what is not stored.
	return &sessionFetcher{Session: n.Exchange.NewSession(ctx, session.WithPeers()), alone: true}, nil
}

// sessionFetcher ends its session when it is closed.
type sessionFetcher struct {
	*session.Session
	alone bool
}

func (f *sessionFetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := f.Session.GetBlock(ctx, c)
	var missing *session.FetchError
	if f.alone && errors.As(err, &missing) && missing.NotFound() {
		return nil, &NoPeersError{CID: c}
	}
	return b, err
}

func (f *sessionFetcher) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	return f.Session.Close(ctx)
}

// Ledgers implements [Node].
func (n *Online) Ledgers(context.Context) ([]ledger.Receipt, error) {
	return n.Exchange.Ledgers(), nil
}

// Ledger implements [Node].
func (n *Online) Ledger(_ context.Context, p peer.ID) (ledger.Receipt, error) {
	r, ok := n.Exchange.Ledger(p)
	if !ok {
		return ledger.Receipt{}, &UnknownPeerError{Peer: p}
	}
	return r, nil
}

// Info implements [Node].
func (n *Online) Info(context.Context) (Info, error) {
	info := Info{ID: n.Host.ID(), Addresses: []string{}, Running: true, Tracker: n.isTracker, Trackers: Addresses(n.named()...)}
	listen, err := n.Host.Network().InterfaceListenAddresses()
	if err != nil {
		return Info{}, err
	}
	// To listen behind relays is to listen at those that have a place for the node.
	listen = append(slices.DeleteFunc(listen, IsRelayed), n.relayAddresses()...)
	info.Addresses = append(info.Addresses, Addresses(peer.AddrInfo{ID: n.Host.ID(), Addrs: listen})...)
	slices.Sort(info.Addresses)
	return info, nil
}

// Addresses are those of peers as text, each with its ID.
func Addresses(peers ...peer.AddrInfo) []string {
	var texts []string
	for _, p := range peers {
		for _, a := range p.Addrs {
			texts = append(texts, a.String()+"/p2p/"+p.ID.String())
		}
	}
	return texts
}

// Close ends the exchange and then the host. It may be called again.
func (n *Online) Close() error {
	n.mu.Lock() // So that nobody begins to keep a peer afterwards.
	n.cancel()
	n.mu.Unlock()
	if n.nearby != nil {
		n.nearby.Close()
	}
	var err error
	if n.mirror != nil {
		err = n.mirror.Close()
	}
	n.work.Wait()
	return errors.Join(err, n.Exchange.Close(), leave(n.dht), n.Host.Close(), n.forget())
}

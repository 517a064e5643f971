package souk

import (
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/rate"
)

// Option changes what an exchange does.
type Option func(*options)

type options struct {
	logger     *zap.Logger
	registerer prometheus.Registerer
	hook       FetchHook

	kuboMetrics bool

	finders    []providers.Finder
	namespace  string
	flood      bool
	candidates int
	trackers   []peer.AddrInfo
	listKey    peer.ID
	tracker    *TrackerConfig // nil for none

	ledgers datastore.Batching // nil for nowhere

	withoutStoring bool
	serverDisabled bool
	access         func(peer.ID, cid.Cid) bool
	rules          *access.Rules
	up, down       rate.Limits

	prefix       protocol.ID
	versions     []message.Version
	allowLimited bool
	receivePeer  int
	receiveNode  int
	perAddress   int
	perNetwork   int
	sessionBytes int
	nodeBytes    int
	storeBytes   int
	engine       engine.Limits
}

func defaults() options {
	return options{logger: zap.NewNop()}
}

func (o *options) network(h host.Host) network.Config {
	return network.Config{
		Host: h, Logger: o.logger.Named("network"), ProtocolPrefix: o.prefix, Versions: o.versions, AllowLimited: o.allowLimited,
		ReceivePeer: o.receivePeer, ReceiveNode: o.receiveNode,
		PeersPerAddress: o.perAddress, PeersPerNetwork: o.perNetwork,
	}
}

// WithLogger makes the exchange log. The default is silence. Below the logger's
// name are "access", "discovery", "exchange", "network" and "tracker", with the
// actors below the second and the third.
func WithLogger(l *zap.Logger) Option { return func(o *options) { o.logger = l } }

// WithRegisterer registers the metrics of the exchange, and takes them out again
// when it closes.
func WithRegisterer(r prometheus.Registerer) Option {
	return func(o *options) { o.registerer = r }
}

// WithProviders names peers that are asked for whatever is wanted by a session
// that does not name its own.
func WithProviders(peers ...peer.AddrInfo) Option {
	return func(o *options) { o.finders = append(o.finders, providers.Fixed(peers...)) }
}

// WithRouting makes the directory ask content routing, such as a DHT or a
// delegated router, when too few peers are known.
func WithRouting(r routing.ContentDiscovery) Option {
	return func(o *options) { o.finders = append(o.finders, providers.Routing(r)) }
}

// WithFinder makes the directory ask f when too few peers are known. Content routing
// knows CIDs alone; a finder is told the namespace, too, as a client of
// providers/routingv1 tells it a tracker.
func WithFinder(f providers.Finder) Option {
	return func(o *options) { o.finders = append(o.finders, f) }
}

// WithTrackers names trackers: nodes that are told what this one announces, and
// asked who holds what a session with a namespace wants.
func WithTrackers(trackers ...peer.AddrInfo) Option {
	return func(o *options) { o.trackers = append(o.trackers, trackers...) }
}

// WithTrackerList makes the exchange take in the list of trackers that its
// trackers hand out, if this key has signed it. Trackers that were named stay.
func WithTrackerList(key peer.ID) Option { return func(o *options) { o.listKey = key } }

// WithTracker makes the node a tracker for whoever names it as one. At most one
// cfg is used.
func WithTracker(cfg ...TrackerConfig) Option {
	return func(o *options) {
		o.tracker = &TrackerConfig{}
		if len(cfg) > 0 {
			o.tracker = &cfg[0]
		}
	}
}

// WithNamespace sets the namespace of calls without a session, and of sessions
// that set none. The default is none.
func WithNamespace(ns string) Option { return func(o *options) { o.namespace = ns } }

// WithCandidates sets how many peers are asked for one want in a round: K, 8 by
// default.
func WithCandidates(k int) Option { return func(o *options) { o.candidates = k } }

// WithFlood asks every connected peer for everything that is wanted by a session
// that names no peers, whatever the directory knows. It is for debugging and
// simulation and for nothing else: each want costs every peer a message and its
// answer, and their number grows with the network. No default leads here; [New]
// logs a warning.
func WithFlood() Option { return func(o *options) { o.flood = true } }

// WithoutStoring delivers what is fetched without storing it, for callers that
// store blocks themselves and then call [Exchange.NotifyNewBlocks].
func WithoutStoring() Option { return func(o *options) { o.withoutStoring = true } }

// WithServerDisabled makes the exchange fetch only: wants of others are ignored.
func WithServerDisabled() Option { return func(o *options) { o.serverDisabled = true } }

// WithAccess decides who may have what. A refusal looks to the peer exactly like
// a block that is not there. It is called from several goroutines at once and
// must be fast.
func WithAccess(allow func(p peer.ID, c cid.Cid) bool) Option {
	return func(o *options) { o.access = allow }
}

// WithProtocolPrefix goes before every protocol id, for networks apart from the
// public one: "/custom" makes "/custom/ipfs/bitswap/1.2.0".
func WithProtocolPrefix(prefix protocol.ID) Option { return func(o *options) { o.prefix = prefix } }

// WithVersions sets the versions of Bitswap that are spoken. The default is all.
func WithVersions(vs ...message.Version) Option { return func(o *options) { o.versions = vs } }

// WithLimitedConnections uses relayed connections too, which have limits of
// bytes and time. The default is to ignore them.
func WithLimitedConnections() Option { return func(o *options) { o.allowLimited = true } }

// WithReceiveBytes bounds the bytes being received, of one peer (4 MiB by
// default) and of the node (64 MiB).
func WithReceiveBytes(ofPeer, ofNode int) Option {
	return func(o *options) { o.receivePeer, o.receiveNode = ofPeer, ofNode }
}

// WithPeersPer bounds how many peers take part at a time that connect from one
// address (64 by default; an IPv6 address counts with its /64) and from one network
// (256 by default; a /24 of IPv4, a /48 of IPv6). Those that exchanged blocks keep
// their place. Loopback is not counted.
func WithPeersPer(address, network int) Option {
	return func(o *options) { o.perAddress, o.perNetwork = address, network }
}

// WithFetchBytes bounds the bytes in flight or undelivered, of one session (16
// MiB by default) and of the node (64 MiB).
func WithFetchBytes(ofSession, ofNode int) Option {
	return func(o *options) { o.sessionBytes, o.nodeBytes = ofSession, ofNode }
}

// WithStoreBytes bounds the bytes received and not yet stored (32 MiB by
// default).
func WithStoreBytes(n int) Option { return func(o *options) { o.storeBytes = n } }

// WithEngineLimits bounds what the wants of others may take.
func WithEngineLimits(l engine.Limits) Option { return func(o *options) { o.engine = l } }

package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/routing/http/client"
	"github.com/ipfs/boxo/routing/http/contentrouter"
	"github.com/ipfs/boxo/routing/http/server"
	"github.com/ipfs/boxo/routing/http/types"
	"github.com/ipfs/boxo/routing/http/types/iter"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/routingv1"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
)

const films record.Namespace = "films/2026"

// shelf is a source that knows who has what in each namespace.
type shelf map[record.Namespace][]tracker.Listed

func (s shelf) Providers(_ context.Context, _ netip.Addr, ns record.Namespace, _ cid.Cid, k int) ([]tracker.Listed, error) {
	return s[ns][:min(k, len(s[ns]))], nil
}

func listed(h host.Host) []tracker.Listed {
	return []tracker.Listed{{Info: peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}, Complete: true}}
}

// serve starts an HTTP server that ends with the test and returns its base URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = routingv1.NewServer(h)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// below puts a path in front of that of every request, as a client does that joins
// its path to a base URL. Boxo's takes no base URL with a path.
type below struct {
	http.Client
	path string // escaped
}

func (b *below) Do(r *http.Request) (*http.Response, error) {
	path, err := url.PathUnescape(b.path)
	if err != nil {
		return nil, err
	}
	r.URL.RawPath = b.path + r.URL.EscapedPath()
	r.URL.Path = path + r.URL.Path
	return b.Client.Do(r)
}

// boxoRouter is boxo's routing over HTTP, with connections of its own.
func boxoRouter(t *testing.T, base, path string, opts ...client.Option) routing.ContentRouting {
	t.Helper()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	through := &below{http.Client{Transport: transport}, path}
	c, err := client.New(base, append(opts, client.WithHTTPClient(through))...)
	require.NoError(t, err)
	return contentrouter.NewContentRoutingClient(c)
}

func providersOf(t *testing.T, r routing.ContentDiscovery, c cid.Cid) (found []peer.AddrInfo) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for p := range r.FindProvidersAsync(ctx, c, 0) {
		found = append(found, p)
	}
	return found
}

// Boxo's client finds with our handler who is in a namespace, wherever that is in
// the base URL, and who is public without one.
func TestBoxoAsksOurHandler(t *testing.T) {
	public, member := newHost(t, tcpNoise), newHost(t, quic)
	base := serve(t, routingv1.Handler(shelf{"": listed(public), films: listed(member)}))
	want := corpus.CIDs(corpus.Blocks(1, 1, 100))[0]
	ways := map[string]struct {
		base, path string
		found      host.Host
	}{
		"without a namespace":    {base, "", public},
		"namespace in the path":  {base, "/ns/films%2F2026", member},
		"namespace in the query": {base + "?namespace=films%2F2026", "", member},
		"empty namespace":        {base, "/ns/songs", nil},
	}
	for name, way := range ways {
		for form, opts := range map[string][]client.Option{
			"streamed if it can be": nil,
			"streamed":              {client.WithStreamResultsRequired()},
			"filtered by us":        {client.WithDisabledLocalFiltering(true), client.WithAddrFilter([]string{"tcp", "quic-v1"})},
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				tally.Add(t, tally.Scenarios, 1)
				found := providersOf(t, boxoRouter(t, way.base, way.path, opts...), want)
				if way.found == nil {
					require.Empty(t, found)
					return
				}
				require.Equal(t, []peer.AddrInfo{{ID: way.found.ID(), Addrs: way.found.Addrs()}}, found)
			})
		}
	}
}

// The errors of our handler are errors to boxo's client.
func TestBoxoIsToldWhatIsWrong(t *testing.T) {
	base := serve(t, routingv1.Handler(shelf{}))
	c, err := client.New(base + "?namespace=%00")
	require.NoError(t, err)
	_, err = c.FindProviders(t.Context(), corpus.CIDs(corpus.Blocks(1, 1, 100))[0])
	var refused *client.HTTPError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	require.Contains(t, refused.Body, "control character")
	_, err = c.FindPeers(t.Context(), newHost(t, tcpNoise).ID())
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusNotImplemented, refused.StatusCode)
	http.DefaultClient.CloseIdleConnections() // Those of boxo's client.
}

// boxoDelegate is what stands behind boxo's server.
type boxoDelegate struct {
	server.DelegatedRouter
	records []types.Record
	err     error
}

func (d *boxoDelegate) FindProviders(context.Context, cid.Cid, int) (iter.ResultIter[types.Record], error) {
	return iter.ToResultIter(iter.FromSlice(d.records)), d.err
}

func boxoServer(t *testing.T, d *boxoDelegate, opts ...server.Option) string {
	t.Helper()
	return serve(t, server.Handler(d, append(opts, server.WithPrometheusRegistry(prometheus.NewRegistry()))...))
}

func ourClient(t *testing.T, cfg routingv1.Config) *routingv1.Client {
	t.Helper()
	c, err := routingv1.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// peerRecord is what boxo's server writes of a host.
func peerRecord(h host.Host, protocols ...string) *types.PeerRecord {
	id := h.ID()
	return &types.PeerRecord{Schema: types.SchemaPeer, ID: &id, Addrs: asTypes(h.Addrs()), Protocols: protocols}
}

func asTypes(addrs []multiaddr.Multiaddr) (out []types.Multiaddr) {
	for _, a := range addrs {
		out = append(out, types.Multiaddr{Multiaddr: a})
	}
	return out
}

// Our client finds with boxo's server who speaks Bitswap or may do so, whether the
// answer is streamed or not.
func TestOurClientAsksBoxo(t *testing.T) {
	unknown, bitswap, older, other := newHost(t, tcpNoise), newHost(t, quic), newHost(t, tcpNoise), newHost(t, tcpNoise)
	olderID := older.ID()
	delegate := &boxoDelegate{records: []types.Record{
		peerRecord(unknown), peerRecord(other, "transport-ipfs-gateway-http"), peerRecord(bitswap, "transport-bitswap", "other"),
		//lint:ignore SA1019 routers that write it are still there
		&types.BitswapRecord{Schema: types.SchemaBitswap, Protocol: "transport-bitswap", ID: &olderID, Addrs: asTypes(older.Addrs())},
	}}
	for form, opts := range map[string][]server.Option{
		"streamed": nil,
		"listed":   {server.WithStreamingResultsDisabled()},
	} {
		t.Run(form, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			found, err := findBy(t, ourClient(t, routingv1.Config{Base: boxoServer(t, delegate, opts...)}))
			require.NoError(t, err)
			var want []peer.AddrInfo
			for _, h := range []host.Host{unknown, bitswap, older} {
				want = append(want, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
			}
			require.Equal(t, want, found)
		})
	}
}

func findBy(t *testing.T, c *routingv1.Client) (found []peer.AddrInfo, err error) {
	t.Helper()
	q := providers.Query{Namespace: string(films), CIDs: corpus.CIDs(corpus.Blocks(1, 1, 100)), Most: 8}
	err = c.Find(t.Context(), q, func(p peer.AddrInfo) bool { found = append(found, p); return true })
	return found, err
}

// That boxo's server knows nobody, or has a fault, are two different things to our
// client.
func TestOurClientIsToldWhatIsWrong(t *testing.T) {
	found, err := findBy(t, ourClient(t, routingv1.Config{Base: boxoServer(t, &boxoDelegate{err: routing.ErrNotFound})}))
	require.NoError(t, err)
	require.Empty(t, found)
	_, err = findBy(t, ourClient(t, routingv1.Config{Base: boxoServer(t, &boxoDelegate{err: context.DeadlineExceeded})}))
	var refused *routingv1.StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusInternalServerError, refused.Status)
}

// A node finds over HTTP a holder of the other make to which it has no connection,
// and fetches from it.
func TestHolderIsFoundOverHTTP(t *testing.T) {
	data := corpus.Mixed(1, 50, 10<<10)
	ways := map[string]struct {
		direction
		router func(t *testing.T, holder *node) routing.ContentDiscovery
	}{
		"boxo asks our handler": {
			direction{server: exchanges.MakeSouk, client: exchanges.MakeBoxo},
			func(t *testing.T, holder *node) routing.ContentDiscovery {
				base := serve(t, routingv1.Handler(shelf{films: listed(holder)}))
				return boxoRouter(t, base+"?namespace="+url.QueryEscape(string(films)), "")
			},
		},
		"our client asks boxo": {
			direction{server: exchanges.MakeBoxo, client: exchanges.MakeSouk},
			func(t *testing.T, holder *node) routing.ContentDiscovery {
				return ourClient(t, routingv1.Config{Base: boxoServer(t, &boxoDelegate{records: []types.Record{peerRecord(holder)}})})
			},
		},
		"our client asks our handler": {
			direction{server: exchanges.MakeSouk, client: exchanges.MakeSouk},
			func(t *testing.T, holder *node) routing.ContentDiscovery {
				return ourClient(t, routingv1.Config{Base: serve(t, routingv1.Handler(shelf{"": listed(holder)}))})
			},
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			holder, h := start(t, tcpNoise, way.server), newHost(t, tcpNoise)
			put(t, holder, data...)
			x, err := exchanges.New(way.client, h, exchanges.WithRouting(way.router(t, holder)))
			require.NoError(t, err)
			seeker := adopt(t, h, x, way.client)
			require.NotEqual(t, network.Connected, h.Network().Connectedness(holder.ID()))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			receive(t, askAnyone(t, ctx, seeker, data), data)
		})
	}
}

// soukWith starts a node of ours with options.
func soukWith(t *testing.T, opts ...souk.Option) *node {
	t.Helper()
	h := newHost(t, tcpNoise)
	x, err := exchanges.NewSouk(h, opts...)
	require.NoError(t, err)
	return adopt(t, h, x, exchanges.MakeSouk)
}

func ours(n *node) *exchanges.Souk { return n.Exchange.(*exchanges.Souk) }

// trackerOverHTTP starts a tracker and returns the base URL at which it answers, too.
func trackerOverHTTP(t *testing.T, cfg souk.TrackerConfig) (n *node, base string) {
	t.Helper()
	n = soukWith(t, souk.WithTracker(cfg))
	return n, serve(t, routingv1.Handler(ours(n).Tracker()))
}

func infoOf(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// Boxo fetches from a node that announced a namespace to a tracker of ours, of which
// boxo knows the URL and nothing else.
func TestBoxoFetchesFromWhoAnnouncedToATracker(t *testing.T) {
	node, base := trackerOverHTTP(t, souk.TrackerConfig{Public: []string{"songs"}})
	for name, way := range map[string]struct{ announced, base string }{
		"namespace in the query": {string(films), base + "?namespace=" + url.QueryEscape(string(films))},
		"public namespace":       {"songs", base},
	} {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			data := corpus.Mixed(1, 50, 10<<10)
			holder, h := soukWith(t, souk.WithTrackers(infoOf(node))), newHost(t, tcpNoise)
			put(t, holder, data...)
			require.NoError(t, ours(holder).Announce(ctx, way.announced))
			x, err := exchanges.New(exchanges.MakeBoxo, h, exchanges.WithRouting(boxoRouter(t, way.base, "")))
			require.NoError(t, err)
			seeker := adopt(t, h, x, exchanges.MakeBoxo)
			service := blockservice.New(x.(*exchanges.Boxo).Store, x.(*exchanges.Boxo))
			receive(t, blockservice.NewSession(ctx, service).GetBlocks(ctx, corpus.CIDs(data)), data)
			require.Equal(t, network.Connected, seeker.Network().Connectedness(holder.ID()))
		})
	}
}

// A node that can reach a tracker over HTTP alone finds there who announced the
// namespace of its session.
func TestNodeFindsByTrackerOverHTTP(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node, base := trackerOverHTTP(t, souk.TrackerConfig{})
	holder := soukWith(t, souk.WithTrackers(infoOf(node)))
	data := corpus.Mixed(1, 50, 10<<10)
	put(t, holder, data...)
	require.NoError(t, ours(holder).Announce(ctx, string(films)))
	router := ourClient(t, routingv1.Config{Base: base, Namespaced: true})
	seeker := soukWith(t, souk.WithFinder(router), souk.WithNamespace(string(films)))
	receive(t, askAnyone(t, ctx, seeker, data), data)
	found, err := ours(seeker).Find(ctx, string(films), 8)
	require.NoError(t, err)
	require.Equal(t, holder.ID(), found[0].ID)
	require.NotEqual(t, network.Connected, seeker.Network().Connectedness(node.ID()))
}

// Who asks a tracker too much over HTTP is told when to come back.
func TestTrackerBoundsWhoAsksOverHTTP(t *testing.T) {
	tally.Add(t, tally.Scenarios, 1)
	slow := tracker.Limits{PeerRate: tracker.Rate{Announces: 1, Queries: 0.1, Bytes: 64 << 10}}
	_, base := trackerOverHTTP(t, souk.TrackerConfig{Limits: slow})
	var refused *routingv1.StatusError
	for range 100 {
		_, err := findBy(t, ourClient(t, routingv1.Config{Base: base, Namespaced: true}))
		if err != nil {
			require.ErrorAs(t, err, &refused)
			break
		}
	}
	require.NotNil(t, refused)
	require.Equal(t, http.StatusTooManyRequests, refused.Status)
	require.Positive(t, refused.After)
}

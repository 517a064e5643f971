package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
)

func TestMain(m *testing.M) {
	// The metrics of boxo's HTTP client start it with the program.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// patience bounds what should take a moment. It is long because the machine may
// be busy; a stall is longer.
const patience = 20 * time.Second

// transport is a way in which two hosts reach each other.
type transport struct {
	name   string
	listen string
	opts   []libp2p.Option
}

var (
	tcpNoise = transport{"tcp noise", "/ip4/127.0.0.1/tcp/0", []libp2p.Option{
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
	}}
	tcpTLS = transport{"tcp tls", "/ip4/127.0.0.1/tcp/0", []libp2p.Option{
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libp2ptls.ID, libp2ptls.New),
	}}
	quic = transport{"quic", "/ip4/127.0.0.1/udp/0/quic-v1", []libp2p.Option{
		libp2p.Transport(libp2pquic.NewTransport),
	}}
	transports = []transport{tcpNoise, tcpTLS, quic}
)

// direction names the make of each side; blocks go from the server to the
// client.
type direction struct{ server, client exchanges.Make }

func (d direction) String() string { return string(d.server) + " to " + string(d.client) }

var directions = []direction{
	{server: exchanges.MakeSouk, client: exchanges.MakeBoxo},
	{server: exchanges.MakeBoxo, client: exchanges.MakeSouk},
}

// each runs a test for every transport and direction.
func each(t *testing.T, test func(t *testing.T, server, client *node)) {
	for _, tr := range transports {
		for _, d := range directions {
			t.Run(tr.name+"/"+d.String(), func(t *testing.T) {
				tally.Add(t, tally.Scenarios, 1)
				test(t, start(t, tr, d.server), start(t, tr, d.client))
			})
		}
	}
}

// eachDirection runs a test in both directions over one transport, for what the
// transport makes no difference to.
func eachDirection(t *testing.T, test func(t *testing.T, server, client *node)) {
	for _, d := range directions {
		t.Run(d.String(), func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			test(t, start(t, tcpNoise, d.server), start(t, tcpNoise, d.client))
		})
	}
}

// node is a host with an exchange.
type node struct {
	host.Host
	exchanges.Exchange
	make exchanges.Make
}

// Close ends the exchange and its host.
func (n *node) Close() error {
	return errors.Join(n.Exchange.Close(), n.Host.Close())
}

// start makes a node that ends with the test.
func start(t *testing.T, tr transport, m exchanges.Make) *node {
	t.Helper()
	return startOn(t, newHost(t, tr), m)
}

// startOn makes a node of a host that may have connections already.
func startOn(t *testing.T, h host.Host, m exchanges.Make) *node {
	t.Helper()
	x, err := exchanges.New(m, h)
	require.NoError(t, err)
	return adopt(t, h, x, m)
}

// adopt makes a node of a host and its exchange.
func adopt(t *testing.T, h host.Host, x exchanges.Exchange, m exchanges.Make) *node {
	t.Helper()
	n := &node{Host: h, Exchange: x, make: m}
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func newHost(t *testing.T, tr transport) host.Host {
	t.Helper()
	opts := append([]libp2p.Option{libp2p.ListenAddrStrings(tr.listen), libp2p.DisableRelay(), libp2p.DisableMetrics()}, tr.opts...)
	h, err := libp2p.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func connect(t *testing.T, from, to host.Host) {
	t.Helper()
	require.NoError(t, from.Connect(t.Context(), peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}))
}

// put stores blocks at n.
func put(t *testing.T, n *node, bs ...blocks.Block) {
	t.Helper()
	require.NoError(t, n.Put(t.Context(), bs...))
}

// ask requests all blocks in one call.
func ask(t *testing.T, ctx context.Context, client, server *node, want []blocks.Block) <-chan blocks.Block {
	t.Helper()
	ch, err := client.Fetcher(ctx, server.ID()).GetBlocks(ctx, corpus.CIDs(want))
	require.NoError(t, err)
	return ch
}

// askAnyone requests all blocks in one call and names no peer.
func askAnyone(t *testing.T, ctx context.Context, client *node, want []blocks.Block) <-chan blocks.Block {
	t.Helper()
	ch, err := client.Fetcher(ctx).GetBlocks(ctx, corpus.CIDs(want))
	require.NoError(t, err)
	return ch
}

// fetch gets all blocks in one call and checks that each comes once, under the
// CID that was asked and with the right bytes.
func fetch(t *testing.T, client, server *node, want []blocks.Block) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	receive(t, ask(t, ctx, client, server, want), want)
}

func receive(t *testing.T, ch <-chan blocks.Block, want []blocks.Block) {
	t.Helper()
	missing := make(map[cid.Cid]blocks.Block, len(want))
	for _, b := range want {
		missing[b.Cid()] = b
	}
	for got := range ch {
		b, ok := missing[got.Cid()]
		require.True(t, ok, "%s was not asked for or came twice", got.Cid())
		require.True(t, string(b.RawData()) == string(got.RawData()), "%s has other bytes", got.Cid())
		delete(missing, got.Cid())
	}
	require.Zero(t, len(missing), "%d of %d blocks did not arrive", len(missing), len(want))
}

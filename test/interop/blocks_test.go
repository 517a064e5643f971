package interop

import (
	"context"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Sizes from one byte to the largest that every peer must accept (2 MiB), under
// both versions of CIDs.
func TestBlocksOfEverySizePass(t *testing.T) {
	each(t, func(t *testing.T, server, client *node) {
		want := slices.Concat(
			corpus.Blocks(1, 1, 1), corpus.Mixed(2, 20, 100), corpus.Mixed(3, 20, 1<<10),
			corpus.Mixed(4, 10, 256<<10), corpus.Mixed(5, 2, 2<<20),
		)
		put(t, server, want...)
		connect(t, client, server)
		fetch(t, client, server, want)
	})
}

// Boxo takes an empty block for a missing one when it serves, so that only the
// direction to boxo can be asked for.
func TestEmptyBlockPasses(t *testing.T) {
	server, client := start(t, quic, exchanges.MakeSouk), start(t, quic, exchanges.MakeBoxo)
	want := corpus.Blocks(1, 1, 0)
	put(t, server, want...)
	connect(t, client, server)
	fetch(t, client, server, want)
}

// Boxo's server keeps 1,024 wants of a peer and drops the others without a word;
// its client sends all that it has, and again what is not answered for 30 s.
func TestFourThousandWantsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, server, client *node) {
		few, many := corpus.Blocks(1, 1000, 4<<10), corpus.Blocks(2, 4000, 4<<10)
		put(t, server, append(few, many...)...)
		connect(t, client, server)
		took := func(want []blocks.Block) time.Duration {
			begun := time.Now()
			receive(t, ask(t, t.Context(), client, server, want), want)
			return time.Since(begun)
		}
		none := took(few)
		require.Less(t, took(many), 2*4*none+15*time.Second, "somebody waited for a timeout")
	})
}

// A want stays until it is answered with the block: one that is stored later is
// pushed.
func TestBlockThatAppearsLaterIsPushed(t *testing.T) {
	eachDirection(t, func(t *testing.T, server, client *node) {
		want := corpus.Mixed(1, 4, 10<<10)
		connect(t, client, server)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ch, err := client.Subscribe(ctx, corpus.CIDs(want), server.ID())
		require.NoError(t, err)
		eventually.True(t, func() bool { return len(server.WantsOf(client.ID())) == len(want) }, "the wants arrive")
		put(t, server, want...)
		receive(t, ch, want)
	})
}

// What was fetched, and what its caller gave up, leaves the server's view of
// the client's wantlist.
func TestWantlistEmpties(t *testing.T) {
	eachDirection(t, func(t *testing.T, server, client *node) {
		there, absent := corpus.Blocks(1, 10, 1<<10), corpus.Blocks(2, 10, 1<<10)
		bystander := start(t, tcpNoise, server.make)
		put(t, server, there...)
		connect(t, client, server)
		connect(t, client, bystander)
		fetch(t, client, server, there)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ch, err := client.Subscribe(ctx, corpus.CIDs(absent), server.ID())
		require.NoError(t, err)
		eventually.True(t, func() bool { return wants(server, client, absent) }, "the wants for what is absent arrive")
		cancel()
		for range ch {
			t.Error("a block that nobody has was delivered")
		}
		for _, n := range []*node{server, bystander} {
			eventually.True(t, func() bool { return len(n.WantsOf(client.ID())) == 0 }, "the wantlist empties")
		}
	})
}

// wants reports whether the client's wantlist, as the server sees it, is
// exactly the given blocks.
func wants(server, client *node, bs []blocks.Block) bool {
	list := server.WantsOf(client.ID())
	return len(list) == len(bs) && !slices.ContainsFunc(bs, func(b blocks.Block) bool {
		return !slices.Contains(list, b.Cid())
	})
}

// A cancelled want is not answered when its block appears.
func TestCancelledWantIsNotServed(t *testing.T) {
	eachDirection(t, func(t *testing.T, server, client *node) {
		want := corpus.Blocks(1, 2, 1<<10)
		given, kept := want[0], want[1]
		connect(t, client, server)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		short, giveUp := context.WithCancel(ctx)
		_, err := client.Subscribe(short, []cid.Cid{given.Cid()}, server.ID())
		require.NoError(t, err)
		ch, err := client.Subscribe(ctx, []cid.Cid{kept.Cid()}, server.ID())
		require.NoError(t, err)
		eventually.True(t, func() bool { return len(server.WantsOf(client.ID())) == 2 }, "both wants arrive")
		giveUp()
		eventually.True(t, func() bool { return len(server.WantsOf(client.ID())) == 1 }, "one is withdrawn")
		put(t, server, want...)
		receive(t, ch, want[1:])
		has, err := client.Has(t.Context(), given.Cid())
		require.NoError(t, err)
		require.False(t, has)
		eventually.True(t, func() bool { return server.Counters().BlocksSent > 0 }, "the one that was sent is counted")
		require.EqualValues(t, 1, server.Counters().BlocksSent)
	})
}

// Hosts that were connected before either exchange started know of each other.
func TestPeersConnectedBeforeTheStart(t *testing.T) {
	for _, d := range directions {
		t.Run(d.String(), func(t *testing.T) {
			first, second := newHost(t, tcpNoise), newHost(t, tcpNoise)
			connect(t, first, second)
			server, client := startOn(t, first, d.server), startOn(t, second, d.client)
			want := corpus.Blocks(1, 10, 10<<10)
			put(t, server, want...)
			fetch(t, client, server, want)
		})
	}
}

// Boxo can be held to the older protocols, which know no presences; 1.0.0 and
// the unversioned one carry blocks without a CID prefix.
func TestOldProtocols(t *testing.T) {
	for _, p := range []protocol.ID{"/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0", "/ipfs/bitswap"} {
		for _, d := range directions {
			t.Run(string(p)+"/"+d.String(), func(t *testing.T) {
				old := func() *node {
					h := newHost(t, tcpNoise)
					return adopt(t, h, exchanges.NewBoxo(h, p), exchanges.MakeBoxo)
				}
				side := func(m exchanges.Make) *node {
					if m == exchanges.MakeBoxo {
						return old()
					}
					return start(t, tcpNoise, m)
				}
				server, client := side(d.server), side(d.client)
				want := corpus.V0(1, 40, 10<<10)
				put(t, server, want...)
				connect(t, client, server)
				fetch(t, client, server, want)
			})
		}
	}
}

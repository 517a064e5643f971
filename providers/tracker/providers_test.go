package tracker

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

var somebody = netip.MustParseAddr("4.4.4.4")

func (s *service) provides(ns record.Namespace, k int) []Listed {
	s.t.Helper()
	found, err := s.tracker.Providers(s.t.Context(), somebody, ns, cidOf("block"), k)
	require.NoError(s.t, err)
	return found
}

func TestWhoHasNoStreamIsToldOfProvidersByTheirVerifiedAddressesFirst(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob, carol := s.connect(1), s.connect(2), s.connect(3)
		p, _ := record.PointOf(cidOf("block"))
		alice.announces("photos", at("/dns4/a.example/tcp/1", alice.where))
		bob.announces("photos", within(spans(p, p)))
		carol.announces("photos", within(spans(p+1, p+2)))
		s.connect(4).announces("photos", func(r *record.Record) { r.Roles = record.Sync })
		found := s.provides("photos", 8)
		require.Len(t, found, 2)
		require.Equal(t, alice.id, found[0].Info.ID)
		require.Equal(t, alice.where, found[0].Info.Addrs[0].String())
		require.Equal(t, "/dns4/a.example/tcp/1", found[0].Info.Addrs[1].String())
		require.True(t, found[0].Complete)
		require.Equal(t, bob.id, found[1].Info.ID)
		require.Len(t, s.provides("photos", 1), 1)
		require.Empty(t, s.provides("photos", -1))
	})
}

func TestAQuestionWithoutANamespaceIsAnsweredFromThePublicOnes(t *testing.T) {
	cfg := generous()
	cfg.Public = []record.Namespace{"a", "b"}
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		alice.announces("a")
		alice.announces("b")
		s.connect(2).announces("b")
		s.connect(3).announces("secret")
		var ids []peer.ID
		for _, l := range s.provides("", 8) {
			ids = append(ids, l.Info.ID)
		}
		require.ElementsMatch(t, []peer.ID{idOf(1), idOf(2)}, ids, "each once")
	})
	serve(t, generous(), func(t *testing.T, s *service) {
		s.connect(1).announces("a")
		require.Empty(t, s.provides("", 8))
	})
}

func TestQuestionsWithoutAStreamAreBoundedForAnAddressAndForItsPrefix(t *testing.T) {
	serve(t, Config{Limits: Limits{TableBytes: 8 << 20}, Seed: 1}, func(t *testing.T, s *service) {
		ask := func(from string) error {
			_, err := s.tracker.Providers(t.Context(), netip.MustParseAddr(from), "photos", cidOf("block"), 8)
			return err
		}
		flood := func(from string) (n int, refused *RefusedError) {
			for ; n < 20_000; n++ {
				if err := ask(from); err != nil {
					require.ErrorAs(t, err, &refused)
					return n, refused
				}
			}
			return n, nil
		}
		n, refused := flood("4.4.4.4")
		require.Equal(t, 600, n)
		require.Equal(t, RefusedRate, refused.Refusal)
		require.NotZero(t, refused.After)
		require.Error(t, ask("::ffff:4.4.4.4"), "the same address")
		require.NoError(t, ask("4.4.4.5"), "another address")
		n, _ = flood("2001:db8::1")
		require.Equal(t, 600, n)
		require.Error(t, ask("2001:db8::2"), "the same host")
		require.NoError(t, ask("2001:db8:0:1::1"))
		for i := range 20 {
			_, refused = flood(fmt.Sprintf("4.4.4.%d", 100+i))
		}
		require.Equal(t, RefusedPrefixRate, refused.Refusal)
		require.NoError(t, ask("5.5.5.5"))
	})
}

func TestWithoutABlockAnybodyInTheNamespaceIsMeant(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		s.connect(2).announces("photos", within(spans(0, 0x8000)))
		s.connect(3).announces("songs")
		found, err := s.tracker.Providers(t.Context(), somebody, "photos", cid.Undef, 8)
		require.NoError(t, err)
		require.Len(t, found, 2)
	})
}

func TestAQuestionThatMeansNothingIsAnError(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		_, err := s.tracker.Providers(t.Context(), somebody, "", cid.Undef, 8)
		require.Error(t, err)
		_, err = s.tracker.Providers(t.Context(), somebody, "a\x00b", cidOf("block"), 8)
		var fault *record.Error
		require.ErrorAs(t, err, &fault)
		require.Zero(t, s.stat().Table.Queries)
	})
}

func TestTheTopAreTheNamespacesWithMostRows(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		for n := range 30 {
			c := s.connect(100 + n)
			for i := range 1 + n%5 {
				c.announces(fmt.Sprint("ns", i))
			}
			c.announces("narrow", within(spans(0x1000, 0x1010)))
			require.NoError(t, c.hangUp())
		}
		alice := s.connect(1)
		alice.asks(about("ns1"))
		top := s.tracker.Top(t.Context(), 3)
		require.Len(t, top, 3)
		require.Equal(t, []int{30, 30, 24}, []int{top[0].Rows, top[1].Rows, top[2].Rows})
		require.Equal(t, record.Namespace("narrow"), top[0].Namespace)
		require.True(t, top[0].Narrow)
		require.EqualValues(t, 0x10, top[0].Shard)
		require.Equal(t, record.Namespace("ns0"), top[1].Namespace)
		require.Equal(t, 24, top[2].Announcers)
		require.EqualValues(t, 24, top[2].Announces)
		require.EqualValues(t, 1, top[2].Queries)
		require.InDelta(t, 24.0/tallySpan, top[2].AnnounceRate, 0.01)
		require.Empty(t, s.tracker.Top(t.Context(), 0))
		require.Len(t, s.tracker.Top(t.Context(), 1000), 6)
	})
}

// A table of many namespaces is looked at in pieces, and the top is the same.
func TestTheTopOfManyNamespacesIsFoundInPieces(t *testing.T) {
	r := newRig(t, open())
	r.blind = true
	for i := range 3 * topPiece {
		r.announced(r.row(i, fmt.Sprint("ns", i)))
		if i%topPiece == 7 {
			r.announced(r.row(1<<20+i, fmt.Sprint("ns", i)))
		}
	}
	var names []record.Namespace
	pieces := 0
	for from, more := uint32(0), true; more; pieces++ {
		var top []NamespaceStat
		top, from = r.table.Top(r.now, from, 1)
		names, more = append(names, top[0].Namespace), from != 0
	}
	require.Equal(t, []record.Namespace{"ns7", "ns4103", "ns8199"}, names)
}

package souk_test

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestActorsTellHowBusyTheyAre(t *testing.T) {
	a, b := start(t), start(t)
	a.fetchFrom(t, b, random(64, 10_000))
	names := make(map[string]souk.ActorStat)
	for _, s := range a.Actors() {
		names[s.Name] = s
	}
	for _, name := range []string{"announcer", "blockrouter", "engine", "ledger", "peerrouter", "providers", "session", "trackers", "wantmanager"} {
		require.Contains(t, names, name)
		require.Positive(t, names[name].Capacity, name)
	}
	require.Positive(t, names["wantmanager"].Busy)
	require.Positive(t, names["wantmanager"].Saturation1m)
	require.LessOrEqual(t, names["wantmanager"].Saturation10s, 1.0)
	require.Equal(t, 1, names["session"].Instances)
	require.Positive(t, names["session"].Busy)
}

func TestPeersTellsWhoIsConnected(t *testing.T) {
	a, b := start(t), start(t)
	a.fetchFrom(t, b, random(4, 100_000))
	eventually.True(t, func() bool {
		all, err := a.Peers(t.Context())
		require.NoError(t, err)
		return len(all) == 1 && all[0].Class == "proven"
	})
	all, err := a.Peers(t.Context())
	require.NoError(t, err)
	p := all[0]
	require.Equal(t, b.host.ID(), p.Peer)
	require.Equal(t, "/ipfs/bitswap/1.2.0", p.Protocol)
	require.NotEmpty(t, p.Agent)
	require.WithinDuration(t, time.Now(), p.Since, 10*time.Second)
	require.NotEmpty(t, p.Connections)
	require.False(t, p.Connections[0].Inbound)
	require.Contains(t, p.Connections[0].Address, "/ip4/127.0.0.1/")
	require.Positive(t, p.Window)
	require.Positive(t, p.RTT)
	require.Positive(t, p.StrikeLimit)
}

func TestWantsAreListedOnBothSidesPageByPage(t *testing.T) {
	a, b := start(t), start(t)
	a.connect(t, b)
	bs := random(50, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := a.NewSession(ctx, session.WithPeers(b.host.ID()), session.WithWaiting())
	_, err := s.GetBlocks(ctx, cids(bs))
	require.NoError(t, err)

	sent := pages(t, 50, func(q souk.WantQuery) (souk.WantPage, error) { return a.WantsSent(t.Context(), q) })
	received := pages(t, 50, func(q souk.WantQuery) (souk.WantPage, error) { return b.WantsReceived(t.Context(), q) })
	for _, block := range bs {
		w := sent[block.Cid()]
		require.Equal(t, b.host.ID(), w.Peer)
		require.Equal(t, "block", w.Kind)
		require.Equal(t, a.host.ID(), received[block.Cid()].Peer)
	}
	eventually.True(t, func() bool {
		p, err := a.WantsSent(t.Context(), souk.WantQuery{Peer: b.host.ID(), Limit: 1})
		require.NoError(t, err)
		return p.Wants[0].State == "answered DONT_HAVE"
	})
	p, err := a.WantsSent(t.Context(), souk.WantQuery{Peer: a.host.ID()})
	require.NoError(t, err)
	require.Zero(t, p.Total)
	require.Empty(t, p.Wants)
}

// pages reads a list page by page once it is as long as it should be.
func pages(t *testing.T, total int, list func(souk.WantQuery) (souk.WantPage, error)) map[cid.Cid]souk.WantStat {
	t.Helper()
	eventually.True(t, func() bool {
		p, err := list(souk.WantQuery{})
		require.NoError(t, err)
		return p.Total == total && p.Peers == 1
	})
	all := make(map[cid.Cid]souk.WantStat)
	for q := (souk.WantQuery{Limit: 7}); ; {
		p, err := list(q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Wants), 7)
		for _, w := range p.Wants {
			require.NotContains(t, all, w.CID, "twice")
			all[w.CID] = w
		}
		if p.Next == (souk.WantCursor{}) {
			require.Len(t, all, total)
			return all
		}
		q.After = p.Next
	}
}

func TestASessionTellsWhoGaveWhatAndWhereTimeWent(t *testing.T) {
	a, b, c := start(t), start(t), start(t)
	a.connect(t, b, c)
	bs := random(32, 50_000)
	b.put(t, bs...)
	s := a.NewSession(t.Context(), session.WithNamespace("photos"))
	fetch(t, s, bs)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	missing := random(3, 10)
	_, err := s.GetBlocks(ctx, cids(missing))
	require.NoError(t, err)
	eventually.True(t, func() bool {
		d, ok := a.Session(t.Context(), s.ID())
		return ok && d.Doing == "nobody" && d.Spent.Nobody > 0
	})

	d, ok := a.Session(t.Context(), s.ID())
	require.True(t, ok)
	require.Equal(t, "photos", d.Namespace)
	require.Equal(t, 1, d.Calls)
	require.Equal(t, 3, d.WantsLeft)
	require.EqualValues(t, 32, d.Blocks)
	require.EqualValues(t, 32*50_000, d.Bytes)
	require.Equal(t, b.host.ID(), d.Tried[0].Peer)
	require.Equal(t, "blocks", d.Tried[0].Answer)
	require.EqualValues(t, 32, d.Tried[0].Blocks)
	require.Len(t, d.Tried, 2)
	require.Equal(t, "DONT_HAVE", d.Tried[1].Answer)
	require.Len(t, d.Oldest, 3)
	require.Contains(t, d.Oldest[0].Waits, "do not have it")

	all, err := a.Sessions(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.True(t, all[0].Shared)
	all, err = a.Sessions(t.Context(), all[0].ID, 1)
	require.NoError(t, err)
	require.Equal(t, s.ID(), all[0].ID)
	_, ok = a.Session(t.Context(), 99)
	require.False(t, ok)
}

package souk_test

import (
	"context"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func ids(found []peer.AddrInfo) (all []peer.ID) {
	for _, p := range found {
		all = append(all, p.ID)
	}
	return all
}

func TestWhoAnnouncesANamespaceIsFoundByTracker(t *testing.T) {
	tracker := start(t, souk.WithTracker())
	holder, client := start(t, souk.WithTrackers(tracker.info())), start(t, souk.WithTrackers(tracker.info()))
	bs := random(3, 1000)
	holder.put(t, bs...)
	require.NoError(t, holder.Announce(soon(t), "films"))
	s := client.NewSession(t.Context(), session.WithNamespace("films"))
	b, err := s.GetBlock(soon(t), bs[0].Cid())
	require.NoError(t, err)
	require.Equal(t, bs[0].RawData(), b.RawData())
	require.NoError(t, holder.Withdraw(soon(t), "films"))
	late := start(t, souk.WithTrackers(tracker.info()))
	found, err := late.Find(soon(t), "films", 8)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestAnExchangeThatClosesIsNamedNoMore(t *testing.T) {
	tracker := start(t, souk.WithTracker())
	holder, client := start(t, souk.WithTrackers(tracker.info())), start(t, souk.WithTrackers(tracker.info()))
	require.NoError(t, holder.Announce(soon(t), "films"))
	require.NoError(t, holder.Close())
	found, err := client.Find(soon(t), "films", 8)
	require.NoError(t, err)
	require.Empty(t, found)
}

// A node that is a tracker and knows no other announces to itself, and is found by
// who asks it.
func TestATrackerIsItsOwn(t *testing.T) {
	both := start(t, souk.WithTracker())
	bs := random(1, 1000)
	both.put(t, bs...)
	require.NoError(t, both.Announce(soon(t), "films"))
	require.Equal(t, both.info().ID, both.Trackers()[0].ID)
	client := start(t, souk.WithTrackers(both.info()), souk.WithNamespace("films"))
	found, err := client.Find(soon(t), "films", 8)
	require.NoError(t, err)
	require.Equal(t, []peer.ID{both.info().ID}, ids(found))
	fetch(t, client, bs)
	found, err = both.Find(soon(t), "films", 8)
	require.NoError(t, err)
	require.Empty(t, found, "nobody needs to be told of itself")
}

func TestTrackersCanBeReplacedWhileItRuns(t *testing.T) {
	first, second := start(t, souk.WithTracker()), start(t, souk.WithTracker())
	known := func(n *node) (all []peer.ID) {
		for _, tr := range n.Trackers() {
			all = append(all, tr.ID)
		}
		return all
	}
	holder := start(t, souk.WithTrackers(first.info()))
	require.NoError(t, holder.Announce(soon(t), "films"))
	require.NoError(t, holder.SetTrackers(second.info()))
	require.Equal(t, []peer.ID{second.host.ID()}, known(holder))
	late := start(t, souk.WithTrackers(second.info()))
	eventually.True(t, func() bool { // It is told what was announced elsewhere before.
		found, err := late.Find(soon(t), "films", 8)
		require.NoError(t, err)
		return len(found) == 1
	})

	require.NoError(t, first.SetTrackers(second.info()))
	require.Equal(t, []peer.ID{second.host.ID()}, known(first))
	require.NoError(t, first.SetTrackers())
	require.Equal(t, []peer.ID{first.host.ID()}, known(first), "a tracker for which none are named is its own")
}

func TestTrackersCanBeAddedWhileItRuns(t *testing.T) {
	tracker, node := start(t, souk.WithTracker()), start(t)
	require.ErrorIs(t, node.Announce(soon(t), "films"), souk.ErrNoTrackers)
	require.NoError(t, node.AddTrackers(tracker.info()))
	require.NoError(t, node.Announce(soon(t), "films"))
	require.NotEmpty(t, node.Announced(soon(t)))
}

func TestWatchTellsWhoAnnounces(t *testing.T) {
	tracker := start(t, souk.WithTracker())
	holder, client := start(t, souk.WithTrackers(tracker.info())), start(t, souk.WithTrackers(tracker.info()))
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	news, err := client.Watch(ctx, "films")
	require.NoError(t, err)
	eventually.True(t, func() bool { return tracker.Tracker().Stat(ctx).Table.Watches == 1 })
	require.NoError(t, holder.Announce(ctx, "films"))
	select {
	case p := <-news:
		require.Equal(t, holder.info().ID, p.ID)
	case <-ctx.Done():
		t.Fatal("nobody was told of")
	}
	cancel()
	for range news { // Until it is closed.
	}
}

func TestAnnouncementsAgainstTheRulesNameTheField(t *testing.T) {
	a := start(t)
	for field, err := range map[string]error{
		"Namespace": a.Announce(soon(t), ""),
		"Ranges":    a.Announce(soon(t), "films", souk.WithRanges(record.Range{From: 2, To: 1})),
		"Keys":      a.Announce(soon(t), "films", souk.WithKeys(record.KeyRange{From: "b", To: "a"})),
		"TTL":       a.Announce(soon(t), "films", souk.WithTTL(-1)),
	} {
		var form *souk.FormError
		require.ErrorAs(t, err, &form, field)
		require.Equal(t, field, form.Field)
	}
}

func TestATrackerHasMetricsOfItsOwn(t *testing.T) {
	r := prometheus.NewRegistry()
	start(t, souk.WithTracker(), souk.WithRegisterer(r))
	for _, name := range []string{"souk_tracker_entries", "souk_tracker_bytes", "souk_tracker_events_total", "souk_tracker_refused_total", "souk_tracker_probes_total"} {
		n, err := testutil.GatherAndCount(r, name)
		require.NoError(t, err)
		require.NotZero(t, n, name)
	}
}

package node

import (
	"errors"
	"fmt"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

const films = "films"

// startWith starts a node on loopback that is configured otherwise, too.
func startWith(t *testing.T, cfg Config) *Online {
	t.Helper()
	cfg.Listen = loopback
	n, err := Start(t.Context(), newKey(t), blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func startTracker(t *testing.T) *Online {
	t.Helper()
	return startWith(t, Config{Tracker: trackerConfig()})
}

func trackerConfig() *souk.TrackerConfig {
	var cfg souk.TrackerConfig
	cfg.Limits.TableBytes = 8 << 20
	return &cfg
}

func someBlocks(names ...string) (bs []blocks.Block, cs []cid.Cid) {
	for _, name := range names {
		bs = append(bs, blocks.NewBlock([]byte(name)))
		cs = append(cs, bs[len(bs)-1].Cid())
	}
	return bs, cs
}

func search(t *testing.T, n Node, trackers ...peer.AddrInfo) Fetcher {
	t.Helper()
	f, err := n.Fetch(t.Context(), Source{Namespace: films, Trackers: trackers})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// count is how many blocks are delivered.
func count(t *testing.T, f Fetcher, cs []cid.Cid) (n int) {
	t.Helper()
	in, err := f.GetBlocks(t.Context(), cs)
	require.NoError(t, err)
	for range in {
		n++
	}
	return n
}

func TestBlocksComeFromWhoAnnouncedTheirNamespace(t *testing.T) {
	tracker := startTracker(t)
	holder := startWith(t, Config{Trackers: []peer.AddrInfo{addressOf(tracker)}})
	bs, cs := someBlocks("one", "two", "three")
	require.NoError(t, holder.PutMany(t.Context(), bs))
	require.NoError(t, holder.Announce(t.Context(), repo.Announcement{Namespace: films}))
	for _, n := range []Node{startNode(t), newOffline(t)} {
		require.Equal(t, len(cs), count(t, search(t, n, addressOf(tracker)), cs))
	}
}

// A search that ends because there is nobody leaves what is stored readable: both
// before it has ended and after.
func TestATrackerThatIsGoneHidesNothingThatIsStored(t *testing.T) {
	n, gone := startNode(t), nobody(t)
	bs, cs := someBlocks("one", "two", "three")
	require.NoError(t, n.PutMany(t.Context(), bs))
	f := search(t, n, gone)
	require.Equal(t, len(cs), count(t, f, cs))
	_, missing := someBlocks("elsewhere")
	_, err := f.GetBlock(t.Context(), missing[0])
	var unreachable *UnreachableError
	require.ErrorAs(t, err, &unreachable)
	require.Equal(t, gone.ID, unreachable.Peer)

	require.Equal(t, len(cs), count(t, f, append(cs, missing...)))
	b, err := f.GetBlock(t.Context(), cs[0])
	require.NoError(t, err)
	require.Equal(t, bs[0].RawData(), b.RawData())
}

func TestASearchThatFindsNobodySaysSo(t *testing.T) {
	tracker := startTracker(t)
	_, cs := someBlocks("elsewhere")
	for _, n := range []Node{startNode(t), newOffline(t)} {
		_, err := search(t, n, addressOf(tracker)).GetBlock(t.Context(), cs[0])
		var nobody *NobodyError
		require.ErrorAs(t, err, &nobody)
		require.True(t, nobody.NotFound())
		_, err = n.Find(t.Context(), Search{Namespace: films, Trackers: []peer.AddrInfo{addressOf(tracker)}, Most: 8})
		require.ErrorAs(t, err, &nobody)
	}
}

// With a peer that may have it a fetch waits for it, whatever trackers say.
func TestASearchGoesOnWhileSomebodyIsConnected(t *testing.T) {
	tracker, holder, n := startTracker(t), startNode(t, loopback...), startNode(t)
	bs, cs := someBlocks("late")
	_, err := n.Connect(t.Context(), []peer.AddrInfo{addressOf(holder)})
	require.NoError(t, err)
	f := search(t, n, addressOf(tracker))
	f.(*searchFetcher).work.Wait() // The tracker has named nobody.
	require.NoError(t, holder.PutMany(t.Context(), bs))
	b, err := f.GetBlock(t.Context(), cs[0])
	require.NoError(t, err)
	require.Equal(t, bs[0].RawData(), b.RawData())
}

// note is a memory in memory.
type note struct {
	all []repo.Announcement
	err error
}

func (m *note) Announced() ([]repo.Announcement, error) { return m.all, m.err }

func (m *note) Announce(a repo.Announcement) error {
	m.all = append(m.all, a)
	return m.err
}

func (m *note) Withdraw(namespace string) (bool, error) {
	there := len(m.all) > 0
	m.all = nil
	return there, m.err
}

func TestWhatCannotBeRememberedIsNotAnnounced(t *testing.T) {
	tracker, full := startTracker(t), errors.New("disk full")
	n := startWith(t, Config{Trackers: []peer.AddrInfo{addressOf(tracker)}, Memory: &note{err: full}})
	require.ErrorIs(t, n.Announce(t.Context(), repo.Announcement{Namespace: films}), full)
	require.ErrorIs(t, n.Withdraw(t.Context(), films), full)
	require.ErrorIs(t, n.Resume(), full)
	require.Empty(t, n.Exchange.Announced(t.Context()))
}

func TestAnAnnouncementThatNoTrackerTakesIsRememberedAndRepeated(t *testing.T) {
	m := &note{}
	n := startWith(t, Config{Trackers: []peer.AddrInfo{nobody(t)}, Memory: m})
	err := n.Announce(t.Context(), repo.Announcement{Namespace: films})
	var unheard *UnheardError
	require.ErrorAs(t, err, &unheard)
	require.Len(t, m.all, 1)

	tracker := startTracker(t)
	require.NoError(t, n.Announce(t.Context(), repo.Announcement{Namespace: films}, addressOf(tracker)), "one that takes it is enough")
	found, err := startNode(t).Find(t.Context(), Search{Namespace: films, Trackers: []peer.AddrInfo{addressOf(tracker)}, Most: 8})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, n.Host.ID(), found[0].ID)
}

func TestAnAnnouncementAgainstTheRulesIsNotRemembered(t *testing.T) {
	m := &note{}
	n := startWith(t, Config{Trackers: []peer.AddrInfo{nobody(t)}, Memory: m})
	var invalid *InvalidError
	require.ErrorAs(t, n.Announce(t.Context(), repo.Announcement{Namespace: ""}), &invalid)
	require.Empty(t, m.all)
}

func TestMoreNamespacesThanANodeAnnouncesAreNotRemembered(t *testing.T) {
	r, err := repo.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	n := startWith(t, Config{Tracker: trackerConfig(), Memory: r})
	for i := range 64 {
		require.NoError(t, n.Announce(t.Context(), repo.Announcement{Namespace: fmt.Sprint("films ", i)}))
	}
	var invalid *InvalidError
	require.ErrorAs(t, n.Announce(t.Context(), repo.Announcement{Namespace: "one more"}), &invalid)
	all, err := n.Announced(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 64)
	require.NotContains(t, fmt.Sprint(all), "one more")
	require.NotZero(t, all[0].Told[0].Heard)
}

func TestANodeWithoutTrackersAnnouncesNothing(t *testing.T) {
	m := &note{}
	n := startWith(t, Config{Memory: m})
	var none *NoTrackersError
	require.ErrorAs(t, n.Announce(t.Context(), repo.Announcement{Namespace: films}), &none)
	require.Empty(t, m.all)
	_, err := n.Find(t.Context(), Search{Namespace: films, Most: 8})
	require.ErrorAs(t, err, &none)
}

func TestTrackersAreKnownByAllTheirAddressesInTheOrderOfTheirNaming(t *testing.T) {
	a, b := nobody(t), nobody(t)
	at := func(p peer.AddrInfo, text string) string { return text + "/p2p/" + p.ID.String() }
	n := startWith(t, Config{Trackers: []peer.AddrInfo{b}})
	require.NoError(t, n.AddTrackers(a))
	more := addressOf(n).Addrs
	require.NoError(t, n.AddTrackers(peer.AddrInfo{ID: b.ID, Addrs: append(more, b.Addrs...)}))
	info, err := n.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{at(b, "/ip4/127.0.0.1/tcp/1"), at(b, more[0].String()), at(a, "/ip4/127.0.0.1/tcp/1")}, info.Trackers)
	known, err := n.Trackers(t.Context())
	require.NoError(t, err)
	require.Len(t, known, 2)
}

package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

const films = "films"

// One of a hundred connected peers has the block, and a tracker knows which. It
// takes a round trip to the tracker and one to the holder, and nobody else hears
// anything.
func TestTrackerNamesTheOneThatHasIt(t *testing.T) {
	data := corpus.Blocks(1, 1, 4*kib)
	play(t, func(w *sim.World) {
		trackers := w.Trackers(1, lan)
		peers := w.Nodes(99, souk, lan)
		holder := w.Node(souk, lan, sim.Tracked(films, trackers...))
		client := w.Node(souk, lan, sim.Tracked(films, trackers...))
		w.Put(holder, data...)
		w.Announce(films, holder)
		w.Connect(client, append(peers, append(trackers, holder)...)...)
		w.Settle()
		before := queries(w, trackers)
		w.Begin()
		w.Fetch(client, data)
		w.Within(lan.RoundTrip * 22 / 10)
		w.Settle()
		w.Hears(0, peers...)
		w.Traffic(holder, data, nil)
		w.Check(func(t require.TestingT) { require.EqualValues(t, 1, queries(w, trackers)-before) })
	})
}

// queries is how many queries the trackers have had.
func queries(w *sim.World, trackers []*sim.Node) (sum uint64) {
	w.Try(func(ctx context.Context) error {
		for _, n := range trackers {
			sum += n.Souk().Tracker().Stat(ctx).Table.Queries
		}
		return nil
	})
	return sum
}

// What is announced is the namespace: blocks that are put cost no announcement.
func TestAnnouncementsDoNotGrowWithBlocks(t *testing.T) {
	said := func(blocks int) (n uint64) {
		play(t, func(w *sim.World) {
			trackers := w.Trackers(3, lan)
			holder := w.Node(souk, lan, sim.Tracked(films, trackers...))
			w.Announce(films, holder)
			for _, b := range corpus.Blocks(1, blocks, 64) {
				w.Put(holder, b)
			}
			w.Pass(2 * time.Hour)
			w.Check(func(t require.TestingT) {
				for _, tracker := range trackers {
					s := tracker.Souk().Tracker().Stat(context.Background()).Table
					n += s.Announced + s.Touched
				}
				require.NotZero(t, n)
			})
		})
		return n
	}
	few, many := said(1), said(size(2000, 100_000))
	require.InDelta(t, few, many, 3, "the pauses between touches are drawn by lot")
}

// All trackers die in the middle of a large fetch, which does not notice. They
// come back with nothing, and know the namespace again within a minute.
func TestTrackersThatDieAndReturnWithNothing(t *testing.T) {
	data := corpus.Blocks(1, size(2000, 10_000), 4*kib)
	play(t, func(w *sim.World) {
		trackers := w.Trackers(3, lan)
		holders := w.Nodes(3, souk, lan, sim.Tracked(films, trackers...))
		client := w.Node(souk, lan, sim.Tracked(films, trackers...))
		for _, h := range holders {
			w.Put(h, data...)
		}
		w.Announce(films, holders...)
		w.FetchUntil(client, data, func() {
			for _, n := range trackers {
				w.Shut(n)
				w.Disconnect(n, append(holders, client)...)
			}
		})
		w.Pass(5 * time.Minute)
		for _, n := range trackers {
			w.Open(n, souk, exchanges.WithSouk(soukx.WithTracker()))
		}
		w.Pass(time.Minute)
		late := w.Node(souk, lan, sim.Tracked(films, trackers...))
		w.Try(func(ctx context.Context) error {
			found, err := late.Souk().Find(ctx, films, 8)
			if err == nil {
				w.Check(func(t require.TestingT) { require.Len(t, found, len(holders)) })
			}
			return err
		})
	})
}

// Who holds a part is named to those who want something of that part, and to
// nobody else.
func TestPartsAreNamedToThoseWhoWantThem(t *testing.T) {
	data := corpus.Blocks(1, 64, kib)
	play(t, func(w *sim.World) {
		trackers := w.Trackers(3, lan)
		holders := w.Nodes(4, souk, lan, sim.Tracked(films, trackers...))
		client := w.Node(souk, lan, sim.Tracked(films, trackers...))
		for i, h := range holders {
			from := record.Point(i * 0x4000)
			part := record.Range{From: from, To: from + 0x3fff}
			for _, b := range data {
				if p, _ := record.PointOf(b.Cid()); part.From <= p && p <= part.To {
					w.Put(h, b)
				}
			}
			w.Try(func(ctx context.Context) error { return h.Souk().Announce(ctx, films, soukx.WithRanges(part)) })
		}
		w.Fetch(client, data)
	})
}

// One who holds everything goes in the middle of a fetch, and two who hold one half
// each stay. They are enough: the tracker, to which the client is connected too, is
// asked for no block.
func TestATrackerIsAskedForNoBlocks(t *testing.T) {
	data := corpus.Blocks(1, 1000, 16*kib)
	play(t, func(w *sim.World) {
		trackers := w.Trackers(1, lan)
		tracked := sim.Tracked(films, trackers...)
		whole, first, second := w.Node(souk, lan, tracked), w.Node(souk, lan, tracked), w.Node(souk, lan, tracked)
		client := w.Node(souk, lan, tracked)
		w.Put(whole, data...)
		w.Put(first, data[:len(data)/2]...)
		w.Put(second, data[len(data)/2:]...)
		w.Announce(films, whole, first, second)
		w.Settle()
		w.FetchUntil(client, data, func() { w.Close(whole) })
		w.Unasked(trackers...)
	})
}

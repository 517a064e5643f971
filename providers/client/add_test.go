package client

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

func (w *world) ids() (all []peer.ID) {
	for _, t := range w.watch.Take() {
		all = append(all, t.ID)
	}
	return all
}

func TestAddedTrackersAreInTheSetBesideThePinned(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		third := peerOf(4)
		<-w.watch.C()
		require.NoError(t, w.Add(infoOf(third, "/ip4/192.0.2.1/tcp/1"), infoOf(self)))
		<-w.watch.C()
		require.ElementsMatch(t, []peer.ID{first, second, third}, w.ids())
		require.NoError(t, w.Add(infoOf(third, "/ip4/192.0.2.2/tcp/1")))
		for _, tracker := range w.watch.Take() {
			if tracker.ID == third {
				require.Equal(t, infoOf(third, "/ip4/192.0.2.2/tcp/1").Addrs, tracker.Addrs, "the last word counts")
			}
		}
	})
}

func TestNoMoreThan64TrackersAreAdded(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		var many []peer.AddrInfo
		for i := range maxAdded + 1 {
			many = append(many, infoOf(peerOf(byte(10+i))))
		}
		require.ErrorIs(t, w.Add(many...), ErrTooMany)
		require.Len(t, w.ids(), 2, "none of them")
		require.NoError(t, w.Add(many[:maxAdded]...))
		require.NoError(t, w.Add(many[0]), "it is one of them")
	})
}

func TestNodeThatIsATrackerIsInItsOwnSet(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		require.Contains(t, w.ids(), self)
	}, func(c *Config) { c.Tracker, c.Pinned = true, []peer.AddrInfo{infoOf(self)} })
}

func TestPinnedTrackersAreReplacedAndOthersStay(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		third, fourth := peerOf(4), peerOf(5)
		require.NoError(t, w.Add(infoOf(third)))
		<-w.watch.C()
		require.NoError(t, w.Pin(infoOf(second), infoOf(fourth, "/ip4/192.0.2.1/tcp/1")))
		<-w.watch.C()
		require.ElementsMatch(t, []peer.ID{second, third, fourth}, w.ids())
		_, err := w.Query(t.Context(), first, wire.Query{})
		require.ErrorIs(t, err, ErrUnknown)
		require.NoError(t, w.Pin())
		require.Equal(t, []peer.ID{third}, w.ids())
		require.NoError(t, w.Stop(t.Context()))
		require.ErrorIs(t, w.Pin(infoOf(first)), ErrClosed)
	})
}

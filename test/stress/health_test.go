package stress

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/sim"
)

// closedHost does not tell its addresses while there is a door.
type closedHost struct {
	host.Host
	door *atomic.Pointer[chan struct{}]
}

func (h closedHost) Addrs() []multiaddr.Multiaddr {
	if door := h.door.Load(); door != nil {
		<-*door
	}
	return h.Host.Addrs()
}

// An actor that is stuck in somebody else's code is named, and one that was only
// held up is alive again.
func TestAStuckActorIsNoLife(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		var door atomic.Pointer[chan struct{}]
		n := newNode(t, w, setup{host: func(h host.Host) host.Host { return closedHost{h, &door} }})
		require.NoError(t, n.souk.Live())
		shut := make(chan struct{})
		door.Store(&shut)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		announced := make(chan error, 1)
		go func() { announced <- n.souk.Announce(ctx, "somewhere") }()
		w.Pass(14 * time.Second)
		require.NoError(t, n.souk.Live())
		w.Pass(2 * time.Second)
		require.ErrorContains(t, n.souk.Live(), "announcer has not come to an end of its work for 16s")
		door.Store(nil)
		close(shut)
		w.Pass(time.Second)
		require.NoError(t, n.souk.Live())
		require.ErrorIs(t, <-announced, souk.ErrNoTrackers)
	})
}

// A store that hangs is asked one question at a time, and a closed exchange lives
// no more.
func TestAStoreThatHangsDoesNotAnswer(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		free := make(chan struct{})
		var asked atomic.Int64
		n := newNode(t, w, setup{data: newHooked(func(op string, _ multihash.Multihash) error {
			if op == "has" {
				asked.Add(1)
				<-free
			}
			return nil
		})})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorContains(t, n.souk.StoreAnswers(ctx), "the store does not answer")
			cancel()
		}
		require.EqualValues(t, 1, asked.Load())
		close(free)
		w.Settle()
		require.NoError(t, n.souk.StoreAnswers(t.Context()))
		require.EqualValues(t, 2, asked.Load())
		require.NoError(t, n.souk.Close())
		require.ErrorIs(t, n.souk.Live(), souk.ErrClosed)
		require.ErrorIs(t, n.souk.StoreAnswers(t.Context()), souk.ErrClosed)
		n.Node.Exchange = nil
	})
}

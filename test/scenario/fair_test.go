package scenario

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// boxo's server keeps so many wants of a peer, and drops without a word what is over.
const boxoKeeps = 1024

// However many wants callers have at once, in however many sessions, a server of
// boxo's never has to drop one of ours.
func TestWhatManySessionsWantNeverOverflowsAServerOfBoxo(t *testing.T) {
	for _, c := range []struct{ sessions, wants, size int }{{1, 4000, 4 << 10}, {4, 1500, 1 << 10}, {3, 600, 16 << 10}} {
		t.Run(fmt.Sprintf("%d sessions of %d", c.sessions, c.wants), func(t *testing.T) {
			play(t, func(w *sim.World) {
				link := sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 100 * mbs}
				data := corpus.Blocks(1, c.sessions*c.wants, c.size)
				seed, client := w.Node(boxo, link), w.Node(souk, link)
				w.Put(seed, data...)
				w.Connect(client, seed)
				w.Settle()
				most, begun, done, stopped := 0, time.Now(), make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						select {
						case <-done:
							return
						case <-time.After(2 * time.Millisecond):
							most = max(most, len(seed.Exchange.WantsOf(client.ID())))
						}
					}
				}()
				w.Together(c.sessions, func(i int) { w.Session(client, seed).Fetch(data[i*c.wants : (i+1)*c.wants]) })
				close(done)
				<-stopped
				w.Check(func(t require.TestingT) {
					require.Positive(t, most)
					require.LessOrEqual(t, most, boxoKeeps)
					ideal := link.Ideal(corpus.Bytes(data))
					require.Less(t, time.Since(begun), 3*ideal, "nothing had to wait for a timeout")
				})
			})
		})
	}
}

// A downloader of boxo's make and one of ours share the uplink of a seed of ours.
func TestADownloaderOfBoxoGetsItsShare(t *testing.T) {
	play(t, func(w *sim.World) {
		link := sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 40 * mbs}
		seed := w.Node(souk, link)
		makes := []exchanges.Make{boxo, souk}
		var clients []*sim.Node
		for i, m := range makes {
			clients = append(clients, w.Node(m, link))
			w.Put(seed, corpus.Blocks(uint64(i+1), 96, 256<<10)...)
			w.Connect(clients[i], seed)
		}
		w.Settle()
		took, begun := make([]time.Duration, len(makes)), time.Now()
		got := make([][]uint64, len(makes))
		w.Together(len(makes), func(i int) {
			w.Fetch(clients[i], corpus.Blocks(uint64(i+1), 96, 256<<10), seed)
			took[i] = time.Since(begun)
			for _, c := range clients {
				got[i] = append(got[i], c.Exchange.Counters().BytesReceived)
			}
		})
		w.Check(func(t require.TestingT) {
			first := 0
			if took[1] < took[0] {
				first = 1
			}
			both := got[first][0] + got[first][1]
			for i, m := range makes {
				require.GreaterOrEqual(t, float64(got[first][i]), 0.4*float64(both), "%s, of what had come when %s was done", m, makes[first])
			}
		})
	})
}

package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/sim"
)

func TestAResolverFetchesWhatAPeerHas(t *testing.T) {
	for _, size := range []int{0, 1, kib, 256 * kib, 256*kib + 1, 3 * mib} {
		play(t, func(w *sim.World) {
			app := newApplication()
			keys := app.has(4, size)
			s := server(w, lan, app)
			c := client(w, lan, []*party{s})
			w.Begin()
			c.fetches(w, keys)
			w.Within(time.Minute)
			c.idle(w)
			w.Check(func(t require.TestingT) {
				require.Equal(t, string(worth(3, size)), string(c.app.got[keys[3]]))
				require.Empty(t, c.app.failed)
			})
		})
	}
}

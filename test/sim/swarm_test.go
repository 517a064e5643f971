package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

var lan = Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 100 * mbs}

// Every node has a part and wants the whole; some are Souk's, some boxo's.
func TestSwarmOfBothMakesCompletes(t *testing.T) {
	makes := make([]exchanges.Make, 12)
	for i := range makes {
		makes[i] = []exchanges.Make{exchanges.MakeSouk, exchanges.MakeBoxo}[i%2]
	}
	f := play(t, func(w *World) Figures { return Swarm(w, makes, corpus.Blocks(1, 120, 32*kib), lan) })
	require.Less(t, f.Took, time.Minute)
	require.Empty(t, f.Faults, "all are honest")
}

// Peers that are not named get no message at all.
func TestOnlyNamedPeersAreAsked(t *testing.T) {
	for _, s := range []Sides{souk, boxoToSouk} {
		t.Run(s.String(), func(t *testing.T) {
			f := play(t, func(w *World) Figures { return Named(w, s, 30, lan) })
			require.Zero(t, f.Asked)
			require.LessOrEqual(t, f.Ratio(), 3.0)
		})
	}
}

// A session whose only peer delivered everything and left finds another. (Boxo's
// does not, and waits for ever.)
func TestSessionSearchesAgainWhenItsPeerLeft(t *testing.T) {
	for _, s := range []Sides{souk, boxoToSouk} {
		t.Run(s.String(), func(t *testing.T) {
			f := play(t, func(w *World) Figures { return SecondWind(w, s, lan) })
			require.Less(t, f.Took, 10*time.Second)
		})
	}
}

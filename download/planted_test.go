//go:build simulation

package download

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/planted"
)

// Each of the mistakes that are planted is found by the random sequences: a game that
// finds nothing could be one that looks at nothing.
func TestPlantedFaultsAreFound(t *testing.T) {
	defer planted.Plant(planted.None)
	for _, f := range planted.Downloads {
		t.Run(string(f), func(t *testing.T) {
			planted.Plant(f)
			for seed := range uint64(*sequences) {
				if err := play(seed, false); err != nil {
					t.Logf("%v", err)
					return
				}
			}
			require.Fail(t, "not found", "%d sequences", *sequences)
		})
	}
}

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
	require.Empty(t, planted.Survivors(planted.Downloads, *sequences, func(seed uint64) error { return play(seed, false) }))
}

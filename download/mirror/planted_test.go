//go:build simulation

package mirror

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/planted"
)

func TestPlantedFaultsAreFound(t *testing.T) {
	require.Empty(t, planted.Survivors(planted.Mirror, *sequences, func(seed uint64) error { return play(seed, false) }))
}

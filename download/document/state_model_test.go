package document

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var worlds = flag.Uint64("worlds", 400, "how many random worlds are played")

// Turns are taken in order and one at a time, marks never outlast what they say, those who
// watch are told what happened, and everybody comes to an end: whoever fails, gives up or
// panics, whenever, also when the store is closed or the process killed.
func TestWhatCallersHaveIsRightInRandomWorlds(t *testing.T) {
	for seed := range *worlds {
		require.NoError(t, newWorld(seed).play())
	}
}

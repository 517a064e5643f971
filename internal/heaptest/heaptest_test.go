package heaptest

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsHeldCountsAndGarbageDoesNot(t *testing.T) {
	const size = 8 << 20
	before := Held()
	held := make([]byte, size)
	require.InDelta(t, size, Held()-before, size/4)
	runtime.KeepAlive(held)
	require.InDelta(t, 0, Held()-before, size/4)
}

package stress

import (
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireNoLeaks fails when a goroutine waits for what nobody can do any more.
// The runtime finds those, also while hosts and other nodes are alive, but only
// when it was built for that: see the target leaks in the Makefile.
func requireNoLeaks(t *testing.T) {
	t.Helper()
	profile := pprof.Lookup("goroutineleak")
	if profile == nil {
		return
	}
	var stacks strings.Builder
	require.NoError(t, profile.WriteTo(&stacks, 2)) // Looks for them first.
	require.Zero(t, profile.Count(), stacks.String())
}

package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whether others hear of it depends on the network cards of this machine; that
// nothing is left of it does not.
func TestANodeThatLooksForNeighboursEndsWithAllOfIt(t *testing.T) {
	n := startAs(t, Config{Listen: loopback, Nearby: true})
	require.NotNil(t, n.nearby)
	require.NoError(t, n.Close())
	require.Nil(t, startNode(t).nearby, "off unless asked for")
}

package providers

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func TestWhoIsDeniedIsNamedWhereThereIsNobodyElse(t *testing.T) {
	r := newRig(t)
	r.denies = func(p peer.ID) bool { return p == "a" }
	r.find(1, 2)
	r.found(1, "a")
	require.Empty(t, r.told(1))
	r.found(1, "b")
	require.Equal(t, "b", r.told(1))
	r.ended(1)
	require.Equal(t, "a done", r.told(1), "so that who asks can say why nobody else is there")

	r.find(2, 1)
	require.Equal(t, "b done", r.told(2), "it takes no place of others")
}

func TestWhoWasUsefulAndIsDeniedIsNotNamedFirst(t *testing.T) {
	r := newRig(t)
	r.served("a b")
	r.connected("a b")
	r.denies = func(p peer.ID) bool { return p == "b" }
	r.find(1, 1)
	require.Equal(t, "a done", r.told(1))
}

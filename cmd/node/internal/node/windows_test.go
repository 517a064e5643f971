package node

import (
	"testing"

	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

func TestOnlyANodeThatDialsGivesStreamsMoreThanLibp2pDoes(t *testing.T) {
	usual := yamux.DefaultTransport.Config().InitialStreamWindowSize
	require.Less(t, usual, windows(Config{}).Config().InitialStreamWindowSize)
	listening := Config{Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}}
	require.Equal(t, usual, windows(listening).Config().InitialStreamWindowSize)
	require.Equal(t, usual, yamux.DefaultTransport.Config().InitialStreamWindowSize, "that of others")
}

package souk

import (
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/peerrouter"
)

// What a peer speaks is known from its identification, of which the news may come before
// or after that of its connection.
func TestAPeerThatSpeaksTheProtocolNoMoreIsNotAmongItsSpeakers(t *testing.T) {
	const other, ours = protocol.ID("/other"), protocol.ID("/ours")
	h, err := libp2p.New(libp2p.NoListenAddrs)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	p := peer.ID("one")
	available := peerrouter.Info{p: {Status: peerrouter.Available}}
	identified := event.EvtPeerIdentificationCompleted{Peer: p}

	for name, news := range map[string]func(f *follower) bool{
		"the connection first":     func(f *follower) bool { a, b := f.hear(available), f.identified(identified); return a != b },
		"the identification first": func(f *follower) bool { a, b := f.identified(identified), f.hear(available); return a != b },
	} {
		f := &follower{service: &Service{x: &Exchange{host: h}}, protocol: ours, connected: make(map[peer.ID]bool)}
		require.NoError(t, h.Peerstore().RemoveProtocols(p, ours, other))
		require.True(t, f.hear(available), "%s: it may speak it", name)
		require.Equal(t, []peer.ID{p}, f.speakers(), name)
		require.NoError(t, h.Peerstore().SetProtocols(p, other))
		require.True(t, news(f), name)
		require.Empty(t, f.speakers(), name)
		require.NoError(t, h.Peerstore().SetProtocols(p, ours))
		require.True(t, news(f), name)
		require.Equal(t, []peer.ID{p}, f.speakers(), name)
	}
}

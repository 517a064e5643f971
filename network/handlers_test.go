package network

import (
	"context"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/test/eventually"
)

// speaks reports whether a host has been told that another speaks talk.
func speaks(of, other host.Host) func() bool {
	return func() bool {
		known, err := of.Peerstore().SupportsProtocols(other.ID(), talk)
		return err == nil && len(known) == 1
	}
}

func TestAProtocolComesAndGoesWhileTheNetworkRuns(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	require.NoError(t, a.Connect(t.Context(), peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()}))
	for range 3 {
		require.NoError(t, b.Unhandle(t.Context(), talk), "nobody handles it")
		streams, _ := served(b)
		eventually.True(t, speaks(a.host, b.host), "peers are told")
		from := openTo(t, a, b.host)
		writeAll(t, from, frames.Append(nil, []byte("hello")))
		requireFrame(t, <-streams, "hello")

		require.NoError(t, b.Unhandle(t.Context(), talk))
		require.Zero(t, b.Stat().Streams, "whoever served a stream has returned")
		require.ErrorIs(t, <-read(from), ErrReset)
		from.Reset()
		eventually.True(t, func() bool { return !speaks(a.host, b.host)() })
	}
}

func TestUnhandleSaysWhoDoesNotReturn(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	came, leave := make(chan struct{}), make(chan struct{})
	b.HandleDuplex(talk, func(context.Context, *Duplex) error {
		close(came)
		<-leave
		return nil
	})
	from := openTo(t, a, b.host)
	defer from.Reset()
	writeAll(t, from, frames.Append(nil, []byte("hello")))
	<-came
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("late")
	cancel(late)
	err := b.Unhandle(ctx, talk)
	require.ErrorIs(t, err, late)
	require.ErrorContains(t, err, string(talk))
	close(leave)
}

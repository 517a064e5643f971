package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

// oneProvider is a tracker that knows one peer in every namespace.
type oneProvider struct{ info peer.AddrInfo }

func (o oneProvider) Providers(context.Context, netip.Addr, record.Namespace, cid.Cid, int) ([]tracker.Listed, error) {
	return []tracker.Listed{{Info: o.info, Complete: true}}, nil
}

func TestATrackerAnswersOverHTTP(t *testing.T) {
	info, err := peer.AddrInfoFromP2pAddr(ma.StringCast(trackerA))
	require.NoError(t, err)
	s, err := serveRouting(t.Context(), "127.0.0.1:0", nil, oneProvider{*info}, zaptest.NewLogger(t))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(s.url() + "/ns/photos/routing/v1/providers/" + helloCID)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, string(body), info.ID.String())

	_, err = serveRouting(t.Context(), s.listener.Addr().String(), nil, oneProvider{}, zaptest.NewLogger(t))
	require.ErrorContains(t, err, "--tracker-http")
	require.NoError(t, s.Close())
	_, err = net.Dial("tcp", s.listener.Addr().String())
	require.Error(t, err)
}

func TestABoundListenerServesSoManyAtATime(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := bound(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	for range 3 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
	}
	first, second := <-accepted, <-accepted
	require.Len(t, l.free, 2, "the third waits")
	require.NoError(t, first.Close())
	require.Error(t, first.Close(), "which makes room once")
	third := <-accepted
	require.NoError(t, second.Close())
	require.NoError(t, third.Close())
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

func TestAFullListenerCanBeClosed(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := bound(inner, 0)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

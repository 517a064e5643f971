package client

import (
	"io"
	"testing"

	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/network"
)

func TestPipeCarriesFramesBothWaysUntilItEnds(t *testing.T) {
	at := multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")
	ours, theirs := Pipe("self", at)
	require.Equal(t, at, theirs.Remote())
	echo := make(chan error)
	go func() {
		_, err := io.Copy(theirs, theirs)
		_ = theirs.Close()
		echo <- err
	}()
	_, err := ours.Write([]byte("there and back"))
	require.NoError(t, err)
	got := make([]byte, 14)
	_, err = io.ReadFull(ours, got)
	require.NoError(t, err)
	require.Equal(t, "there and back", string(got))
	require.NoError(t, ours.CloseWrite())
	_, err = ours.Read(got)
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, <-echo)
}

func TestResetOfAPipeIsSeenAtTheOtherEnd(t *testing.T) {
	ours, theirs := Pipe("self", nil)
	read := make(chan error)
	go func() {
		_, err := theirs.Read(make([]byte, 1))
		read <- err
	}()
	ours.Reset()
	require.ErrorIs(t, <-read, network.ErrReset)
	_, err := theirs.Write([]byte("late"))
	require.ErrorIs(t, err, network.ErrReset)
}

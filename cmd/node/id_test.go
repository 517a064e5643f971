package main

import (
	"encoding/json"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func TestIDIsTheSameRunningOrNot(t *testing.T) {
	dir := t.TempDir()
	var before, during node.Info
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "--json", "id")), &before))
	require.False(t, before.Running)
	require.Contains(t, must(t, dir, "id"), "not running")

	d := start(t, dir)
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "--json", "id")), &during))
	require.True(t, during.Running)
	require.Equal(t, before.ID, during.ID)
	require.Equal(t, []string{during.ID.String(), d.address()}, lines(must(t, dir, "id")))

	key, err := repo.Identity(dir)
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	require.Equal(t, id, before.ID)
}

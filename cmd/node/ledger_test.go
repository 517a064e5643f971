package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestLedgersOfBothSidesAgree(t *testing.T) {
	sender, receiver := t.TempDir(), t.TempDir()
	source, sink := start(t, sender), start(t, receiver)
	root := add(t, sender, tree(t))
	must(t, receiver, "get", root, "-o", filepath.Join(t.TempDir(), "out"), "--peer", source.address())

	received := ledgerOf(t, receiver, source)
	require.Greater(t, received.BytesReceived, uint64(1_600_000))
	// What a stream has accepted is counted a moment later.
	eventually.True(t, func() bool { return ledgerOf(t, sender, sink).BytesSent == received.BytesReceived })
	require.Contains(t, must(t, receiver, "ledger"), source.ID.String())
	require.Contains(t, must(t, receiver, "ledger", source.ID.String()), "duplicates")
	require.Contains(t, must(t, receiver, "--json", "ledger"), `"bytes_received"`)
}

func ledgerOf(t *testing.T, repo string, d *daemon) (r ledger.Receipt) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(must(t, repo, "--json", "ledger", d.ID.String())), &r))
	return r
}

func TestLedgersOutlastTheNode(t *testing.T) {
	sender, receiver := t.TempDir(), t.TempDir()
	source, sink := start(t, sender), start(t, receiver)
	root := add(t, sender, tree(t))
	must(t, receiver, "get", root, "-o", filepath.Join(t.TempDir(), "out"), "--peer", source.address())
	before := ledgerOf(t, receiver, source)
	require.NotNil(t, before.History)
	require.Positive(t, before.Rates.Received10s)
	sink.stop()

	offline := ledgerOf(t, receiver, source)
	require.Equal(t, before.Counters, offline.Counters)
	require.Equal(t, before.History.HalfHours, offline.History.HalfHours)
	require.False(t, offline.Connected)
	require.Equal(t, agent(), offline.Agent)
	require.Contains(t, offline.Addresses[0], "/ip4/127.0.0.1/")
	text := must(t, receiver, "ledger", source.ID.String())
	for _, line := range []string{"agent ", "first seen ", "received now ", "connected "} {
		require.Contains(t, text, "\n"+line)
	}

	start(t, receiver)
	again := ledgerOf(t, receiver, source)
	require.Equal(t, before.Counters, again.Counters)
	require.True(t, before.FirstSeen.Equal(again.FirstSeen))
}

func TestLedgerSaysWhatToDo(t *testing.T) {
	require.Equal(t, "nothing was exchanged with anybody yet\n", must(t, t.TempDir(), "ledger"), "offline")
	repo := t.TempDir()
	d := start(t, repo)
	require.Equal(t, "nothing was exchanged with anybody yet\n", must(t, repo, "ledger"))
	require.Equal(t, exitNotFound, command(t, repo, "ledger", d.ID.String()).code)
	require.Equal(t, exitUsage, command(t, repo, "ledger", "nonsense").code)
}

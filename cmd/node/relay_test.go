package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/test/eventually"
)

// behind waits until a node has a place at a relay, and returns its address there.
func behind(t *testing.T, d, relay *daemon) string {
	t.Helper()
	var address string
	eventually.True(t, func() bool {
		var info node.Info
		require.NoError(t, json.Unmarshal([]byte(must(t, d.repo, "id", "--json")), &info))
		for _, a := range info.Addresses {
			if strings.Contains(a, relay.ID.String()+"/p2p-circuit/p2p/"+d.ID.String()) {
				address = a
			}
		}
		return address != ""
	})
	return address
}

// peersOf are those that a node is connected to, by ID.
func peersOf(t *testing.T, repo string) map[string]souk.PeerStat {
	t.Helper()
	all := make(map[string]souk.PeerStat)
	for _, p := range decodeLines[souk.PeerStat](t, must(t, repo, "--json", "peers")) {
		all[p.Peer.String()] = p
	}
	return all
}

func TestANodeBehindARelayIsFetchedFrom(t *testing.T) {
	relay := start(t, t.TempDir(), "--relay-service")
	holder := start(t, t.TempDir(), "--relay-client", "--relays", relay.address())
	dir := tree(t)
	root := add(t, holder.repo, dir, "--hidden")
	address := behind(t, holder, relay)

	reader := start(t, t.TempDir(), "--relay-client")
	out := filepath.Join(t.TempDir(), "out")
	must(t, reader.repo, "get", root, "--peer", address, "-o", out)
	requireSame(t, dir, out)
	links := peersOf(t, reader.repo)[holder.ID.String()].Connections
	require.Len(t, links, 1)
	require.True(t, links[0].Limited)

	out = filepath.Join(t.TempDir(), "out")
	must(t, t.TempDir(), "get", root, "--peer", address, "-o", out)
	requireSame(t, dir, out)
}

func TestWithoutBeingAskedANodeHasNothingToDoWithRelays(t *testing.T) {
	plain := start(t, t.TempDir())
	holder := start(t, t.TempDir(), "--relay-client", "--relays", plain.address())
	relay := start(t, t.TempDir(), "--relay-service")
	hidden := start(t, t.TempDir(), "--relay-client", "--relays", relay.address())
	address := behind(t, hidden, relay)
	o := command(t, plain.repo, "connect", address, "--timeout", "2s")
	require.NotEqual(t, exitOK, o.code)
	for _, a := range lines(must(t, holder.repo, "id")) {
		require.NotContains(t, a, "p2p-circuit")
	}
}

func TestWhatIsWrongWithRelaysIsNamed(t *testing.T) {
	relay := "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
	for says, flags := range map[string][]string{
		"--relays is for clients of relays: give --relay-client, too":        {"--relays", relay},
		"--hole-punching is for clients of relays: give --relay-client, too": {"--hole-punching"},
		"--relay-data is for relays: give --relay-service, too":              {"--relay-data", "1MiB"},
		"--relay-time 0s is not more than 0s":                                {"--relay-service", "--relay-time", "0s"},
		`--relay-data "0" lets nothing pass`:                                 {"--relay-service", "--relay-data", "0"},
		"leave one out":                                                      {"--relay-service", "--relay-client", "--relays", relay},
		`--relays "/ip4/127.0.0.1/tcp/1" does not end in /p2p/ID`:            {"--relay-client", "--relays", "/ip4/127.0.0.1/tcp/1"},
		"--hole-punching works over QUIC":                                    {"--relay-client", "--hole-punching", "--pnet-key", writeKey(t, swarmKey, 0o600)},
	} {
		o := command(t, t.TempDir(), append([]string{"run", "--debug=off"}, flags...)...)
		require.Equal(t, exitUsage, o.code, flags)
		require.Contains(t, o.err, says)
	}
}

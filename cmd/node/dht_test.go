package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/kademlia"
	"github.com/souk-p2p/souk/test/eventually"
)

// startDHT starts a few nodes of a DHT, and returns the address of the first.
func startDHT(t *testing.T) (first string) {
	t.Helper()
	first = start(t, t.TempDir(), "--dht", "server", "--bootstrap", "none").address()
	for range 3 {
		start(t, t.TempDir(), "--dht", "server", "--bootstrap", first)
	}
	return first
}

// untilTold waits until the DHT has been told so many roots.
func untilTold(t *testing.T, d *daemon, roots string) {
	t.Helper()
	eventually.True(t, func() bool {
		return regexp.MustCompile(`(?m)^souk_dht_roots\{state="told"\} ` + roots + `$`).MatchString(metricsOf(t, d))
	})
}

func TestWhatIsPinnedIsFoundThroughADHT(t *testing.T) {
	first := startDHT(t)
	holder := start(t, t.TempDir(), "--dht", "client", "--bootstrap", first)
	reader := start(t, t.TempDir(), "--dht", "client", "--bootstrap", first)
	dir := tree(t)
	root := add(t, holder.repo, dir, "--hidden")
	untilTold(t, holder, "1")
	require.NotContains(t, peersOf(t, reader.repo), holder.ID.String())

	out := filepath.Join(t.TempDir(), "out")
	must(t, reader.repo, "get", root, "-o", out, "--timeout", "20s")
	requireSame(t, dir, out)
	require.Contains(t, peersOf(t, reader.repo), holder.ID.String())

	must(t, holder.repo, "pin", "rm", root)
	untilTold(t, holder, "0")
}

func TestANamespaceIsFoundThroughADHT(t *testing.T) {
	first := startDHT(t)
	holder := start(t, t.TempDir(), "--dht", "client", "--bootstrap", first)
	must(t, holder.repo, "announce", "photos")
	untilTold(t, holder, "1")
	reader := start(t, t.TempDir(), "--dht", "client", "--bootstrap", first)
	eventually.True(t, func() bool {
		o := command(t, reader.repo, "find", "photos")
		return o.code == exitOK && regexp.MustCompile(holder.ID.String()).MatchString(o.out)
	})
}

// With nobody in the DHT a fetch from a named peer is what it was.
func TestADHTThatIsDeadHoldsUpNobody(t *testing.T) {
	source := start(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("here"), 0o600))
	root := add(t, source.repo, file)
	reader := start(t, t.TempDir(), "--dht", "client", "--bootstrap", "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB")
	require.Equal(t, "here", must(t, reader.repo, "cat", root, "--peer", source.address(), "--timeout", "2s"))
	must(t, reader.repo, "connect", source.address())
	file = filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(file, []byte("there"), 0o600))
	root = add(t, source.repo, file)
	require.Equal(t, "there", must(t, reader.repo, "cat", root, "--timeout", "5s"))
}

func TestThePublicDHTIsForNodesThatAreAskedToAndNotPrivate(t *testing.T) {
	id := "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
	for _, c := range []struct {
		flags   []string
		takes   bool
		public  bool
		servers int
	}{
		{},
		{flags: []string{"--dht", "client"}, takes: true, public: true, servers: len(kademlia.PublicNodes())},
		{flags: []string{"--dht", "client", "--pnet-key", writeKey(t, swarmKey, 0o600)}, takes: true},
		{flags: []string{"--dht", "server", "--allow-peers", id}, takes: true},
		{flags: []string{"--dht", "server", "--bootstrap", "none"}, takes: true},
		{flags: []string{"--dht", "server", "--bootstrap", "/ip4/127.0.0.1/tcp/1/p2p/" + id}, takes: true, servers: 1},
	} {
		var o runOptions
		flags := o.flagSet()
		require.NoError(t, flags.Parse(c.flags))
		cfg, err := o.configure(flags)
		require.NoError(t, err)
		require.Equal(t, c.takes, cfg.DHT != nil, c.flags)
		if c.takes {
			require.Equal(t, c.public, cfg.DHT.Public, c.flags)
			require.Len(t, cfg.DHT.Bootstrap, c.servers, c.flags)
		}
	}
}

func TestWhatIsWrongWithADHTIsNamed(t *testing.T) {
	for says, flags := range map[string][]string{
		`--dht "on" is neither off, client nor server`: {"--dht", "on"},
		"--bootstrap is for nodes of a DHT":            {"--bootstrap", "none"},
		`--bootstrap "nobody" is not an address`:       {"--dht", "client", "--bootstrap", "nobody"},
	} {
		o := command(t, t.TempDir(), append([]string{"run", "--debug=off"}, flags...)...)
		require.Equal(t, exitUsage, o.code, flags)
		require.Contains(t, o.err, says)
	}
}

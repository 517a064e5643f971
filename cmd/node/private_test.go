package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const swarmKey = "/key/swarm/psk/1.0.0/\n/base16/\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"

func writeKey(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "swarm.key")
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
	return path
}

func TestAPrivateNetworkIsAsKuboWritesIt(t *testing.T) {
	key := writeKey(t, swarmKey, 0o600)
	holder, reader := t.TempDir(), t.TempDir()
	source := start(t, holder, "--pnet-key", key, "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
	require.Len(t, source.Addresses, 1, "no QUIC")
	root := add(t, holder, tree(t))
	start(t, reader, "--pnet-key", key)
	require.Equal(t, "hello, world\n", must(t, reader, "cat", root+"/hello.txt", "--peer", source.address()))
	require.Equal(t, exitFailed, command(t, t.TempDir(), "cat", root+"/hello.txt", "--peer", source.address()).code, "an outsider")
}

func TestWhatIsWrongWithAPrivateNetworkIsNamed(t *testing.T) {
	for says, flags := range map[string][]string{
		"no such file":            {"--pnet-key", filepath.Join(t.TempDir(), "absent")},
		"three lines":             {"--pnet-key", writeKey(t, "secret", 0o600)},
		"chmod 600":               {"--pnet-key", writeKey(t, swarmKey, 0o644)},
		"every --listen":          {"--pnet-key", writeKey(t, swarmKey, 0o600), "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"},
		"not a peer ID":           {"--allow-peers", "somebody"},
		"--drain -1s is less":     {"--drain", "-1s"},
		"SOUK_IDENTITY":           nil,
		"--identity-file: read t": {"--identity-file", filepath.Join(t.TempDir(), "absent")},
	} {
		if flags == nil {
			t.Setenv("SOUK_IDENTITY", "c2VjcmV0") // "secret"
		}
		o := command(t, t.TempDir(), append([]string{"run", "--debug=off"}, flags...)...)
		os.Unsetenv("SOUK_IDENTITY")
		require.NotEqual(t, exitOK, o.code)
		require.Contains(t, o.err, says)
		require.NotContains(t, strings.ReplaceAll(o.err, "Identity.PrivKey", ""), "c2VjcmV0")
	}
}

func TestTheIdentityComesFromWhereItIsGiven(t *testing.T) {
	one, two, three := t.TempDir(), t.TempDir(), t.TempDir()
	ids := []string{strings.Fields(must(t, one, "id"))[0], strings.Fields(must(t, two, "id"))[0], strings.Fields(must(t, three, "id"))[0]}
	raw, err := os.ReadFile(filepath.Join(two, "identity.key"))
	require.NoError(t, err)
	credentials := t.TempDir()
	other, err := os.ReadFile(filepath.Join(three, "identity.key"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(credentials, "souk-identity"), other, 0o440))

	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	require.Contains(t, must(t, one, "id"), ids[2])
	t.Setenv("SOUK_IDENTITY", base64.StdEncoding.EncodeToString(raw))
	require.Contains(t, must(t, one, "id"), ids[1])
	require.Equal(t, ids[1], start(t, one).ID.String())
	require.Equal(t, ids[0], start(t, t.TempDir(), "--identity-file", filepath.Join(one, "identity.key")).ID.String())
}

func TestTheHolderOfALockIsNamedWithItsTime(t *testing.T) {
	d := start(t, t.TempDir())
	o := command(t, d.repo, "run", "--listen", "/ip4/127.0.0.1/tcp/0")
	require.Regexp(t, `in use by process \d+ since 20\d\d-\d\d-\d\dT`, o.err)
}

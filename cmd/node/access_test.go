package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
)

const somebody = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"

func rulesFile(t *testing.T, rules string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules")
	require.NoError(t, os.WriteFile(path, []byte(rules), 0o600))
	return path
}

func TestACheckSaysWhichLineDecides(t *testing.T) {
	rules := rulesFile(t, "class friends peer "+somebody+"\ndeny net 192.0.2.0/24 as scanners\n")
	o := command(t, t.TempDir(), "access", "check", "--access-rules", rules, "--address", "192.0.2.7", somebody)
	require.Equal(t, exitDenied, o.code)
	require.Equal(t, "denied\nrule   "+rules+":2: deny net 192.0.2.0/24 as scanners\nreason scanners\nclass  friends\nfetch  denied\n", o.out)
	require.Contains(t, o.err, "souk: denied by "+rules+":2: deny net")

	out := must(t, t.TempDir(), "access", "check", "--json", "--access-rules", rules, somebody, "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
	require.JSONEq(t, `{"peer": "`+somebody+`", "addresses": [], "cid": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
		"allow": true, "fetch": true, "class": "friends", "reason": "default", "rule": "default allow"}`, out)
}

func TestACheckReadsTheRulesOfTheSettings(t *testing.T) {
	repo := t.TempDir()
	rules, err := json.Marshal([]string{rulesFile(t, "default deny")})
	require.NoError(t, err)
	writeConfig(t, repo, `{"access-rules": `+string(rules)+`}`)
	require.Equal(t, exitDenied, command(t, repo, "access", "check", somebody).code)
	require.Equal(t, exitOK, command(t, t.TempDir(), "access", "check", somebody).code)
}

func TestWhatIsWrongWithACheckIsNamed(t *testing.T) {
	for says, args := range map[string][]string{
		"is not the ID of a peer":    {"Bob"},
		"is not a CID":               {somebody, "nonsense"},
		"is no IP address":           {somebody, "--address", "example.org"},
		"no such file":               {somebody, "--access-rules", "nowhere"},
		`"permit": a line begins wi`: {somebody, "--access-rules", rulesFile(t, "permit")},
	} {
		requireUsageError(t, says, t.TempDir(), append([]string{"access", "check"}, args...)...)
	}
}

// Rules are read again with a signal; a file that is broken changes nothing.
func TestASignalReadsTheRulesAgain(t *testing.T) {
	server := t.TempDir()
	rules := rulesFile(t, "deny net 127.0.0.0/8")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(noise(1000)), 0o600))
	root := add(t, server, file)
	d := start(t, server, "--access-rules", rules)
	get := func() int {
		return command(t, t.TempDir(), "get", root, "--peer", d.address(), "--output", filepath.Join(t.TempDir(), "got")).code
	}
	require.Equal(t, exitNotFound, get())
	require.NoError(t, os.WriteFile(rules, []byte("allow everything"), 0o600))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Equal(t, exitNotFound, get())
	require.NoError(t, os.WriteFile(rules, []byte("allow all"), 0o600))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually.True(t, func() bool { return get() == exitOK })
	d.stop()
}

func TestARateThatIsWrongIsNamedWithWhereItComesFrom(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"upload-rate": "10MB/s", "download-rate-per-peer": "8Gb/s"}`)
	o := command(t, repo, "run")
	require.Equal(t, exitUsage, o.code)
	require.Contains(t, o.err, `"8Gb/s" is not a rate: write bytes or bits a second`)
	require.NotContains(t, o.err, "10MB/s\" is not")
}

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyAddressesThatAnotherMachineReachesArePrinted(t *testing.T) {
	for _, c := range []struct {
		name      string
		has, want []string
	}{
		{"one for each IP, over TCP where it can be",
			[]string{"/ip4/192.168.1.5/udp/4101/quic-v1", "/ip4/192.168.1.5/tcp/4101", "/ip4/10.0.0.1/udp/4101/quic-v1"},
			[]string{"/ip4/10.0.0.1/udp/4101/quic-v1", "/ip4/192.168.1.5/tcp/4101"}},
		{"public ones first, IPv4 before IPv6",
			[]string{"/ip4/192.168.1.5/tcp/1", "/ip6/2600::1/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/1.2.3.4/tcp/1"},
			[]string{"/ip4/1.2.3.4/tcp/1", "/ip6/2600::1/tcp/1", "/ip4/192.168.1.5/tcp/1", "/ip6/fd00::1/tcp/1"}},
		{"no loopback and no link-local beside others",
			[]string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/169.254.1.1/tcp/1", "/ip4/10.0.0.1/tcp/1"},
			[]string{"/ip4/10.0.0.1/tcp/1"}},
		{"loopback where there is nothing else",
			[]string{"/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"},
			[]string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"}},
		{"nothing of what is no IP", []string{"/dns/example.org/tcp/1", "nonsense"}, []string{}},
	} {
		require.Equal(t, c.want, dialable(c.has), c.name)
	}
}

// A namespace may be any text, and the line is for a shell.
func TestThePrintedWordsPassThroughAShell(t *testing.T) {
	for _, text := range []string{
		"dataset-abc", "my photos", "it's", "$(touch /tmp/x)", "a;b|c&d", "ä", "*", "", "`id`", "\\", "!x", "~", "#", "--flag", "a\u202eb", "'",
	} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(text)).Output()
		require.NoError(t, err)
		require.Equal(t, text, string(out))
	}
	require.Equal(t, trackerA, quote(trackerA), "what needs no quotes has none")
}

func TestShareSaysWhatIsWrongWithItsArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{}, exitUsage, "requires at least 1 arg"},
		{[]string{".", "--trackers", "nonsense"}, exitUsage, `--trackers "nonsense"`},
		{[]string{".", "--listen", "nonsense"}, exitUsage, `--listen "nonsense"`},
		{[]string{".", "--chunker", "rabin"}, exitUsage, "size-N"},
		{[]string{".", "--tracker"}, exitUsage, "unknown flag"},
		{[]string{"/no/such/file"}, exitFailed, "no such file"},
	} {
		o := command(t, t.TempDir(), append([]string{"share"}, c.args...)...)
		require.Equal(t, c.code, o.code, "%v: %s", c.args, o.err)
		require.Contains(t, o.err, c.says)
		require.Empty(t, o.out)
	}
}

func TestSharingWithANodeThatHasNoTrackerSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	o := command(t, dir, "share", tree(t), "--listen", "/ip4/127.0.0.1/tcp/0")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "souk run --tracker")
	require.Contains(t, o.err, "--listen is not used")
	require.Empty(t, o.out)
}

func TestShareUsesTheSettingsThatItHas(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"listen": ["/ip4/127.0.0.1/tcp/0"], "flood": true, "log": "loud"}`)
	requireUsageError(t, "--log comes from "+repo, repo, "share", tree(t))

	writeConfig(t, repo, `{"listen": ["/ip4/127.0.0.1/tcp/0"], "flood": true}`)
	var d daemon
	line := d.launch(t, "--repo", repo, "--json", "share", tree(t))
	requireSchema(t, "souk share", line)
	require.Contains(t, line, "/ip4/127.0.0.1/tcp/")
	d.stop()

	start(t, repo)
	o := command(t, repo, "share", tree(t), "--listen", "/ip4/127.0.0.1/tcp/0", "--trackers", strings.Replace(trackerA, "192.0.2.1/tcp/4101", "127.0.0.1/tcp/1", 1))
	require.Contains(t, o.err, "--listen is not used")
	require.NotContains(t, o.err, "--trackers is not used")
}

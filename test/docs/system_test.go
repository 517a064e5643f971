//go:build system

package docs

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/command"
)

// lan is two network namespaces with a cable in between: two machines, of which
// each has one address.
type lan struct{ first, second string }

// The ends of the cable, in a network that is for documentation and is nobody's.
const (
	firstAt  = "192.0.2.1/24"
	secondAt = "192.0.2.2/24"
	card     = "souk0"
)

func newLAN(t *testing.T) *lan {
	t.Helper()
	l := &lan{fmt.Sprintf("souk-test-%d-a", os.Getpid()), fmt.Sprintf("souk-test-%d-b", os.Getpid())}
	for _, name := range []string{l.first, l.second} {
		mustRun(t, "ip", "netns", "add", name)
		t.Cleanup(func() { mustRun(t, "ip", "netns", "del", name) }) // with all that is in it
		mustRun(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	mustRun(t, "ip", "-n", l.first, "link", "add", card, "type", "veth", "peer", "name", card, "netns", l.second)
	for name, at := range map[string]string{l.first: firstAt, l.second: secondAt} {
		mustRun(t, "ip", "-n", name, "address", "add", at, "dev", card)
		mustRun(t, "ip", "-n", name, "link", "set", card, "up")
	}
	return l
}

// cable lets packets pass, or none.
func (l *lan) cable(t *testing.T, state string) {
	t.Helper()
	mustRun(t, "ip", "-n", l.second, "link", "set", card, state)
}

// delay makes each way take as long, and reports whether this kernel can.
func (l *lan) delay(t *testing.T, way time.Duration) bool {
	t.Helper()
	for _, name := range []string{l.first, l.second} {
		out, err := exec.Command("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", card, "root", "netem", "delay", way.String()).CombinedOutput()
		if err != nil {
			t.Logf("the cable has no delay, because this kernel has no netem: %s", out)
			return false
		}
	}
	return true
}

// play is a page on these two machines. What still runs at the end of the test is
// ended before they are.
func (l *lan) play(t *testing.T) *play {
	t.Helper()
	absolute, err := filepath.Abs(root)
	require.NoError(t, err)
	p, err := newPlay(absolute)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.end()) })
	p.networks = map[string]string{"": l.first, "second": l.second}
	return p
}

func mustRun(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

func TestANewcomerGetsAFileFromAnotherMachine(t *testing.T) {
	for name, way := range map[string]time.Duration{"on one desk": 0, "far away": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			l := newLAN(t)
			if way > 0 {
				l.delay(t, way)
			}
			blocks, err := readPage(filepath.Join(root, "docs", "getting-started.md"))
			require.NoError(t, err)
			p := l.play(t)
			begin := time.Now()
			wrong := p.follow(t.Context(), blocks)
			t.Logf("%.1f s for what is on the page:\n%s", time.Since(begin).Seconds(), p.printed)
			require.NoError(t, wrong)
		})
	}
}

// The README has three lines for two machines: make, what the first types, and what
// the second types.
func TestTheLinesOfTheReadmeWorkBetweenTwoMachines(t *testing.T) {
	blocks, err := readPage(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	var lines []string
	for _, b := range blocks {
		if b.marks["needs"] == "two-machines" {
			lines = append(lines, strings.Split(strings.TrimSpace(b.text), "\n")...)
		}
	}
	require.Len(t, lines, 3)
	p := newLAN(t).play(t)
	wrong := p.follow(t.Context(), []block{
		{at: "photos", language: "sh", text: "mkdir photos; echo saffron >photos/list.txt\n"},
		{at: lines[1], language: "sh", text: lines[1], marks: map[string]string{"stays": ""}},
		{at: lines[2], language: "sh", text: lines[2], marks: map[string]string{"on": "second"}},
		{at: "what came", language: "sh", text: "cat bafy*/list.txt\n", marks: map[string]string{"on": "second"}},
		{at: "is what was shared", language: "text", text: "saffron\n"},
	})
	require.NoError(t, wrong, p.printed)
}

// Multicast needs a network, so that this is not to be seen on one machine alone.
func TestNodesOnALocalNetworkFindEachOther(t *testing.T) {
	p := newLAN(t).play(t)
	second := func(marks string) map[string]string { return map[string]string{"on": "second", marks: ""} }
	wrong := p.follow(t.Context(), []block{
		{at: "one node", language: "sh", text: "souk run --mdns\n", marks: map[string]string{"stays": ""}},
		{at: "another", language: "sh", text: "souk run --mdns\n", marks: second("stays")},
		{at: "what it has", language: "sh", text: "echo saffron >list.txt; souk add -Q list.txt\n"},
		{at: "it is found", language: "sh", text: "for i in $(seq 100); do souk peers | grep -q 12D3 && break; sleep 0.1; done\n", marks: second("")},
		{at: "what is asked for", language: "sh", text: "souk cat --timeout 5s bafk…\n", marks: second("")},
		{at: "is what came", language: "text", text: "saffron\n"},
	})
	require.NoError(t, wrong, p.printed)
}

// cutFor is longer than anything that is retransmitted takes to notice, and far
// below the time after which libp2p gives up a connection.
const cutFor = 3 * time.Second

// The file is large enough to be cut off in the middle of it where nothing slows the
// cable down.
const cutFile = 192 << 20

func TestAFetchGoesOnAfterTheCableWasOut(t *testing.T) {
	l := newLAN(t)
	p := l.play(t)
	content := make([]byte, cutFile)
	_, err := rand.Read(content)
	require.NoError(t, err)
	first, err := p.machine("")
	require.NoError(t, err)
	second, err := p.machine("second")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(first.home, "large"), content, 0o600))
	line, err := first.stay(t.Context(), "share", first.home, "souk share large\n")
	require.NoError(t, err)

	text, err := fill("exec souk get bafybei… --namespace dataset-… --trackers /ip4/… -o large\n", line)
	require.NoError(t, err)
	var out command.Output
	get := second.command(t.Context(), second.home, text, &out)
	require.NoError(t, get.Start())
	ended := make(chan error, 1)
	go func() { ended <- get.Wait() }()
	eventually.True(t, func() bool { return sizeOf(second.home) > cutFile/16 }, &out)
	l.cable(t, "down")
	select {
	case err := <-ended:
		require.Fail(t, "the fetch was over before the cable was out", "%v %s", err, &out)
	case <-time.After(cutFor):
	}
	l.cable(t, "up")
	require.NoError(t, <-ended, &out)
	got, err := os.ReadFile(filepath.Join(second.home, "large"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
}

// sizeOf counts the bytes of the files below a directory.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

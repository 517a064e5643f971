package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
)

// hereAndThere runs a test on a repository, and on one through its running node.
func hereAndThere(t *testing.T, test func(t *testing.T, repo string)) {
	t.Run("offline", func(t *testing.T) { test(t, t.TempDir()) })
	t.Run("running", func(t *testing.T) {
		repo := t.TempDir()
		start(t, repo)
		test(t, repo)
	})
}

func put(t *testing.T, repo, content string, flags ...string) string {
	t.Helper()
	o := commandReading(t, content, repo, append([]string{"block", "put"}, flags...)...)
	require.Equal(t, exitOK, o.code, o.err)
	return strings.TrimSpace(o.out)
}

func TestBlocksArePutGotAndRemoved(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		content := "hello world"
		require.Equal(t, helloCID, put(t, repo, content))
		require.Equal(t, content, must(t, repo, "block", "get", helloCID))
		require.Equal(t, helloCID+" 11\n", must(t, repo, "block", "stat", helloCID))
		require.JSONEq(t, `{"cid":"`+helloCID+`","size":11}`, must(t, repo, "--json", "block", "stat", helloCID))

		file := filepath.Join(t.TempDir(), "out")
		require.Empty(t, must(t, repo, "block", "get", helloCID, "-o", file))
		written, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, content, string(written))

		require.Equal(t, "removed "+helloCID+" (11 B)\n", must(t, repo, "block", "rm", helloCID))
		for _, args := range [][]string{{"block", "stat", helloCID}, {"block", "get", helloCID}, {"block", "rm", helloCID}} {
			o := command(t, repo, args...)
			require.Equal(t, exitNotFound, o.code, "%v: %s", args, o.err)
			require.Contains(t, o.err, helloCID)
			require.Empty(t, o.out)
		}
	})
}

func TestBlocksOfEveryCodecAndHash(t *testing.T) {
	repo := t.TempDir()
	require.Equal(t, "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua", put(t, repo, "\xa0", "--codec", "dag-cbor"))
	require.True(t, strings.HasPrefix(put(t, repo, "x", "--mhtype", "blake3"), "bafkr4i"))
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--codec", "sha2-256"}, "dag-cbor"},
		{[]string{"--codec", "nonsense"}, "dag-cbor"},
		{[]string{"--mhtype", "nonsense"}, "sha2-256"},
		{[]string{"--mhtype", "md5"}, "cannot be used"},
		{[]string{"--mhtype", "identity"}, "cannot be used"},
	} {
		o := commandReading(t, "x", repo, append([]string{"block", "put"}, c.flags...)...)
		require.Equal(t, exitUsage, o.code, "%v: %s", c.flags, o.err)
		require.Contains(t, o.err, c.says)
	}
}

func TestABlockIsNotLargerThanTwoMiB(t *testing.T) {
	repo := t.TempDir()
	largest := strings.Repeat("x", blockstore.MaxBlock)
	c := put(t, repo, largest)
	require.Equal(t, largest, must(t, repo, "block", "get", c))
	o := commandReading(t, largest+"x", repo, "block", "put")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "2097152 bytes at most")
}

func TestARootIsRemovedOnlyByForce(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		other := put(t, repo, "other")
		require.Equal(t, helloCID, put(t, repo, "hello world", "--pin"))
		o := command(t, repo, "block", "rm", other, helloCID)
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "--force")
		require.Empty(t, o.out)
		must(t, repo, "block", "stat", helloCID, other)
		require.JSONEq(t, `{"cid":"`+helloCID+`","size":11,"removed":true}`, must(t, repo, "--json", "block", "rm", "--force", helloCID))
	})
}

func TestABlockIsFetchedFromAPeer(t *testing.T) {
	holder := t.TempDir()
	put(t, holder, "hello world")
	d := start(t, holder)
	require.Equal(t, "hello world", must(t, t.TempDir(), "block", "get", helloCID, "--peer", d.address()))
}

func TestABlockThatItsCIDCarriesNeedsNoStore(t *testing.T) {
	require.Equal(t, "abc", must(t, t.TempDir(), "block", "get", "bafkqaa3bmjrq"))
}

func TestBlockCommandsSayWhatIsWrong(t *testing.T) {
	for _, args := range [][]string{{"block", "get", "nonsense"}, {"block", "stat", "nonsense"}, {"block", "rm"}, {"block", "nonsense"}} {
		o := command(t, t.TempDir(), args...)
		require.Equal(t, exitUsage, o.code, "%v: %s", args, o.err)
	}
}

func decodeLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for in := json.NewDecoder(bytes.NewBufferString(text)); in.More(); {
		var one T
		require.NoError(t, in.Decode(&one))
		all = append(all, one)
	}
	return all
}

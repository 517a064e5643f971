package repo

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/providers/record"
)

func TestWhatIsAnnouncedOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	all, err := r.Announced()
	require.NoError(t, err)
	require.Empty(t, all)

	maps := Announcement{Namespace: "maps"}
	photos := Announcement{Namespace: "photos", Shards: []Shards{{0x00, 0x0f}, {0xa0, 0xa0}}, Partial: true, Capacity: 1024, TTL: 600}
	require.NoError(t, r.Announce(photos))
	require.NoError(t, r.Announce(Announcement{Namespace: "maps", TTL: 60}))
	require.NoError(t, r.Announce(maps), "in place of the other")
	require.NoError(t, r.Close())

	r = open(t, dir)
	defer r.Close()
	all, err = r.Announced()
	require.NoError(t, err)
	require.Equal(t, []Announcement{maps, photos}, all)

	there, err := r.Withdraw("photos")
	require.NoError(t, err)
	require.True(t, there)
	there, err = r.Withdraw("photos")
	require.NoError(t, err)
	require.False(t, there)
	all, err = r.Announced()
	require.NoError(t, err)
	require.Equal(t, []Announcement{maps}, all)
}

func TestAnAnnouncementAgainstTheRulesIsNotRemembered(t *testing.T) {
	r := open(t, t.TempDir())
	defer r.Close()
	var every []Shards
	for i := 0; i < 256; i += 2 {
		every = append(every, Shards{record.Shard(i), record.Shard(i)})
	}
	for says, a := range map[string]Announcement{
		`namespace ""`:              {},
		`namespace "a\nb"`:          {Namespace: "a\nb"},
		`namespace "wwwww`:          {Namespace: strings.Repeat("w", record.MaxNamespace+1)},
		"shards [00 02 04":          {Namespace: "n", Shards: every},
		"ttl 59s: from 1m0s to 2h0": {Namespace: "n", TTL: 59},
		"ttl -1s":                   {Namespace: "n", TTL: -1},
		"ttl 2562047h47m16s":        {Namespace: "n", TTL: 1<<63 - 1},
	} {
		require.ErrorContains(t, r.Announce(a), says)
	}
	require.NoFileExists(t, filepath.Join(r.Dir(), announcedFile))
}

func TestManyAnnounceAtOnce(t *testing.T) {
	r := open(t, t.TempDir())
	defer r.Close()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { assert.NoError(t, r.Announce(Announcement{Namespace: string(rune('a' + i))})) })
	}
	all.Wait()
	got, err := r.Announced()
	require.NoError(t, err)
	require.Len(t, got, 20)
	left, err := filepath.Glob(filepath.Join(r.Dir(), ".announced*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestADamagedFileOfAnnouncementsIsNamedAndKept(t *testing.T) {
	r := open(t, t.TempDir())
	defer r.Close()
	path := filepath.Join(r.Dir(), announcedFile)
	for _, content := range []string{
		"", "{", `{"announced":[{"namespace":""}]}`, `{"announced":[{"namespace":"n","shards":["0g"]}]}`, `{"announced":{}}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := r.Announced()
		require.ErrorContains(t, err, path+" does not say what is announced")
		require.ErrorContains(t, r.Announce(Announcement{Namespace: "other"}), path)
		_, err = r.Withdraw("n")
		require.ErrorContains(t, err, path)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
	}
}

func TestShardsAreReadAndWritten(t *testing.T) {
	shards, err := ParseShards("00-0f, a0,FF")
	require.NoError(t, err)
	require.Equal(t, []Shards{{0, 0x0f}, {0xa0, 0xa0}, {0xff, 0xff}}, shards)
	require.Equal(t, "[00-0f a0 ff]", fmt.Sprint(shards))
	a := Announcement{Namespace: "n", Shards: shards}
	require.Equal(t, []record.Range{{From: 0, To: 0x0fff}, {From: 0xa000, To: 0xa0ff}, {From: 0xff00, To: 0xffff}}, a.Ranges())

	for text, says := range map[string]string{
		"":        "neither a shard",
		"0":       `"0" is neither a shard`,
		"100":     "neither a shard",
		"00-0f,":  `"" is neither`,
		"00-0f-1": "neither a shard",
		"-1":      "neither a shard",
		"+1":      "neither a shard",
		"0x":      "neither a shard",
		"0f-00":   "00-0f is right",
	} {
		_, err := ParseShards(text)
		require.ErrorContains(t, err, says, "%q", text)
	}
}

func TestARepositoryHasOneDataset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	names := make(chan string, 8)
	for range cap(names) {
		go func() {
			name, err := Dataset(dir)
			if err != nil {
				name = err.Error()
			}
			names <- name
		}()
	}
	first := <-names
	require.Regexp(t, "^dataset-[a-z2-7]{26}$", first)
	for range cap(names) - 1 {
		require.Equal(t, first, <-names)
	}
	other, err := Dataset(t.TempDir())
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	info, err := os.Stat(filepath.Join(dir, datasetFile))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestADamagedDatasetIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, datasetFile)
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0o600))
	_, err := Dataset(dir)
	require.ErrorContains(t, err, path+" holds no namespace")
}

func TestWhatATrackerKeepsIsApartFromTheBlocks(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	batch, err := r.Tracker().Batch(t.Context())
	require.NoError(t, err)
	require.NoError(t, batch.Put(t.Context(), datastore.NewKey("/1"), []byte("rows")))
	require.NoError(t, batch.Commit(t.Context()))
	for c, err := range blockstore.New(r.Blocks()).AllKeys(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "no block is there", "%s", c)
	}
	require.NoError(t, r.Close())

	r = open(t, dir)
	defer r.Close()
	found, err := r.Tracker().Query(t.Context(), query.Query{})
	require.NoError(t, err)
	rows, err := found.Rest()
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "/1", rows[0].Key)
	require.Equal(t, "rows", string(rows[0].Value))
}

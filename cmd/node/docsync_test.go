package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/test/eventually"
)

func statusOf(t *testing.T, repo, doc string) docStatus {
	t.Helper()
	line := must(t, repo, "--json", "doc", "status", doc)
	requireSchema(t, "souk doc status", line)
	var st docStatus
	require.NoError(t, json.Unmarshal([]byte(line), &st))
	return st
}

func syncDoc(t *testing.T, repo string, args ...string) docSynced {
	t.Helper()
	line := must(t, repo, append([]string{"--json", "doc", "sync", "album", "--timeout", "30s"}, args...)...)
	requireSchema(t, "souk doc sync", line)
	var done docSynced
	require.NoError(t, json.Unmarshal([]byte(line), &done))
	return done
}

// The examples of policies, on two nodes: what of a list is fetched is what the policy
// says, and no more.
func TestAPolicySaysWhatIsFetched(t *testing.T) {
	holder := start(t, t.TempDir())
	root := add(t, holder.repo, album(t))
	for _, c := range []struct {
		policy []string
		files  uint64
	}{
		{[]string{"--except", "prefix:utf8:2024/"}, 3},
		{[]string{"--only", "exact:utf8:2024/list.txt"}, 1},
		{nil, 6},
	} {
		hereAndThere(t, func(t *testing.T, repo string) {
			d := importDoc(t, repo, append([]string{root, "--name", "album", "--peer", holder.address()}, c.policy...)...)
			require.EqualValues(t, 6, d.Entries)
			require.Equal(t, c.files, statusOf(t, repo, "album").Covered)
			require.Equal(t, c.files, syncDoc(t, repo, "--peer", holder.address()).Done)
			st := statusOf(t, repo, "album")
			require.True(t, st.Syncing)
			require.Equal(t, c.files, st.Covered)
			require.Zero(t, st.Missing)
			must(t, repo, "gc")
			require.Zero(t, statusOf(t, repo, "album").Missing)
			require.Contains(t, must(t, repo, "doc", "status"), "album: 6 entries")
		})
	}
}

func TestARunningNodeFetchesWhatAWidenedPolicyCovers(t *testing.T) {
	holder, reader := start(t, t.TempDir()), start(t, t.TempDir())
	root := add(t, holder.repo, album(t))
	importDoc(t, reader.repo, root, "--name", "album", "--peer", holder.address(), "--only", "prefix:utf8:2023/")
	require.EqualValues(t, 2, syncDoc(t, reader.repo, "--peer", holder.address()).Done)
	must(t, reader.repo, "doc", "policy", "album", "everything-except", "exact:utf8:notes")
	eventually.True(t, func() bool { return statusOf(t, reader.repo, "album").Done == 5 })
	require.Zero(t, statusOf(t, reader.repo, "album").Missing)
	var page struct{ Documents []debug.Document }
	eventually.True(t, func() bool { // The first look has it counted.
		require.NoError(t, json.Unmarshal(httpGet(t, reader.Debug+"downloads"), &page))
		return page.Documents[0].Covered == 5
	})
	require.EqualValues(t, 5, page.Documents[0].Done)
	require.True(t, page.Documents[0].Syncing)

	must(t, reader.repo, "doc", "cancel", "album")
	must(t, reader.repo, "doc", "policy", "album", "everything")
	st := statusOf(t, reader.repo, "album")
	require.False(t, st.Syncing)
	require.EqualValues(t, 1, st.Missing)
}

// The author has gone when a third node asks for all, which a replica serves.
func TestAReplicaServesWhenTheAuthorIsGone(t *testing.T) {
	author, replica := start(t, t.TempDir()), start(t, t.TempDir())
	dir := album(t)
	root := add(t, author.repo, dir)
	for _, n := range []*daemon{replica} {
		importDoc(t, n.repo, root, "--name", "album", "--peer", author.address())
		syncDoc(t, n.repo, "--peer", author.address())
	}
	author.stop()
	hereAndThere(t, func(t *testing.T, repo string) {
		importDoc(t, repo, root, "--name", "album", "--peer", replica.address())
		require.EqualValues(t, 6, syncDoc(t, repo, "--peer", replica.address()).Done)
		out := filepath.Join(t.TempDir(), "out")
		must(t, repo, "get", root, "-o", out)
		requireSame(t, dir, out)
	})
}

// A node that restarts goes on by itself, and says what it waits for.
func TestSyncingGoesOnAfterARestart(t *testing.T) {
	holder, repo := start(t, t.TempDir()), t.TempDir()
	root := add(t, holder.repo, album(t))
	importDoc(t, repo, root, "--name", "album", "--peer", holder.address())
	require.Zero(t, syncDoc(t, repo, "--wait=false").Done)
	reader := start(t, repo)
	eventually.True(t, func() bool { return statusOf(t, repo, "album").Active > 0 })
	st := statusOf(t, repo, "album")
	require.EqualValues(t, 6, st.Missing)
	require.Len(t, st.Files, st.Active)
	reader.stop()
	start(t, repo)
	must(t, repo, "doc", "sync", "album", "--peer", holder.address(), "--timeout", "30s")
	require.Zero(t, statusOf(t, repo, "album").Missing)
}

func TestSyncingWithoutAPeerThatHasItEndsInTime(t *testing.T) {
	gone, repo := start(t, t.TempDir()), t.TempDir()
	importDoc(t, gone.repo, album(t))
	root := statusOf(t, gone.repo, "album").Root
	importDoc(t, repo, root, "--name", "album", "--peer", gone.address())
	gone.stop()
	begin := time.Now()
	o := command(t, repo, "doc", "sync", "album", "--peer", gone.address(), "--timeout", "1s")
	require.Equal(t, exitTimeout, o.code, o.err)
	require.Less(t, time.Since(begin), 10*time.Second)
}

// Whoever syncs is found by the next: the author may be gone by then.
func TestADocumentIsFetchedFromWhoSyncsIt(t *testing.T) {
	tracker := startTracker(t, t.TempDir())
	holder, first, second := start(t, t.TempDir(), "--trackers", tracker.address()),
		start(t, t.TempDir(), "--trackers", tracker.address()), start(t, t.TempDir(), "--trackers", tracker.address())
	d := importDoc(t, holder.repo, album(t), "--name", "album")
	require.True(t, syncDoc(t, holder.repo).Announced)
	importDoc(t, first.repo, d.Root, "--name", "album")
	require.EqualValues(t, d.Entries, syncDoc(t, first.repo).Done)
	require.Equal(t, d.Namespace, strings.Fields(must(t, first.repo, "announce", "--list"))[0])
	require.NotContains(t, must(t, first.repo, "announce", "--list"), " partial")
	holder.stop()
	importDoc(t, second.repo, d.Root, "--name", "album")
	done := syncDoc(t, second.repo, "--announce=false")
	require.EqualValues(t, d.Entries, done.Done)
	require.False(t, done.Announced)
	require.Empty(t, must(t, second.repo, "announce", "--list"))
	must(t, first.repo, "doc", "rm", "album")
	require.Empty(t, must(t, first.repo, "announce", "--list"), "what is removed is not announced")
}

// Trackers are told of what is synced where there are any and something is to be had.
func TestADocumentIsSyncedWhereItCannotBeAnnounced(t *testing.T) {
	tracker := startTracker(t, t.TempDir())
	alone, tracked := start(t, t.TempDir()), start(t, t.TempDir(), "--trackers", tracker.address())
	dir := album(t)
	importDoc(t, alone.repo, dir, "--name", "album")
	require.False(t, syncDoc(t, alone.repo).Announced)
	o := command(t, alone.repo, "doc", "sync", "album", "--announce")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "knows no tracker")
	importDoc(t, tracked.repo, dir, "--name", "album")
	must(t, tracked.repo, "doc", "policy", "album", "nothing")
	require.False(t, syncDoc(t, tracked.repo).Announced)
	must(t, tracked.repo, "doc", "policy", "album", "everything-except", "exact:utf8:notes")
	require.True(t, syncDoc(t, tracked.repo).Announced)
	require.Contains(t, must(t, tracked.repo, "announce", "--list"), " partial")
	tracked.stop()
	must(t, tracked.repo, "doc", "rm", "album")
	require.Empty(t, must(t, tracked.repo, "announce", "--list"), "nor by the next node")
}

func TestADocumentIsNotAnnouncedWithoutANode(t *testing.T) {
	repo := t.TempDir()
	importDoc(t, repo, album(t), "--name", "album")
	o := command(t, repo, "doc", "sync", "album", "--announce")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "no node is running")
	require.False(t, syncDoc(t, repo).Announced)
}

// Who waits for what nobody fetches is told so.
func TestSyncingWithoutANodeAndAPeerDoesNotPretendToWait(t *testing.T) {
	holder, repo := start(t, t.TempDir()), t.TempDir()
	importDoc(t, repo, add(t, holder.repo, album(t)), "--name", "album", "--peer", holder.address())
	o := command(t, repo, "doc", "sync", "album")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "nobody is asked: no node is running")
	require.True(t, statusOf(t, repo, "album").Syncing, "the next node goes on")
	requireUsageError(t, "--timeout -5s is below 0", repo, "doc", "sync", "album", "--timeout", "-5s")
}

// Who announces a document is found by a node that is connected to nobody but a tracker,
// now and later; the tracker is asked who has it, and for no file.
func TestATrackerLeadsToWhoHasADocument(t *testing.T) {
	tracker := startTracker(t, t.TempDir())
	tracked := []string{"--trackers", tracker.address()}
	author := start(t, t.TempDir(), tracked...)
	d := importDoc(t, author.repo, album(t), "--name", "album")
	repo := t.TempDir()
	importDoc(t, repo, d.Root, "--name", "album", "--peer", author.address())
	replica := t.TempDir()
	importDoc(t, replica, d.Root, "--name", "album", "--peer", author.address())
	require.EqualValues(t, d.Entries, syncDoc(t, replica, "--peer", author.address()).Done)
	author.stop()

	reader := start(t, repo, tracked...)
	must(t, repo, "doc", "sync", "album", "--wait=false")
	eventually.True(t, func() bool { return statusOf(t, repo, "album").Active > 0 })
	start(t, replica, tracked...)
	must(t, replica, "doc", "sync", "album")
	must(t, reader.repo, "doc", "sync", "album", "--timeout", "30s")
	require.Zero(t, statusOf(t, repo, "album").Missing)
	require.Zero(t, ledgerOf(t, repo, tracker).WantsSent)
}

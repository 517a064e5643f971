package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/test/eventually"
)

// unreachable is where nothing listens.
const unreachable = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

// startTracker runs a tracker until the end of the test.
func startTracker(t *testing.T, repo string, flags ...string) *daemon {
	t.Helper()
	return start(t, repo, append([]string{"--tracker", "--tracker-memory", "8"}, flags...)...)
}

// arguments are those of a printed command.
func arguments(t *testing.T, line string) []string {
	t.Helper()
	words := strings.Fields(line)
	require.Greater(t, len(words), 2, line)
	require.Equal(t, []string{"souk", "get"}, words[:2])
	return words[1:]
}

// fetchElsewhere runs a printed command with a new repository and compares what
// it fetches.
func fetchElsewhere(t *testing.T, line, want string) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out")
	must(t, t.TempDir(), append(arguments(t, line), "-o", output)...)
	requireSame(t, want, output)
}

func TestASharedTreeIsFetchedWithThePrintedLine(t *testing.T) {
	repo, dir := t.TempDir(), tree(t)
	d := &daemon{}
	line := d.launch(t, "--repo", repo, "share", dir, "--hidden", "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
	require.Contains(t, line, " --trackers /ip4/127.0.0.1/tcp/", "loopback, where there is nothing else")
	fetchElsewhere(t, line, dir)

	again := must(t, repo, "share", filepath.Join(dir, "hello.txt")) // through the node that shares
	words, first := arguments(t, again), arguments(t, line)
	require.Equal(t, first[2:], words[2:], "the same dataset at the same tracker")
	words[0] = "cat"
	require.Equal(t, "hello, world\n", must(t, t.TempDir(), words...))
	d.stop()
	require.Contains(t, d.errors(), "sharing until it is interrupted")
}

func TestAShareIsFoundThroughATrackerElsewhere(t *testing.T) {
	tracker, sharer, dir := startTracker(t, t.TempDir()), t.TempDir(), tree(t)
	d := &daemon{}
	line := d.launch(t, "--repo", sharer, "share", dir, "--hidden", "--trackers", tracker.address(), "--listen", "/ip4/127.0.0.1/tcp/0")
	require.True(t, strings.HasSuffix(line, " --trackers "+tracker.address()), line)
	fetchElsewhere(t, line, dir)

	reader := t.TempDir() // a running node that is connected to nobody
	start(t, reader)
	output := filepath.Join(t.TempDir(), "out")
	must(t, reader, append(arguments(t, line), "-o", output)...)
	requireSame(t, dir, output)
}

func TestAShareThroughARunningNodeEndsAtOnce(t *testing.T) {
	tracker, repo, dir := startTracker(t, t.TempDir()), t.TempDir(), tree(t)
	start(t, repo)
	var shared offer
	printed := must(t, repo, "--json", "share", dir, "--hidden", "--trackers", tracker.address())
	require.NoError(t, json.Unmarshal([]byte(printed), &shared))
	require.Equal(t, "tree", shared.Name)
	require.Equal(t, []string{tracker.address()}, shared.Trackers)
	require.Contains(t, must(t, repo, "announce", "--list"), shared.Namespace)
	fetchElsewhere(t, shared.Command, dir)
}

func TestAnAnnouncedNamespaceIsFoundUntilItIsWithdrawn(t *testing.T) {
	tracker, holder := startTracker(t, t.TempDir()), t.TempDir()
	d := start(t, holder, "--trackers", tracker.address())
	asker := t.TempDir()
	find := func() outcome { return command(t, asker, "--json", "find", "photos", "--trackers", tracker.address()) }
	require.Equal(t, exitNotFound, find().code)

	require.Equal(t, "announced photos partial at 2.5 MiB/s for 30m0s\n",
		must(t, holder, "announce", "photos", "--partial", "--capacity", "2.5", "--ttl", "30m"))
	o := find()
	require.Equal(t, exitOK, o.code, o.err)
	requireSchema(t, "souk find", lines(o.out)[0])
	var found candidate
	require.NoError(t, json.Unmarshal([]byte(o.out), &found))
	require.Equal(t, d.ID, found.ID)
	require.Equal(t, d.Addresses, found.Addresses)
	require.Equal(t, d.ID.String()+" "+d.address()+"\n", must(t, tracker.repo, "find", "photos"), "the tracker asks itself")

	listed := must(t, holder, "announce", "--list")
	require.Contains(t, listed, "photos partial at 2.5 MiB/s for 30m0s\n  tracker "+tracker.ID.String()+" heard ")
	require.Equal(t, "withdrew photos\n", must(t, holder, "announce", "photos", "--withdraw"))
	require.Empty(t, must(t, holder, "announce", "--list"))
	o = find()
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, `no tracker names a peer that holds \"photos\"`)
}

func TestWhatWasAnnouncedIsAnnouncedAgainByTheNextNode(t *testing.T) {
	tracker, holder := startTracker(t, t.TempDir()), t.TempDir()
	d := start(t, holder, "--trackers", tracker.address())
	must(t, holder, "announce", "photos")
	d.stop()
	found := func() bool {
		return command(t, t.TempDir(), "find", "photos", "--trackers", tracker.address()).code == exitOK
	}
	eventually.True(t, func() bool { return !found() }, "a node that ends says so")
	start(t, holder, "--trackers", tracker.address())
	eventually.True(t, found)
}

// Who has a few shards is found by a CID that lies in them, and by no other.
func TestAHolderOfShardsIsFoundByWhatLiesInThem(t *testing.T) {
	tracker := startTracker(t, t.TempDir())
	c, err := cid.Decode(helloCID)
	require.NoError(t, err)
	point, ok := record.PointOf(c)
	require.True(t, ok)
	holder := start(t, t.TempDir(), "--trackers", tracker.address())
	other := start(t, t.TempDir(), "--trackers", tracker.address())
	must(t, other.repo, "announce", "photos", "--shards", shardText(point.Shard()+1))
	search := []string{"find", helloCID, "--namespace", "photos", "--trackers", tracker.address()}
	require.Equal(t, exitNotFound, command(t, t.TempDir(), search...).code)
	must(t, holder.repo, "announce", "photos", "--shards", shardText(point.Shard()))
	require.Equal(t, holder.ID.String()+" "+holder.address()+"\n", must(t, t.TempDir(), search...))
}

func TestFetchingFromATrackerThatNamesNobodyEnds(t *testing.T) {
	tracker := startTracker(t, t.TempDir())
	running := t.TempDir()
	start(t, running)
	for _, repo := range []string{t.TempDir(), running} {
		o := command(t, repo, "cat", helloCID, "--namespace", "photos", "--trackers", tracker.address())
		require.Equal(t, exitNotFound, o.code, o.err)
		require.Contains(t, o.err, `no tracker names a peer that holds "photos"`)
		require.Contains(t, o.err, helloCID)
	}
}

func TestATrackerThatIsGoneIsNamedAndHidesNothingThatIsStored(t *testing.T) {
	running := t.TempDir()
	start(t, running)
	_, id, _ := strings.Cut(unreachable, "/p2p/")
	for _, repo := range []string{t.TempDir(), running} {
		for _, args := range [][]string{{"cat", helloCID, "--namespace", "photos"}, {"find", "photos"}} {
			o := command(t, repo, append(args, "--trackers", unreachable)...)
			require.Equal(t, exitFailed, o.code, o.err)
			require.Contains(t, o.err, "cannot reach "+id)
		}
		stored := add(t, repo, filepath.Join(tree(t), "hello.txt"))
		require.Equal(t, "hello, world\n", must(t, repo, "cat", stored, "--namespace", "photos", "--trackers", unreachable))
	}
	o := command(t, running, "announce", "photos")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "the node goes on trying")
	require.Contains(t, must(t, running, "announce", "--list"), "photos\n", "it is remembered")
}

func TestATrackerTellsPeopleAndProgramsWhatItDoes(t *testing.T) {
	tracker := startTracker(t, t.TempDir(), "--tracker-http", "127.0.0.1:0", "--tracker-public", "photos")
	holder := start(t, t.TempDir(), "--trackers", tracker.address())
	must(t, holder.repo, "announce", "photos")

	var page debug.Tracker
	require.NoError(t, json.Unmarshal(httpGet(t, tracker.Debug+"tracker"), &page))
	require.Equal(t, 1, page.Rows)
	require.Equal(t, 8<<20, page.Budget)
	require.Equal(t, "photos", page.Top[0].Name)
	require.Contains(t, string(httpGet(t, tracker.Debug+"tracker?format=html")), "<code>photos</code>")
	require.Contains(t, string(httpGet(t, holder.Debug+"tracker")), "this node is no tracker")

	for _, path := range []string{"/ns/photos/routing/v1/providers/", "/routing/v1/providers/"} {
		require.Contains(t, string(httpGet(t, tracker.Routing+path+helloCID)), holder.ID.String())
	}
	require.NotContains(t, string(httpGet(t, tracker.Routing+"/ns/maps/routing/v1/providers/"+helloCID)), holder.ID.String())
}

func TestASignedListLeadsToTheTrackersOnIt(t *testing.T) {
	second := startTracker(t, t.TempDir())
	key, signer := listKey(t)
	list := filepath.Join(t.TempDir(), "list")
	must(t, t.TempDir(), "trackers", "sign", "--key", key, "-o", list, second.address())
	first := startTracker(t, t.TempDir(), "--tracker-list", list)
	holder := start(t, t.TempDir(), "--trackers", first.address(), "--tracker-list-key", signer)
	require.Equal(t, exitNotFound, command(t, holder.repo, "find", "photos").code)
	eventually.True(t, func() bool { // the list comes with the first question
		return len(lines(must(t, holder.repo, "trackers"))) == 2
	})
	must(t, holder.repo, "announce", "photos")
	eventually.True(t, func() bool { // the second tracker was never named
		return command(t, t.TempDir(), "find", "photos", "--trackers", second.address()).code == exitOK
	})
}

func shardText(s record.Shard) string { return repo.Shards{From: s, To: s}.String() }

// httpGet returns the body of an answer.
func httpGet(t *testing.T, url string) []byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return body
}

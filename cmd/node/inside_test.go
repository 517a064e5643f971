package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestWhatANodeIsAtNeedsOneThatRuns(t *testing.T) {
	repo := t.TempDir()
	for _, args := range [][]string{
		{"peers"}, {"wants"}, {"sessions"}, {"sessions", "1"}, {"stat"},
		{"connect", "/ip4/127.0.0.1/tcp/1/p2p/" + absentPeer}, {"disconnect", absentPeer},
	} {
		o := command(t, repo, args...)
		require.Equal(t, exitFailed, o.code, args)
		require.Contains(t, o.err, "no node is running", args)
		require.Empty(t, o.out, args)
	}
}

const absentPeer = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

func TestMistakesOnTheCommandLineAreToldBeforeANodeIsAsked(t *testing.T) {
	for _, args := range [][]string{
		{"peers", "--sort", "size"}, {"wants", "--dir", "up"}, {"wants", "--peer", "x"}, {"wants", "--limit", "-1"},
		{"sessions", "x"}, {"stat", "--interval", "1ms"}, {"connect"}, {"connect", "x"}, {"disconnect", "x"},
	} {
		require.Equal(t, exitUsage, command(t, t.TempDir(), args...).code, args)
	}
}

func TestPeersAreConnectedListedAndDisconnected(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	one, other := start(t, a), start(t, b)
	require.Equal(t, "no peer that speaks Bitswap is connected\n", must(t, a, "peers"))
	require.Equal(t, "connected "+other.ID.String()+"\n", must(t, a, "connect", other.address()))
	eventually.True(t, func() bool { return len(lines(must(t, a, "peers"))) == 2 })
	require.Contains(t, must(t, a, "peers", "--sort", "rate"), other.ID.String())
	var p souk.PeerStat
	eventually.True(t, func() bool { // The other side hears of it a moment later.
		text := must(t, b, "peers", "--json")
		return text != "" && json.Unmarshal([]byte(text), &p) == nil
	})
	require.Equal(t, one.ID, p.Peer)
	require.True(t, p.Connections[0].Inbound)

	o := command(t, a, "--json", "connect", "/ip4/127.0.0.1/tcp/1/p2p/"+absentPeer, other.address())
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, lines(o.out)[0], `"connected":false,"error":"cannot reach `)
	require.JSONEq(t, `{"peer":"`+other.ID.String()+`","connected":true}`, lines(o.out)[1], "the others are connected all the same")

	require.Equal(t, "disconnected "+other.ID.String()+"\n", must(t, a, "disconnect", other.ID.String()))
	eventually.True(t, func() bool {
		return command(t, a, "disconnect", other.ID.String()).code == exitNotFound
	})
}

func TestAFetchThatHangsIsSeenOnBothSides(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	one, other := start(t, a), start(t, b)
	must(t, a, "connect", other.address())
	missing := add(t, t.TempDir(), tree(t))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command(t, a, "get", missing, "-o", filepath.Join(a, "out")) // Ends with the context of the test.
	}()
	t.Cleanup(func() { <-ended })

	var line wantLine
	eventually.True(t, func() bool {
		text := must(t, b, "wants", "--dir", "received", "--json")
		return text != "" && json.Unmarshal([]byte(lines(text)[0]), &line) == nil
	})
	requireSchema(t, "souk wants", lines(must(t, b, "wants", "--dir", "received", "--json"))[0])
	require.Equal(t, missing, line.CID)
	require.Equal(t, one.ID, line.Peer)
	require.Contains(t, must(t, a, "wants", "--peer", other.ID.String()), "1 block, wanted of 1 peer")
	require.Contains(t, must(t, b, "wants", "--dir", "sent"), "0 blocks, wanted of 0 peers\n")

	var session souk.SessionStat
	for _, text := range lines(must(t, a, "sessions", "--json")) {
		require.NoError(t, json.Unmarshal([]byte(text), &session))
	}
	require.Equal(t, 1, session.WantsLeft)
	require.Contains(t, must(t, a, "sessions"), "shared")
	eventually.True(t, func() bool {
		text := must(t, a, "sessions", number(session.ID))
		return strings.Contains(text, "DONT_HAVE") && strings.Contains(text, missing) && strings.Contains(text, "time ")
	})
	require.Equal(t, exitNotFound, command(t, a, "sessions", "999").code)
}

func TestStatTellsTotalsAndGoesOn(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	start(t, a)
	source := start(t, b)
	root := add(t, b, tree(t))
	must(t, a, "get", root, "-o", filepath.Join(t.TempDir(), "out"), "--peer", source.address())
	var s node.Stat
	require.NoError(t, json.Unmarshal([]byte(must(t, a, "stat", "--json")), &s))
	require.Greater(t, s.BytesReceived, uint64(1_600_000))
	require.Equal(t, s.BytesReceived, s.Ever.BytesReceived)
	require.Positive(t, s.Rates.Received10s)
	require.Positive(t, s.Goroutines)
	eventually.True(t, func() bool { // What came is handed out before it is stored.
		require.NoError(t, json.Unmarshal([]byte(must(t, a, "stat", "--json")), &s))
		return s.Store.Blocks > 0 && s.Store.Bytes > 1_600_000
	})
	require.Equal(t, 1, s.Session)
	text := must(t, a, "stat")
	for _, line := range []string{"up ", "received ", "received now ", "stored ", "process "} {
		require.Contains(t, "\n"+text, "\n"+line)
	}
}

// What programs read must stay as it is: fields may be added.
func TestTheJSONOfPeersWantsSessionsAndStatIsStable(t *testing.T) {
	p, err := peer.Decode(absentPeer)
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := cid.MustParse("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")
	for name, of := range map[string]struct {
		value any
		want  string
	}{
		"peer": {souk.PeerStat{
			Peer: p, Agent: "kubo", Protocol: "/ipfs/bitswap/1.2.0", Since: at, Class: "new", Strikes: 1, StrikeLimit: 2, Score: 0.5,
			Connections: []souk.ConnectionStat{{Address: "/ip4/1.2.3.4/tcp/5", Inbound: true, Limited: true, Opened: at, Streams: 6}},
			Window:      7, RTT: 8, Rate: 9, Late: true, WantsSent: souk.WantCount{Queued: 1, Unanswered: 2, DontHave: 3}, WantsReceived: 4,
		}, `{"peer":"` + absentPeer + `","agent":"kubo","protocol":"/ipfs/bitswap/1.2.0","since":"2026-01-02T03:04:05Z",` +
			`"connections":[{"address":"/ip4/1.2.3.4/tcp/5","inbound":true,"limited":true,"opened":"2026-01-02T03:04:05Z","streams":6}],` +
			`"class":"new","strikes":1,"strike_limit":2,"score":0.5,"window":7,"rtt_ns":8,"rate":9,"late":true,` +
			`"wants_sent":{"queued":1,"unanswered":2,"dont_have":3},"wants_received":4}`},
		"want": {wantLine{Direction: node.Sent, Peer: p, CID: c.String(), Kind: "have", Priority: 1, State: "queued", Size: 2, Age: 3},
			`{"direction":"sent","peer":"` + absentPeer + `","cid":"` + c.String() + `","kind":"have","priority":1,"state":"queued","size":2,"age_seconds":3}`},
		"session": {souk.SessionDetail{
			SessionStat: souk.SessionStat{ID: 1, Shared: true, Namespace: "n", Named: []peer.ID{p}, Only: true, Opened: at, Doing: "idle"},
			Tried:       []souk.TriedPeer{{Peer: p, Answer: "blocks", Error: "e", Source: "named"}},
			Oldest:      []souk.OldWant{{CID: c, Age: 1, Waits: "w", Peers: []peer.ID{p}}},
		}, `{"id":1,"shared":true,"namespace":"n","named":["` + absentPeer + `"],"only":true,"opened":"2026-01-02T03:04:05Z","calls":0,` +
			`"wants_left":0,"blocks":0,"bytes":0,"local":0,"duplicates":0,"failed":0,"held":0,"budget":0,"peers":0,"doing":"idle",` +
			`"spent":{"idle_ns":0,"store_ns":0,"searching_ns":0,"dialling_ns":0,"answers_ns":0,"transferring_ns":0,"caller_ns":0,"nobody_ns":0},` +
			`"tried":[{"peer":"` + absentPeer + `","answer":"blocks","error":"e","connected":false,"source":"named","blocks":0,"bytes":0,"haves":0,` +
			`"dont_haves":0,"silences":0,"asked":0,"asked_bytes":0,"share":0,"rate":0,"rtt_ns":0}],` +
			`"oldest":[{"cid":{"/":"` + c.String() + `"},"age_ns":1,"waits":"w","peers":["` + absentPeer + `"]}]}`},
		"class": {souk.ClassStat{Class: "friends", BlocksReceived: 1, BytesReceived: 2, BlocksSent: 3, BytesSent: 4, DownloadRate: 5, UploadRate: 6, DownloadRatePeer: 7, UploadRatePeer: 8},
			`{"class":"friends","blocks_received":1,"bytes_received":2,"blocks_sent":3,"bytes_sent":4,` +
				`"download_rate":5,"upload_rate":6,"download_rate_per_peer":7,"upload_rate_per_peer":8}`},
		"stat": {node.Stat{Time: at, Uptime: 1.5}, `{"time":"2026-01-02T03:04:05Z","uptime_seconds":1.5,"peers":0,"sessions":0,"blocks_received":0,` +
			`"bytes_received":0,"duplicates":0,"duplicate_bytes":0,"blocks_sent":0,"bytes_sent":0,"messages_received":0,"messages_sent":0,` +
			`"wants_received":0,"rates":{"received_10s":0,"received_1m":0,"sent_10s":0,"sent_1m":0},"ever":{"bytes_sent":0,"bytes_received":0,` +
			`"blocks_sent":0,"blocks_received":0,"wants_sent":0,"wants_received":0,"haves_sent":0,"haves_received":0,"dont_haves_sent":0,` +
			`"dont_haves_received":0,"duplicates":0,"duplicate_bytes":0},"accounts":0,"store":{"blocks":0,"bytes":0},"goroutines":0,"heap_bytes":0}`},
	} {
		var out bytes.Buffer
		require.NoError(t, printJSON(&out, of.value))
		require.Equal(t, of.want+"\n", out.String(), name)
	}
}

func TestStatTellsOfClasses(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	source := start(t, b)
	id := source.address()[strings.LastIndex(source.address(), "/")+1:]
	start(t, a, "--access-rules", rulesFile(t, "class friends peer "+id+"\nrate friends down 500MB/s\nrate friends each down 90MB/s"))
	root := add(t, b, tree(t))
	must(t, a, "get", root, "-o", filepath.Join(t.TempDir(), "out"), "--peer", source.address())
	var s node.Stat
	require.NoError(t, json.Unmarshal([]byte(must(t, a, "stat", "--json")), &s))
	require.Len(t, s.Classes, 2)
	require.Equal(t, s.BytesReceived, s.Classes[1].BytesReceived)
	text := must(t, a, "stat")
	require.Regexp(t, `class friends +\S+ MiB received \(at most 500MB/s, 90MB/s each\), 0 B sent\n`, text)
	require.Regexp(t, `class default +0 B received, 0 B sent\n`, text)
	require.NotContains(t, must(t, b, "stat"), "class ", "where there are none")
}

func TestWhatAPeerSaysDoesNothingToATerminal(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writePeers(&out, []souk.PeerStat{{Agent: "\x1b[2Jevil\n", Class: "new"}}, time.Now()))
	require.NotContains(t, out.String(), "\x1b")
	require.Len(t, lines(out.String()), 2)
}

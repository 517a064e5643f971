package debug

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/server"
)

// resolved is a resolver at one moment.
type resolved struct {
	stat    resolver.Stat
	fetches []resolver.FetchStat
	peers   []resolver.PeerStat
	ended   error
}

func (r *resolved) Stat(context.Context) (resolver.Stat, error) { return r.stat, r.ended }

func (r *resolved) Fetches(_ context.Context, _ uint64, most int) (resolver.FetchPage, error) {
	return resolver.FetchPage{Fetches: r.fetches[:min(most, len(r.fetches))], Total: len(r.fetches)}, r.ended
}

func (r *resolved) Peers(_ context.Context, _ peer.ID, most int) (resolver.PeerPage, error) {
	return resolver.PeerPage{Peers: r.peers[:min(most, len(r.peers))], Total: len(r.peers)}, r.ended
}

// resolvingNode returns a node with a service that is no resolver, and one that is.
func resolvingNode() *source {
	r := &resolved{
		stat: resolver.Stat{
			Protocol: "/souk/resolver/1.0.0/log", Pending: 3, Active: 2, Judged: 1, Undelivered: 3 << 20, Peers: 2, Blocked: 1,
			Counts:  resolver.Counts{Fetches: 1234, Completed: 1200, Asked: 1500, Hedges: 17, Answers: 1210, Timeouts: 44, Invalid: 1, Unjudged: 4},
			Serving: &server.Stat{Peers: 2, Waiting: 5, Producing: 4, Unread: 2 << 20, Oversize: 1},
		},
		fetches: []resolver.FetchStat{
			{Key: "\x00\x01block", Age: 70 * time.Second, Waits: "for an answer", Attempts: 3, Most: 9, Deadline: time.Minute, Asked: []peer.ID{id("a")}},
			{Key: "\xff\xfe", Age: time.Second, Waits: "for new targets", Targeted: true},
			{Key: "\xff\xff", Waits: "for the Consumer", Size: 5 << 20, Parts: 3},
		},
		peers: []resolver.PeerStat{
			{Peer: id("a"), Member: true, Performance: 42 * time.Millisecond, Asked: 4, Targets: 1},
			{Peer: id("b"), Member: true, Performance: 10 * time.Second, Penalty: 2.5, Not: "blocked", Until: 10 * time.Minute, Fault: "<b>lied</b>"},
		},
	}
	r.stat.Serving.Outcomes[server.OutcomeValue], r.stat.Serving.Outcomes[server.OutcomeFull] = 777, 6
	return &source{services: []souk.Running{{Name: "chat", Owner: "somebody"}, {Name: "resolver/log", Owner: r}, {Name: "begins"}}}
}

func TestResolversAsJSON(t *testing.T) {
	src := resolvingNode()
	want := src.services[1].Owner.(*resolved)
	var got struct {
		Resolvers []struct {
			Name    string
			Stat    resolver.Stat
			Fetches resolver.FetchPage
			Peers   resolver.PeerPage
		}
	}
	page := get(t, src, "/debug/resolver", "")
	decode(t, page, &got)
	require.Len(t, got.Resolvers, 1)
	r := got.Resolvers[0]
	require.Equal(t, "resolver/log", r.Name)
	require.Equal(t, want.stat, r.Stat)
	require.Equal(t, want.fetches, r.Fetches.Fetches)
	require.Equal(t, want.peers, r.Peers.Peers)
	requireHas(t, page.Body.String(), `"key": "0001626c6f636b"`)
	requireHas(t, get(t, node(), "/debug/resolver", "").Body.String(), `"resolvers": []`)
}

func TestResolversForAPerson(t *testing.T) {
	page := get(t, resolvingNode(), "/debug/resolver", browser).Body.String()
	for _, want := range []string{
		"resolver/log", "/souk/resolver/1.0.0/log", "2 asked for now, 1 with the application", "1 blocked", "3.00 MiB", "17 hedges",
		"42 ms", "10.0 s", "blocked <small>for 10 min", "&lt;b&gt;lied&lt;/b&gt;", "0001626c6f636b", "70 s <small>of 60 s more",
		"nobody", "5.00 MiB <small>3 parts here", "for 2 peers; 2.00 MiB they have not read", `<th scope="row">value</th><td>777</td>`,
		`<th scope="row">Values refused by the application</th><td class="bad">1</td>`,
	} {
		requireHas(t, page, want)
	}
	for _, not := range []string{"<b>", "chat", "ZgotmplZ", "shown", "<th scope=\"row\">gone"} {
		requireHasNot(t, page, not)
	}
	requireHas(t, get(t, node(), "/debug/resolver", browser).Body.String(), "No resolver runs")
}

func TestOnlyAsManyFetchesAndPeersAreShownAsThereMayBe(t *testing.T) {
	src := resolvingNode()
	r := src.services[1].Owner.(*resolved)
	for n := range mostResolved {
		r.fetches = append(r.fetches, resolver.FetchStat{Key: resolver.Key(fmt.Sprint(n))})
		r.peers = append(r.peers, resolver.PeerStat{Peer: id(fmt.Sprint(n))})
	}
	page := get(t, src, "/debug/resolver?limit=5", browser).Body.String()
	requireHas(t, page, "5 of 1\u202f003 fetches shown")
	requireHas(t, page, "5 of 1\u202f002 peers shown")
	var got struct {
		Resolvers []struct{ Fetches resolver.FetchPage }
	}
	decode(t, get(t, src, "/debug/resolver?limit=5000", ""), &got)
	require.Len(t, got.Resolvers[0].Fetches.Fetches, mostResolved)
}

func TestAResolverThatEndsIsLeftOut(t *testing.T) {
	src := resolvingNode()
	src.services[1].Owner.(*resolved).ended = errors.New("closed")
	requireHas(t, get(t, src, "/debug/resolver", "").Body.String(), `"resolvers": []`)
	requireHas(t, get(t, src, "/debug/", "").Body.String(), `"findings": []`)
}

func TestTheFirstPageSaysWhatIsWrongWithAResolver(t *testing.T) {
	src := resolvingNode()
	src.services[1].Owner.(*resolved).stat.Peers = 0
	var got struct {
		Findings []struct{ Level, Text, Page string }
	}
	decode(t, get(t, src, "/debug/", ""), &got)
	var texts []string
	for _, f := range got.Findings {
		require.Equal(t, "/debug/resolver", f.Page)
		texts = append(texts, f.Level+": "+f.Text)
	}
	require.Equal(t, []string{
		"warning: resolver/log has nobody to ask for 3 keys.",
		"warning: resolver/log has 1 key without a target that may be asked.",
		"warning: resolver/log has an application that panicked at 4 values.",
		"warning: resolver/log could not serve 1 value: they are larger than it may serve.",
		"note: resolver/log has blocked 1 peer for what was sent.",
		"note: resolver/log had no time for 6 requests of others.",
	}, texts)
}

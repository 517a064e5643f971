package providers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// tracked is what the model knows of trackers, which answer late, never, with too
// little, with lies, or not at all.
type tracked struct {
	set   map[peer.ID]client.Tracker
	asks  map[askID]asking
	asked map[*query][]peer.ID
	subs  map[subID]peer.ID
	over  map[subID]bool
	lied  map[peer.ID]time.Time

	out     map[peer.ID]time.Time // named with unverified addresses only
	given   map[string][]peer.ID  // by token
	judged  map[string]bool       // token and peer
	sending bool
}

func newTracked() tracked {
	return tracked{
		set: make(map[peer.ID]client.Tracker), asks: make(map[askID]asking), asked: make(map[*query][]peer.ID),
		subs: make(map[subID]peer.ID), over: make(map[subID]bool), lied: make(map[peer.ID]time.Time),
		out: make(map[peer.ID]time.Time), given: make(map[string][]peer.ID), judged: make(map[string]bool),
	}
}

func TestDirectoryKeepsItsPromisesWhateverTrackersDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range 3 {
			m.open(t)
		}
		m.trackers(t)
		actions := m.actions()
		maps.Copy(actions, map[string]func(*rapid.T){
			"trackers":   m.trackers,
			"answer":     m.answer,
			"answer too": m.answer,
			"find too":   m.find,
			"judge":      m.judge,
			"judge too":  m.judge,
			"watch":      m.watch,
			"notice":     m.notice,
			"wait too":   m.wait,
		})
		for range 5 { // Much of what can go wrong needs a past.
			t.Repeat(actions)
		}
		m.end()
	})
}

func (m *model) trackers(t *rapid.T) {
	var all []client.Tracker
	for n := range rapid.SampledFrom([]int{9, 1, 3, 20, 0}).Draw(t, "trackers") {
		c := client.Tracker{AddrInfo: peer.AddrInfo{ID: peer.ID(fmt.Sprint("t", n))}}
		if rapid.IntRange(0, 3).Draw(t, "down") == 0 {
			c.DownUntil = m.now.Add(time.Minute)
		}
		c.Latency = time.Duration(rapid.IntRange(0, 900).Draw(t, "latency")) * time.Millisecond
		all = append(all, c)
	}
	m.set = make(map[peer.ID]client.Tracker)
	for _, c := range all {
		m.set[c.ID] = c
	}
	for id := range m.lied {
		if _, known := m.set[id]; !known {
			delete(m.lied, id)
		}
	}
	m.s.setTrackers(m.now, all)
	m.check()
}

// rows draws what a tracker says. Those called u have been seen by none at their
// addresses.
func (m *model) rows(t *rapid.T) (all []candidate) {
	for range rapid.SampledFrom([]int{0, 2, 5, 30}).Draw(t, "rows") {
		p := m.peer(t)
		said := row{
			verified: true, score: wire.Score(rapid.IntRange(0, 3).Draw(t, "score")),
			complete: rapid.Bool().Draw(t, "complete"), sequence: rapid.Uint64Range(1, 3).Draw(t, "sequence"),
		}
		if rapid.Bool().Draw(t, "unverified") {
			p, said.verified = "u"+p, false
		}
		if !contains(all, p) {
			all = append(all, candidate{AddrInfo: peer.AddrInfo{ID: p}, row: &said})
		}
	}
	return all
}

func (m *model) answer(t *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(t, "answers") {
		if len(m.asks) == 0 {
			return
		}
		id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.asks))).Draw(t, "ask")
		m.reply(id, m.draw(t, id))
	}
}

func (m *model) draw(t *rapid.T, id askID) reply {
	switch rapid.IntRange(0, 7).Draw(t, "reply") {
	case 0:
		return reply{failed: true}
	case 1:
		return reply{refused: true, again: time.Duration(rapid.IntRange(0, 1).Draw(t, "again")) * time.Minute}
	case 2:
		return reply{rows: m.rows(t), lied: true}
	case 3:
		return reply{rows: m.rows(t)}
	}
	return reply{rows: m.rows(t), token: fmt.Sprint("token", id)}
}

func (m *model) reply(id askID, r reply) {
	a := m.asks[id]
	delete(m.asks, id)
	m.note(a.tracker, r)
	for _, c := range r.rows {
		m.given[r.token] = append(m.given[r.token], c.ID)
	}
	m.s.answered(m.now, id, r)
	m.check()
}

func (m *model) note(tracker peer.ID, r reply) {
	if _, known := m.set[tracker]; known && r.lied {
		m.lied[tracker] = m.now
	}
}

func (m *model) judge(t *rapid.T) {
	p := m.peer(t)
	if tokens := slices.Sorted(maps.Keys(m.given)); len(tokens) > 0 {
		p = rapid.SampledFrom(m.given[rapid.SampledFrom(tokens).Draw(t, "token")]).Draw(t, "named")
	}
	j := wire.Judgement{Peer: p, Outcome: wire.Outcome(rapid.IntRange(0, 3).Draw(t, "outcome"))}
	if j.Outcome > 0 {
		delete(m.out, p)
	}
	m.s.judge(m.now, rapid.SampledFrom([]string{"films", "songs"}).Draw(t, "namespace"), []wire.Judgement{j})
	m.check()
}

func (m *model) watch(t *rapid.T) {
	l := m.link(t)
	q := Query{Namespace: rapid.SampledFrom([]string{"", "films", "songs"}).Draw(t, "namespace")}
	if a := m.links[l]; a != nil {
		*a = asked{query: q, at: m.now, told: make(map[peer.ID]bool), watch: true}
	}
	m.s.watch(m.now, l, q)
	m.check()
}

// notice lets a subscription tell something, or end.
func (m *model) notice(t *rapid.T) {
	if m.sending && rapid.Bool().Draw(t, "delivered") {
		m.sending = false
		m.s.delivered(m.now)
		m.check()
	}
	if len(m.subs) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.subs))).Draw(t, "subscription")
	if !rapid.Bool().Draw(t, "ends") {
		r := reply{rows: m.rows(t), more: rapid.Bool().Draw(t, "more"), lied: rapid.Bool().Draw(t, "lied")}
		if !m.over[id] {
			m.note(m.subs[id], r)
		}
		m.s.noticed(m.now, id, r)
		m.check()
		return
	}
	delete(m.subs, id)
	m.s.unsubscribed(m.now, id)
	m.check()
}

// named checks whom a link is told of.
func (m *model) named(a *asked, p peer.ID) {
	if _, connected := m.s.connected[p]; connected {
		delete(m.out, p)
		return
	}
	if len(m.set) > 0 && !a.watch {
		a.dials++
	}
	require.LessOrEqual(m, a.dials, mostDials, "what trackers say costs ten dials at most")
	if !strings.HasPrefix(string(p), "u") {
		return
	}
	maps.DeleteFunc(m.out, func(o peer.ID, since time.Time) bool {
		_, connected := m.s.connected[o]
		return connected || !m.now.Before(since.Add(unverifiedFor))
	})
	if _, out := m.out[p]; !out {
		m.out[p] = m.now
	}
	require.LessOrEqual(m, len(m.out), mostUnverified)
}

// performed checks what trackers are asked and told.
func (m *model) performed(out effects) {
	for _, a := range out.asks {
		require.Contains(m, m.set, a.tracker)
		m.requireTrusted(a.tracker)
		q := m.s.askOf(a.id).query
		require.True(m, q.watch != nil || !slices.Contains(m.asked[q], a.tracker), "each once for a query")
		m.asks[a.id] = a
		if q.watch == nil {
			m.asked[q] = append(m.asked[q], a.tracker)
		}
		require.LessOrEqual(m, len(m.asked[q]), 2*mostAsked)
		require.NotEmpty(m, a.query.Namespace)
		require.NotZero(m, a.query.Seed)
	}
	for _, sub := range out.subscribe {
		require.Contains(m, m.set, sub.tracker)
		m.requireTrusted(sub.tracker)
		m.subs[sub.id] = sub.tracker
	}
	for _, id := range out.unsubscribe {
		require.Contains(m, m.subs, id, "only what was subscribed")
		require.False(m, m.over[id], "once")
		m.over[id] = true
	}
	if len(out.feedback) > 0 {
		require.False(m, m.sending, "one after the other")
		m.sending = true
	}
	for _, f := range out.feedback {
		m.reported(f)
	}
}

func (m *model) requireTrusted(tracker peer.ID) {
	since, lied := m.lied[tracker]
	require.False(m, lied && m.now.Before(since.Add(distrustFor)), "who lies is passed over")
}

func (m *model) reported(f *feedback) {
	require.Contains(m, m.set, f.tracker)
	for _, j := range f.peers {
		said := fmt.Sprint(f.token, " ", j.Peer)
		require.False(m, m.judged[said], "once for each answer and peer")
		m.judged[said] = true
		require.Contains(m, m.given[f.token], j.Peer, "only who was in the answer")
	}
}

// silence lets all trackers be gone, after which only the finders are left to wait
// for.
func (m *model) silence() {
	for len(m.asks) > 0 {
		m.reply(slices.Min(slices.Collect(maps.Keys(m.asks))), reply{failed: true})
	}
}

// quiet lets those follow that are held back.
func (m *model) quiet() {
	for range mostCandidates {
		m.now = m.now.Add(unverifiedFor)
		m.s.tick(m.now)
		m.check()
	}
}

// goneQuiet ends what goes on when nobody waits any more.
func (m *model) goneQuiet() {
	for id := range m.subs {
		require.True(m, m.over[id], "nobody watches")
		m.s.unsubscribed(m.now, id)
	}
	m.s.delivered(m.now)
	m.s.tick(m.now.Add(time.Hour))
	m.s.take()
	require.Empty(m, m.s.asks)
	require.Empty(m, m.s.parked)
	require.Empty(m, m.s.watches)
	require.Empty(m, m.s.subs)
}

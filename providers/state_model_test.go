package providers

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model knows what each link asked last and what it was told of it.
type model struct {
	*rapid.T
	s   *state
	now time.Time

	links   map[linkID]*asked
	opened  linkID
	closed  map[linkID]int
	running map[queryID]*query
	stopped map[queryID]bool

	tracked // what trackers do; nothing while there are none
}

type asked struct {
	query Query
	at    time.Time
	told  map[peer.ID]bool
	done  bool
	watch bool // for what is announced, without an end
	dials int  // of those told, how many were not connected, while there were trackers
}

func newModel(t *rapid.T) *model {
	return &model{
		T: t, s: newState(timeout, rapid.IntRange(0, 5).Draw(t, "finders") > 0), now: began,
		links: make(map[linkID]*asked), closed: make(map[linkID]int),
		running: make(map[queryID]*query), stopped: make(map[queryID]bool),
		tracked: newTracked(),
	}
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"open":      m.open,
		"find":      m.find,
		"found":     m.found,
		"ended":     m.ended,
		"served":    m.served,
		"peerState": m.peerState,
		"enough":    m.enough,
		"cancelAll": m.cancelAll,
		"wait":      m.wait,
		"":          func(*rapid.T) { m.invariants() },
	}
}

func TestDirectoryKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(m.actions())
		m.end()
	})
}

func (m *model) link(t *rapid.T) linkID {
	return linkID(rapid.IntRange(0, int(m.opened)+1).Draw(t, "link"))
}

func (m *model) peer(t *rapid.T) peer.ID {
	return peer.ID(fmt.Sprint("p", rapid.IntRange(0, 29).Draw(t, "peer")))
}

func (m *model) open(*rapid.T) {
	m.opened++
	m.links[m.opened] = &asked{done: true}
	m.s.open(m.opened)
}

func (m *model) find(t *rapid.T) {
	l := m.link(t)
	q := Query{
		Namespace: rapid.SampledFrom([]string{"films", "songs", ""}).Draw(t, "namespace"),
		Most:      rapid.OneOf(rapid.IntRange(-1, 5), rapid.Just(mostCandidates)).Draw(t, "most"),
	}
	if rapid.Bool().Draw(t, "sampled") {
		q.CIDs = sample("x")
	}
	if a := m.links[l]; a != nil {
		same := !a.done && !a.watch && a.query.Namespace == q.Namespace && a.query.Most == q.Most && len(a.query.CIDs) == len(q.CIDs)
		if !same {
			*a = asked{query: q, at: m.now, told: make(map[peer.ID]bool)}
		}
	}
	m.s.find(m.now, l, q)
	m.check()
}

// query draws a query that is at the finders.
func (m *model) query(t *rapid.T) (queryID, bool) {
	if len(m.running) == 0 {
		return 0, false
	}
	var all []queryID
	for id := range m.s.last {
		if m.running[id+1] != nil {
			all = append(all, id+1)
		}
	}
	return rapid.SampledFrom(all).Draw(t, "query"), true
}

func (m *model) found(t *rapid.T) {
	if id, any := m.query(t); any {
		m.s.found(id, peer.AddrInfo{ID: m.peer(t)})
		m.check()
	}
}

func (m *model) ended(t *rapid.T) {
	if id, any := m.query(t); any {
		delete(m.running, id)
		m.s.ended(m.now, id)
		m.check()
	}
}

func (m *model) served(t *rapid.T) {
	m.s.served(rapid.SampledFrom([]string{"", "films"}).Draw(t, "namespace"), []peer.ID{m.peer(t), m.peer(t)})
}

func (m *model) peerState(t *rapid.T) {
	m.s.peerState(m.peer(t), rapid.Bool().Draw(t, "connected"))
}

func (m *model) enough(t *rapid.T) {
	l := m.link(t)
	if a := m.links[l]; a != nil {
		*a = asked{done: true}
	}
	m.s.enough(l)
	m.check()
}

func (m *model) cancelAll(t *rapid.T) {
	l := m.link(t)
	delete(m.links, l)
	m.s.cancelAll(l)
	m.check()
}

func (m *model) wait(t *rapid.T) {
	unit := rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Millisecond}).Draw(t, "unit")
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "time")) * unit)
	m.s.tick(m.now)
	m.check()
}

func (m *model) check() {
	out := m.s.take()
	for _, t := range out.told {
		a := m.links[t.link]
		require.NotNil(m, a, "nothing is told to a closed link")
		require.False(m, a.done, "Done comes once and last")
		for _, p := range t.candidates.Peers {
			m.named(a, p.ID)
			require.False(m, a.told[p.ID], "each candidate once")
			a.told[p.ID] = !a.watch
		}
		require.True(m, a.watch || len(a.told) <= max(a.query.Most, 0))
		require.False(m, a.watch && t.candidates.Done, "a watch has no end")
		a.done = t.candidates.Done
	}
	m.performed(out)
	for _, l := range out.closed {
		m.closed[l]++
	}
	for _, q := range out.start {
		require.Nil(m, m.running[q.id])
		m.running[q.id] = q
	}
	for _, id := range out.stop {
		require.NotNil(m, m.running[id], "only what was started")
		require.False(m, m.stopped[id], "once")
		m.stopped[id] = true
	}
}

func (m *model) invariants() {
	require.LessOrEqual(m, len(m.running), maxQueries)
	require.Len(m, m.s.running, len(m.running))
	waiting := make(map[key]bool)
	for l, a := range m.links {
		require.Equal(m, a.done, m.s.links[l].query == nil)
		if !a.done {
			require.True(m, a.watch || m.now.Before(a.at.Add(timeout)), "Done comes in time")
			waiting[m.s.links[l].query.key] = true
		}
	}
	require.Len(m, m.s.flying, len(waiting), "one query for all who ask the same, none for nobody")
	require.Len(m, m.s.ageing, len(waiting)-len(m.s.watches))
	require.NoError(m, m.s.audit())
	for id := range m.running {
		require.Equal(m, m.stopped[id], m.running[id].over)
	}
}

// end lets the finders finish, after which nobody waits, then closes the links.
func (m *model) end() {
	m.silence()
	for len(m.running) > 0 {
		for id := range m.running {
			delete(m.running, id)
			m.s.ended(m.now, id)
			m.check()
			break
		}
	}
	m.quiet()
	for l, a := range m.links {
		require.True(m, a.done || a.watch, "link %d", l)
	}
	for l := range m.opened {
		m.s.cancelAll(l + 1)
	}
	m.links = nil
	m.check()
	for l := range m.opened {
		require.Equal(m, 1, m.closed[l+1], "link %d", l+1)
	}
	m.goneQuiet()
	requireEmpty(m, m.s)
}

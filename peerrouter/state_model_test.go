package peerrouter

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the naive router: it knows who asked for what and which peers are
// connected, and checks each effect against that.
type model struct {
	*rapid.T
	s   *state
	now time.Time

	connected map[peer.ID]bool
	denied    map[peer.ID]bool
	interest  map[linkID]map[peer.ID]bool
	watching  map[linkID]bool
	opened    linkID
	closed    map[linkID]int
	dialling  map[peer.ID]bool
	dials     map[peer.ID][]time.Time
	word      map[linkID]map[peer.ID]Status // the last that each link heard
}

const modelDials = 2

func TestRouterDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			T: t, s: newState(modelDials, time.Second, 30*time.Second), now: began,
			connected: make(map[peer.ID]bool), interest: make(map[linkID]map[peer.ID]bool), watching: make(map[linkID]bool),
			closed: make(map[linkID]int), dialling: make(map[peer.ID]bool), dials: make(map[peer.ID][]time.Time),
			word: make(map[linkID]map[peer.ID]Status),
		}
		m.denied = make(map[peer.ID]bool)
		m.s.denies = func(p peer.ID) bool { return m.denied[p] }
		t.Repeat(map[string]func(*rapid.T){
			"deny":      m.deny,
			"open":      m.open,
			"interest":  m.ask,
			"cancel":    m.cancel,
			"cancelAll": m.cancelAll,
			"watch":     m.watch,
			"peerState": m.peerState,
			"dialled":   m.dialled,
			"wait":      m.wait,
			"":          func(*rapid.T) { m.invariants() },
		})
		m.end()
	})
}

func (m *model) link(t *rapid.T) linkID {
	return linkID(rapid.IntRange(0, int(m.opened)+1).Draw(t, "link"))
}

func (m *model) peers(t *rapid.T) []peer.ID {
	var all []peer.ID
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(t, "peers") {
		all = append(all, peer.ID(fmt.Sprint("p", n)))
	}
	return all
}

func (m *model) open(*rapid.T) {
	m.opened++
	m.interest[m.opened] = make(map[peer.ID]bool)
	m.word[m.opened] = make(map[peer.ID]Status)
	m.s.open(m.opened)
}

func (m *model) ask(t *rapid.T) {
	l, peers := m.link(t), m.peers(t)
	var all []peer.AddrInfo
	for _, p := range peers {
		all = append(all, peer.AddrInfo{ID: p})
		if m.interest[l] != nil {
			m.interest[l][p] = true
		}
	}
	m.s.interest(m.now, l, all)
	m.check()
}

func (m *model) cancel(t *rapid.T) {
	l, peers := m.link(t), m.peers(t)
	for _, p := range peers {
		delete(m.interest[l], p)
		if !m.watching[l] {
			delete(m.word[l], p) // Nobody keeps it up to date.
		}
	}
	m.s.cancel(l, peers)
	m.check()
}

func (m *model) cancelAll(t *rapid.T) {
	l := m.link(t)
	delete(m.interest, l)
	delete(m.watching, l)
	m.s.cancelAll(l)
	m.check()
}

func (m *model) watch(t *rapid.T) {
	l := m.link(t)
	if m.interest[l] != nil {
		m.watching[l] = true
	}
	m.s.watch(l)
	m.check()
}

func (m *model) peerState(t *rapid.T) {
	for _, p := range m.peers(t) {
		connected := rapid.Bool().Draw(t, "connected")
		changed := m.connected[p] != connected
		if m.connected[p] = connected; !connected {
			delete(m.connected, p)
		}
		m.s.peerState(m.now, p, connected)
		out := m.check()
		if changed {
			require.Equal(m, []change{{p, connected}}, out.known)
		} else {
			require.Empty(m, out.known)
		}
	}
}

func (m *model) deny(t *rapid.T) {
	clear(m.denied)
	for _, p := range m.peers(t) {
		m.denied[p] = true
	}
	m.s.decideAll(m.now)
	m.check()
}

func (m *model) dialled(t *rapid.T) {
	if len(m.dialling) == 0 {
		return
	}
	p := rapid.SampledFrom(slices.Sorted(maps.Keys(m.dialling))).Draw(t, "peer")
	delete(m.dialling, p)
	var err error
	if rapid.Bool().Draw(t, "refused") {
		err = errRefused
	}
	m.s.dialled(m.now, p, err)
	m.check()
}

func (m *model) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
	m.s.tick(m.now)
	m.check()
}

func (m *model) needed(p peer.ID) bool {
	for _, peers := range m.interest {
		if peers[p] {
			return true
		}
	}
	return false
}

func (m *model) check() effects {
	out := m.s.take()
	for _, n := range out.news {
		require.True(m, m.interest[n.link][n.peer] || m.watching[n.link], "link %d asked for %s", n.link, n.peer)
		require.Equal(m, n.news.Status == Unreachable, n.news.Err != nil)
		m.word[n.link][n.peer] = n.news.Status
	}
	for _, l := range out.closed {
		m.closed[l]++
	}
	for _, d := range out.dials {
		require.False(m, m.dialling[d.ID], "once at a time")
		require.False(m, m.connected[d.ID])
		require.False(m, m.denied[d.ID])
		require.True(m, m.needed(d.ID))
		m.dialling[d.ID] = true
		m.dials[d.ID] = append(m.dials[d.ID], m.now)
	}
	return out
}

func (m *model) invariants() {
	require.LessOrEqual(m, len(m.dialling), modelDials)
	require.Equal(m, len(m.dialling), m.s.dialling)
	for l := range m.interest {
		for p := range m.connected {
			word := Available
			if m.denied[p] {
				word = Denied
			}
			if m.interest[l][p] || m.watching[l] {
				require.Equal(m, word, m.word[l][p], "the last word to link %d about %s", l, p)
			}
		}
		for p := range m.interest[l] {
			switch {
			case m.connected[p]:
			case m.denied[p]:
				require.Equal(m, Denied, m.word[l][p], "the last word to link %d about %s", l, p)
			default:
				require.NotEqual(m, Available, m.word[l][p], "the last word to link %d about %s", l, p)
				require.True(m, m.dialling[p] || m.s.peers[p].dial.queued(), "%s has a next dial", p)
			}
		}
	}
	require.NoError(m, m.s.audit())
	for _, p := range m.s.waiting {
		require.True(m, m.needed(p.id))
		require.False(m, m.denied[p.id])
		require.False(m, m.connected[p.id])
	}
	if wake := m.s.wake(); len(m.dialling) < modelDials && !wake.IsZero() {
		require.True(m, wake.After(m.now), "what is due has begun")
	}
}

// end takes every interest back; what is left are the connected peers, and with
// those gone nothing.
func (m *model) end() {
	for l := range m.opened {
		m.s.cancelAll(l + 1)
	}
	m.interest, m.watching = nil, nil
	m.check()
	for l := range m.opened {
		require.Equal(m, 1, m.closed[l+1], "link %d", l+1)
	}
	for _, p := range slices.Sorted(maps.Keys(m.dialling)) {
		m.s.dialled(m.now, p, errRefused)
	}
	require.Equal(m, slices.Sorted(maps.Keys(m.connected)), slices.Sorted(maps.Keys(m.s.peers)))
	for p := range m.connected {
		m.s.peerState(m.now, p, false)
	}
	m.s.take()
	requireEmpty(m, m.s)
	for p, at := range m.dials {
		require.True(m, slices.IsSortedFunc(at, time.Time.Compare), "dials of %s", p)
	}
}

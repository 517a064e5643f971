package blockrouter

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the naive router: it knows who wants what and what the store holds,
// and checks each effect against that.
type model struct {
	*rapid.T
	s      *state
	limits limits

	names  []string // of the blocks there are
	links  map[linkID]map[cid.Cid]*pending
	opened linkID
	stored map[cid.Cid]bool
	staged map[cid.Cid]int
	queue  []cid.Cid // delivered from peers and not yet given to the writer
	wrote  []cid.Cid // what the writer has
	jobs   []lookup
	closed []linkID

	messages int
	released map[int]int

	got map[linkID]map[cid.Cid]int // blocks delivered in this event
}

// pending is one want. An answer about the store is right only when the store
// was looked at after the want.
type pending struct {
	here     bool // in the store when it was wanted: Missing would be wrong
	answered bool
}

func TestRouterDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{
			storeBytes: rapid.IntRange(1, 12).Draw(t, "storeBytes"), batchBytes: rapid.IntRange(1, 6).Draw(t, "batchBytes"),
			lookupCIDs: rapid.IntRange(1, 3).Draw(t, "lookupCIDs"), loadCIDs: rapid.IntRange(1, 2).Draw(t, "loadCIDs"),
			workers: rapid.IntRange(1, 3).Draw(t, "workers"), keep: rapid.IntRange(0, 4).Draw(t, "keep") > 0,
		}
		m := &model{
			T: t, s: newState(l), limits: l, links: make(map[linkID]map[cid.Cid]*pending),
			stored: make(map[cid.Cid]bool), staged: make(map[cid.Cid]int), released: make(map[int]int),
		}
		for n := range 8 {
			m.names = append(m.names, fmt.Sprint(n))
		}
		t.Repeat(map[string]func(*rapid.T){
			"open":      m.open,
			"want":      m.want,
			"load":      m.load,
			"cancel":    m.cancel,
			"cancelAll": m.cancelAll,
			"put":       m.put,
			"message":   m.message,
			"look":      m.look,
			"write":     m.write,
			"":          func(*rapid.T) { m.invariants() },
		})
		m.end()
	})
}

func (m *model) open(*rapid.T) {
	m.opened++
	m.links[m.opened] = make(map[cid.Cid]*pending)
	m.s.open(m.opened)
	m.check()
}

// link draws an open link, or one that never was or is no more.
func (m *model) link(t *rapid.T) linkID {
	return linkID(rapid.IntRange(0, int(m.opened)+1).Draw(t, "link"))
}

func (m *model) some(t *rapid.T, label string) []cid.Cid {
	var cs []cid.Cid
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(m.names), 0, 5).Draw(t, label) {
		cs = append(cs, block(name).Cid())
	}
	return cs
}

func (m *model) someBlocks(t *rapid.T, label string) []blocks.Block {
	var bs []blocks.Block
	for _, c := range m.some(t, label) {
		bs = append(bs, block(nameOf[c]))
	}
	return bs
}

func (m *model) want(t *rapid.T) {
	l, cs := m.link(t), m.some(t, "cids")
	if wants := m.links[l]; wants != nil {
		for _, c := range cs {
			if wants[c] == nil {
				wants[c] = &pending{here: m.stored[c]}
			}
		}
	}
	m.s.want(l, cs)
	m.check()
}

func (m *model) load(t *rapid.T) {
	m.s.load(m.link(t), m.some(t, "cids"))
	m.check()
}

func (m *model) cancel(t *rapid.T) {
	l, cs := m.link(t), m.some(t, "cids")
	for _, c := range cs {
		delete(m.links[l], c)
	}
	m.s.cancel(l, cs)
	m.check()
}

func (m *model) cancelAll(t *rapid.T) {
	l := m.link(t)
	if m.links[l] != nil {
		m.closed = append(m.closed, l)
	}
	delete(m.links, l)
	m.s.cancelAll(l)
	m.check()
}

func (m *model) put(t *rapid.T) {
	bs := m.someBlocks(t, "blocks")
	wanted := m.wantedOf(bs)
	for _, b := range bs {
		m.stored[b.Cid()] = true
	}
	m.s.put(time.Time{}, bs)
	out := m.check()
	require.Equal(t, bs, out.available)
	require.Equal(t, wanted, m.got, "every link that waits, and no other")
}

// wantedOf is who must get what when these blocks come.
func (m *model) wantedOf(bs []blocks.Block) map[linkID]map[cid.Cid]int {
	due := make(map[linkID]map[cid.Cid]int)
	for l, wants := range m.links {
		for _, b := range bs {
			if wants[b.Cid()] == nil {
				continue
			}
			if due[l] == nil {
				due[l] = make(map[cid.Cid]int)
			}
			due[l][b.Cid()] = 1
		}
	}
	return due
}

func (m *model) message(t *rapid.T) {
	if m.s.full() {
		return // The shell does not read.
	}
	bs, haves, dontHaves := m.someBlocks(t, "blocks"), m.some(t, "haves"), m.some(t, "dontHaves")
	wanted := m.wantedOf(bs)
	if m.limits.keep {
		m.queue = append(m.queue, keptOf(bs, wanted)...)
	}
	id := m.messages
	m.messages++
	m.s.message("peer", time.Time{}, time.Time{}, bs, haves, dontHaves, func() { m.released[id]++ })
	out := m.check()
	require.Equal(t, wanted, m.got, "every link that waits, and no other")
	m.checkPresences(out, haves, dontHaves)
}

// keptOf are the blocks that somebody waits for, each once.
func keptOf(bs []blocks.Block, wanted map[linkID]map[cid.Cid]int) (kept []cid.Cid) {
	for _, b := range bs {
		for _, due := range wanted {
			if due[b.Cid()] > 0 && !slices.Contains(kept, b.Cid()) {
				kept = append(kept, b.Cid())
			}
		}
	}
	return kept
}

// checkPresences finds the last word about every CID that a link wants.
func (m *model) checkPresences(out effects, haves, dontHaves []cid.Cid) {
	told := make(map[linkID]map[PeerCID]bool)
	for _, i := range out.info {
		told[i.link] = i.info.Presences
	}
	for l, wants := range m.links {
		for c := range wants {
			have, heard := told[l][PeerCID{"peer", c}]
			require.Equal(m, slices.Contains(haves, c) || slices.Contains(dontHaves, c), heard)
			require.Equal(m, heard && !slices.Contains(dontHaves, c), have)
		}
	}
}

// look answers one of the lookups under way, in any order.
func (m *model) look(t *rapid.T) {
	if len(m.jobs) == 0 {
		return
	}
	n := rapid.IntRange(0, len(m.jobs)-1).Draw(t, "job")
	res := looked{lookup: m.jobs[n], failed: make(map[cid.Cid]error)}
	m.jobs = slices.Delete(m.jobs, n, n+1)
	broken := rapid.IntRange(0, 5).Draw(t, "broken") == 0
	for _, c := range res.cids {
		switch {
		case broken:
			res.failed[c] = errDisk
		case !m.stored[c]:
			res.gone = append(res.gone, c)
		case res.load:
			res.blocks = append(res.blocks, block(nameOf[c]))
		default:
			res.here = append(res.here, c)
		}
	}
	m.s.looked(time.Time{}, res)
	m.check()
}

func (m *model) write(t *rapid.T) {
	if len(m.wrote) == 0 {
		return
	}
	m.finishWrite(rapid.IntRange(0, 3).Draw(t, "fails") == 0)
}

func (m *model) finishWrite(fails bool) {
	var err error
	if fails {
		err = errDisk
	}
	done := m.wrote
	m.wrote = nil
	m.s.wrote(err)
	out := m.check()
	var announced []cid.Cid
	for _, b := range out.available {
		announced = append(announced, b.Cid())
	}
	if fails {
		require.Empty(m, announced)
		return
	}
	require.Equal(m, done, announced)
	for _, c := range done {
		m.stored[c] = true
	}
}

// check takes the effects of an event and compares what links are told with what
// they wait for.
func (m *model) check() effects {
	out := m.s.take()
	m.got = make(map[linkID]map[cid.Cid]int)
	var order []linkID
	for _, i := range out.info {
		require.NotContains(m, order, i.link, "one batch an event")
		order = append(order, i.link)
		m.checkInfo(i.link, i.info)
	}
	for _, l := range out.closed {
		require.Equal(m, m.closed[0], l)
		m.closed = m.closed[1:]
	}
	require.Empty(m, m.closed)
	for _, b := range out.staged {
		m.staged[b.Cid()]++
	}
	for _, b := range out.unstaged {
		m.staged[b.Cid()]--
	}
	m.jobs = append(m.jobs, out.lookups...)
	if len(out.write) > 0 {
		require.Empty(m, m.wrote, "one write at a time")
		for n, w := range out.write {
			require.Equal(m, m.queue[n], w.block.Cid(), "in the order in which they came")
			m.wrote = append(m.wrote, w.block.Cid())
		}
		m.queue = m.queue[len(out.write):]
	}
	for _, release := range out.release {
		release()
	}
	return out
}

func (m *model) checkInfo(l linkID, info Info) {
	wants, open := m.links[l]
	require.True(m, open, "nothing is told to a closed link")
	for _, r := range info.Blocks {
		c := r.Block.Cid()
		require.Contains(m, wants, c, "each block once for each want")
		delete(wants, c)
		if m.got[l] == nil {
			m.got[l] = make(map[cid.Cid]int)
		}
		m.got[l][c]++
	}
	for _, c := range info.Local {
		require.Contains(m, wants, c)
		require.True(m, m.stored[c])
		wants[c].answered = true
	}
	for _, c := range info.Missing {
		require.Contains(m, wants, c)
		require.False(m, wants[c].here, "it was here before it was wanted")
		wants[c].answered = true
	}
	for c := range info.Failed {
		require.Contains(m, wants, c)
		wants[c].answered = true
	}
}

func (m *model) invariants() {
	waiting := len(m.queue) + len(m.wrote) // Names have one byte.
	require.Equal(m, waiting >= m.limits.storeBytes, m.s.full())
	staged := maps.Clone(m.staged)
	for _, c := range slices.Concat(m.queue, m.wrote) {
		staged[c]--
	}
	for c, n := range staged {
		require.Zero(m, n, "%s is staged while it waits to be stored", nameOf[c])
	}
	require.LessOrEqual(m, len(m.jobs), m.limits.workers)
	require.Equal(m, len(m.jobs), m.s.looking)
	require.False(m, len(m.wrote) == 0 && len(m.queue) > 0, "the writer is never idle with work to do")
	for id := range m.messages {
		require.LessOrEqual(m, m.released[id], 1)
	}
	require.NoError(m, m.s.audit())
	for l, wants := range m.links {
		require.Equal(m, len(wants), m.s.links[l].wants, "link %d", l)
	}
}

// end lets the workers finish; then every want is answered, every message
// released, and when the links are closed nothing is left.
func (m *model) end() {
	for len(m.jobs) > 0 {
		j := m.jobs[0]
		m.jobs = m.jobs[1:]
		res := looked{lookup: j}
		for _, c := range j.cids {
			if m.stored[c] && !j.load {
				res.here = append(res.here, c)
			} else if !m.stored[c] {
				res.gone = append(res.gone, c)
			}
		}
		m.s.looked(time.Time{}, res)
		m.check()
	}
	for l, wants := range m.links {
		for c, p := range wants {
			require.True(m, p.answered, "link %d, block %s", l, nameOf[c])
		}
	}
	for len(m.wrote) > 0 {
		m.finishWrite(false)
	}
	for id := range m.messages {
		require.Equal(m, 1, m.released[id], "message %d", id)
	}
	for l := range m.opened {
		m.s.cancelAll(l + 1)
	}
	m.s.take()
	requireEmpty(m, m.s)
}

// The work for one event depends on what it is about, not on how much there is:
// a message to a thousand links that want the same is one batch for each.
func TestManyLinksManyPresences(t *testing.T) {
	const links, each = 1000, 200
	s := newState(limits{storeBytes: 1, batchBytes: 1, lookupCIDs: 256, loadCIDs: 16, workers: 1, keep: true})
	var cs []cid.Cid
	for n := range each {
		cs = append(cs, block(fmt.Sprint(n)).Cid())
	}
	for l := range linkID(links) {
		s.open(l)
		s.want(l, cs)
	}
	s.take()
	s.message(peer.ID("p"), time.Time{}, time.Time{}, nil, cs, nil, func() {})
	out := s.take()
	require.Len(t, out.info, links)
	for _, i := range out.info {
		require.Len(t, i.info.Presences, each)
	}
}

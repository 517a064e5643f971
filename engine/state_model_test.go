package engine

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/message"
)

// model is what the engine should do, with no thought of when: who wants what
// and was not answered, and how often each was entitled to an answer.
type model struct {
	wants  map[peer.ID]map[cid.Cid]message.WantType
	asked  map[peer.ID]map[string]int // wants so far, by the block's name
	stored map[string]bool
}

func newModel() *model {
	m := &model{
		wants:  make(map[peer.ID]map[cid.Cid]message.WantType),
		asked:  make(map[peer.ID]map[string]int),
		stored: make(map[string]bool),
	}
	for _, p := range everybody {
		m.wants[p] = make(map[cid.Cid]message.WantType)
		m.asked[p] = make(map[string]int)
	}
	return m
}

var everybody = []peer.ID{alice, bob, carol}

func (m *model) want(p peer.ID, entries []message.Entry, full bool) {
	if full {
		clear(m.wants[p])
	}
	for _, e := range entries {
		if e.Cancel {
			delete(m.wants[p], e.CID)
			continue
		}
		m.asked[p][name(e.CID)]++
		if kind, ok := m.wants[p][e.CID]; !ok || kind == message.WantHave {
			m.wants[p][e.CID] = e.Type
		}
	}
}

// sent ends the wants that a message answers.
func (m *model) sent(ship *shipment) {
	wants := m.wants[ship.Peer]
	for _, b := range ship.Message.Blocks {
		delete(wants, b.Cid())
	}
	for _, p := range ship.Message.Presences {
		if kind, ok := wants[p.CID]; ok && p.Have && kind == message.WantHave {
			delete(wants, p.CID)
		}
	}
}

func (m *model) list(p peer.ID) []string {
	var list []string
	for c := range m.wants[p] {
		list = append(list, name(c))
	}
	slices.Sort(list)
	return list
}

// Whatever comes in, and in whatever order jobs and messages are done: what is
// there is answered, what is not there stays wanted, nothing is sent more often
// than it was asked for, and every number adds up after each step.
func TestStateAgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, Limits{
			Tasks:        rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "tasks"),
			MessageBytes: rapid.SampledFrom([]int{1, 10 << 10}).Draw(t, "message bytes"),
			NodeBytes:    rapid.SampledFrom([]int{1, 20 << 10, 1 << 20}).Draw(t, "node bytes"),
		})
		m := newModel()
		r.noted = m.sent
		if rapid.Bool().Draw(t, "guarded") {
			r.guard(func(peer.ID, cid.Cid) bool { return true })
		}
		random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			modelStep(r, m, random)
			r.collect()
		}
		finishModel(r, m)
	})
}

// modelStep does one random thing to both.
func modelStep(r *rig, m *model, random *rand.Rand) {
	p := everybody[random.IntN(len(everybody))]
	switch n := random.IntN(100); {
	case n < 30:
		entries, full := randomWants(random), random.IntN(10) == 0
		m.want(p, entries, full)
		r.state.wants(r.now, p, 0, entries, full, 0)
	case n < 36:
		b := randomBlock(random)
		m.stored[name(b.Cid())] = true
		r.put(b)
	case n < 38:
		clear(m.wants[p])
		r.disconnect(p)
		r.collect()
		r.connect(p)
	case n < 42:
		r.shelf.broken[message.Multihash(randomBlock(random).Cid())] = true
	case n < 44:
		clear(r.shelf.broken)
	case n < 46:
		r.refuse = []error{nil, nil, errDisk}[random.IntN(3)]
	case n < 50:
		r.now = r.now.Add(retryFirst / 4)
		r.state.tick(r.now)
	case n < 75 && len(r.jobs) > 0:
		r.work(random.IntN(len(r.jobs)))
	case len(r.inFlight) > 0:
		r.send(random.IntN(len(r.inFlight)))
	}
}

func randomBlock(random *rand.Rand) blocks.Block {
	return letter(string("abcdefghijkl"[random.IntN(12)]))
}

// randomWants returns a wantlist as the decoder does: each CID once.
func randomWants(random *rand.Rand) []message.Entry {
	var b message.Builder
	for range 1 + random.IntN(6) {
		b.AddEntry(message.Entry{
			CID:          randomBlock(random).Cid(),
			Priority:     int32(random.IntN(3)),
			Type:         message.WantType(random.IntN(2)),
			Cancel:       random.IntN(4) == 0,
			SendDontHave: random.IntN(2) == 0,
		})
	}
	return b.Message().Wantlist
}

// finishModel mends everything, lets all be done and compares.
func finishModel(r *rig, m *model) {
	r.refuse = nil
	clear(r.shelf.broken)
	r.advance(2 * retryMost)
	for _, p := range everybody {
		require.Equal(r.t, m.list(p), r.list(p))
		for _, n := range r.list(p) {
			require.False(r.t, m.stored[n], "%s is there and was not sent", n)
		}
		require.Empty(r.t, m.excess(p, r.heard(p)))
	}
	require.Zero(r.t, r.state.inFlight+r.state.jobsOut)
	for _, p := range everybody {
		r.disconnect(p)
	}
	r.collect()
	require.Empty(r.t, r.state.partners)
	require.Empty(r.t, r.state.index)
	require.Zero(r.t, r.state.live+r.state.table+r.state.retries.Len()+r.state.sleepers.Len())
}

// excess lists what p was told more often than it asked, and blocks and HAVEs
// that nobody could have sent.
func (m *model) excess(p peer.ID, said []string) []string {
	var excess []string
	told := make(map[string]int)
	for _, words := range said {
		told[words]++
		kind, n, _ := strings.Cut(words, " ")
		if told[words] > m.asked[p][n] || kind != "dont-have" && !m.stored[n] {
			excess = append(excess, words)
		}
	}
	return excess
}

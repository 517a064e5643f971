package blockrouter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDisk = errors.New("disk on fire")

// block makes a block from its name, so that a name stands for a CID.
func block(name string) blocks.Block { return blocks.NewBlock([]byte(name)) }

func blocksOf(names string) (bs []blocks.Block) {
	for _, name := range strings.Fields(names) {
		bs = append(bs, block(name))
	}
	return bs
}

func cids(names string) (cs []cid.Cid) {
	for _, b := range blocksOf(names) {
		cs = append(cs, b.Cid())
	}
	return cs
}

// nameOf is the name of a CID made by block; names have one letter, or are
// numbers below a thousand.
var nameOf = func() map[cid.Cid]string {
	names := make(map[cid.Cid]string)
	for c := 'a'; c <= 'z'; c++ {
		names[block(string(c)).Cid()] = string(c)
	}
	for n := range 1000 {
		names[block(fmt.Sprint(n)).Cid()] = fmt.Sprint(n)
	}
	return names
}()

func namesOf(cs []cid.Cid) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = nameOf[c]
	}
	return strings.Join(names, " ")
}

// rig drives a state without goroutines and remembers what it did.
type rig struct {
	*testing.T
	*state
	out      effects // of the last event
	jobs     []lookup
	released []string // by the name of the message
}

func newRig(t *testing.T, change ...func(*limits)) *rig {
	l := limits{storeBytes: 4, batchBytes: 2, lookupCIDs: 2, loadCIDs: 1, workers: 1, keep: true}
	for _, f := range change {
		f(&l)
	}
	r := &rig{T: t, state: newState(l)}
	for l := linkID(1); l <= 3; l++ {
		r.open(l)
	}
	return r
}

// then takes the effects of the event before.
func (r *rig) then() {
	r.out = r.take()
	r.jobs = append(r.jobs, r.out.lookups...)
	for _, release := range r.out.release {
		release()
	}
}

func (r *rig) want(l linkID, names string) { r.state.want(l, cids(names)); r.then() }

func (r *rig) load(l linkID, names string) { r.state.load(l, cids(names)); r.then() }

func (r *rig) cancel(l linkID, names string) { r.state.cancel(l, cids(names)); r.then() }

func (r *rig) listen(l linkID, to peer.ID, name string) {
	r.state.listen(l, PeerCID{to, block(name).Cid()})
	r.then()
}

func (r *rig) cancelAll(l linkID) { r.state.cancelAll(l); r.then() }

func (r *rig) put(names string) { r.state.put(time.Time{}, blocksOf(names)); r.then() }

func (r *rig) wrote(err error) { r.state.wrote(err); r.then() }

// message is named by what it brings.
func (r *rig) message(from peer.ID, names string) {
	r.state.message(from, time.Time{}, time.Time{}, blocksOf(names), nil, nil, func() { r.released = append(r.released, names) })
	r.then()
}

func (r *rig) presence(from peer.ID, haves, dontHaves string) {
	r.state.message(from, time.Time{}, time.Time{}, nil, cids(haves), cids(dontHaves), func() {})
	r.then()
}

// look answers the oldest lookup from a store that holds the named blocks.
func (r *rig) look(stored string) {
	require.NotEmpty(r, r.jobs, "a lookup is under way")
	res := looked{lookup: r.jobs[0]}
	r.jobs = r.jobs[1:]
	for _, c := range res.cids {
		switch {
		case !strings.Contains(stored, nameOf[c]):
			res.gone = append(res.gone, c)
		case res.load:
			res.blocks = append(res.blocks, block(nameOf[c]))
		default:
			res.here = append(res.here, c)
		}
	}
	r.state.looked(time.Time{}, res)
	r.then()
}

// told is what a link heard of the last event.
func (r *rig) told(l linkID) string {
	for _, i := range r.out.info {
		if i.link == l {
			return describe(i.info)
		}
	}
	return ""
}

func describe(i Info) string {
	var parts []string
	for _, b := range i.Blocks {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("block %s %s", nameOf[b.Block.Cid()], string(b.From))))
	}
	if len(i.Local) > 0 {
		parts = append(parts, "local "+namesOf(i.Local))
	}
	if len(i.Missing) > 0 {
		parts = append(parts, "missing "+namesOf(i.Missing))
	}
	for c := range i.Failed {
		parts = append(parts, "failed "+nameOf[c])
	}
	for k, have := range i.Presences {
		parts = append(parts, fmt.Sprintf("%s %s %t", string(k.Peer), nameOf[k.CID], have))
	}
	return strings.Join(parts, ", ")
}

func (r *rig) writing() string { return names(r.state.writing) }

func names(job []stored) string {
	cs := make([]cid.Cid, len(job))
	for i := range job {
		cs[i] = job[i].block.Cid()
	}
	return namesOf(cs)
}

func (r *rig) available() string {
	cs := make([]cid.Cid, len(r.out.available))
	for i, b := range r.out.available {
		cs[i] = b.Cid()
	}
	return namesOf(cs)
}

// empty checks that nothing is left of what links and messages brought.
func (r *rig) empty() {
	requireEmpty(r, r.state)
}

func requireEmpty(t require.TestingT, s *state) {
	require.Zero(t, s.wishes.first.Len())
	require.Empty(t, s.wishes.more)
	require.Empty(t, s.interested)
	require.Empty(t, s.listening)
	require.Empty(t, s.links)
	require.Empty(t, s.turns)
	require.Zero(t, s.looking)
	require.Empty(t, s.unstored)
	require.Empty(t, s.writing)
	require.Zero(t, s.backlog)
}

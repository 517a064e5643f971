package engine

import (
	"context"
	"errors"
	"sync"

	"math/rand/v2"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

const (
	alice peer.ID = "alice"
	bob   peer.ID = "bob"
	carol peer.ID = "carol"
)

// notFound is how a store says that a block is not there.
type notFound struct{}

func (notFound) Error() string  { return "not found" }
func (notFound) NotFound() bool { return true }

var errDisk = errors.New("the disk is on fire")

// shelf is a store by multihash that fails where it is told to.
type shelf struct {
	data   map[string][]byte
	broken map[string]bool
}

func newShelf() *shelf {
	return &shelf{data: make(map[string][]byte), broken: make(map[string]bool)}
}

func (s *shelf) put(bs ...blocks.Block) {
	for _, b := range bs {
		s.data[message.Multihash(b.Cid())] = b.RawData()
	}
}

func (s *shelf) get(c cid.Cid) ([]byte, error) {
	key := message.Multihash(c)
	data, ok := s.data[key]
	switch {
	case s.broken[key]:
		return nil, errDisk
	case !ok:
		return nil, notFound{}
	}
	return data, nil
}

func (s *shelf) GetSize(_ context.Context, c cid.Cid) (int, error) {
	data, err := s.get(c)
	return len(data), err
}

func (s *shelf) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	data, err := s.get(c)
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}

// rig drives a state by hand, without goroutines or a clock. Jobs and messages
// are carried out by run, or one at a time by step.
type rig struct {
	t      tester
	state  *state
	shelf  *shelf
	worker worker
	now    time.Time

	jobs     []job
	inFlight []*shipment
	said     map[peer.ID][]string // what each peer was sent, in our short form
	messages []*message.Message
	admitted []uint64
	faults   map[message.Fault]int
	sent     map[peer.ID]uint64 // bytes, as the ledger was told
	wake     time.Time
	drained  bool
	refuse   error // of every message, while set
	noted    func(*shipment)
}

func newRig(t tester, limits Limits) *rig {
	shelf := newShelf()
	r := &rig{
		t: t, state: newState(limits, 4, 1), shelf: shelf, worker: worker{store: shelf, crew: actor.NewCrew("store", nil)},
		now:  time.Unix(1_000_000, 0),
		said: make(map[peer.ID][]string), faults: make(map[message.Fault]int), sent: make(map[peer.ID]uint64),
	}
	t.Cleanup(func() { _ = r.worker.crew.Wait(context.Background()) })
	for _, p := range []peer.ID{alice, bob, carol} {
		r.connect(p)
	}
	return r
}

func (r *rig) connect(p peer.ID) {
	r.state.peer(r.now, peerState{id: p, connected: true, version: message.V120, generation: 1})
}

func (r *rig) disconnect(p peer.ID) { r.state.peer(r.now, peerState{id: p}) }

// guard sets who may have what.
func (r *rig) guard(access func(peer.ID, cid.Cid) bool) {
	r.state.guarded, r.worker.access = func() bool { return true }, access
}

// want sends wants and returns their ticket.
func (r *rig) want(p peer.ID, entries ...message.Entry) uint64 {
	r.state.wants(r.now, p, 0, entries, false, r.nextTicket())
	return r.lastTicket()
}

func (r *rig) wantOnly(p peer.ID, entries ...message.Entry) {
	r.state.wants(r.now, p, 0, entries, true, r.nextTicket())
}

var tickets uint64

func (r *rig) nextTicket() uint64 { tickets++; return tickets }
func (r *rig) lastTicket() uint64 { return tickets }

// put stores blocks and says so.
func (r *rig) put(bs ...blocks.Block) {
	r.shelf.put(bs...)
	for _, b := range bs {
		r.state.available(b.Cid(), len(b.RawData()))
	}
}

// collect takes the effects of what happened.
func (r *rig) collect() {
	out := r.state.effects(r.now)
	for _, j := range out.Lookups {
		r.jobs = append(r.jobs, job{lookup: j})
	}
	for _, j := range out.Reads {
		r.jobs = append(r.jobs, job{read: j})
	}
	r.inFlight = append(r.inFlight, out.Messages...)
	r.admitted = append(r.admitted, out.Admitted...)
	for _, d := range out.Deltas {
		r.sent[d.Peer] += d.BytesSent
		if d.Fault != 0 {
			r.faults[d.Fault]++
		}
	}
	r.wake, r.drained = r.state.wake(), out.Drained
	require.NoError(r.t, r.state.audit())
}

// work does the nth job that is out.
func (r *rig) work(nth int) {
	j := r.jobs[nth]
	r.jobs = slices.Delete(r.jobs, nth, nth+1)
	r.worker.do(context.Background(), j)
	if j.lookup != nil {
		r.state.looked(r.now, j.lookup)
	} else {
		r.state.read(r.now, j.read)
	}
}

// send reports the nth message that is in flight.
func (r *rig) send(nth int) {
	ship := r.inFlight[nth]
	r.inFlight = slices.Delete(r.inFlight, nth, nth+1)
	if r.refuse == nil {
		r.note(ship)
	}
	r.state.sent(r.now, ship, r.refuse)
}

func (r *rig) note(ship *shipment) {
	if r.noted != nil {
		r.noted(ship)
	}
	r.messages = append(r.messages, ship.Message)
	for _, b := range ship.Message.Blocks {
		r.said[ship.Peer] = append(r.said[ship.Peer], "block "+name(b.Cid()))
	}
	for _, p := range ship.Message.Presences {
		word := "have "
		if !p.Have {
			word = "dont-have "
		}
		r.said[ship.Peer] = append(r.said[ship.Peer], word+name(p.CID))
	}
}

// run carries out everything until nothing is left to do now.
func (r *rig) run() {
	for r.collect(); len(r.jobs)+len(r.inFlight) > 0; r.collect() {
		if len(r.jobs) > 0 {
			r.work(0)
		} else {
			r.send(0)
		}
	}
}

// advance lets time pass, with what is due on the way.
func (r *rig) advance(d time.Duration) {
	end := r.now.Add(d)
	for r.run(); !r.wake.IsZero() && !r.wake.After(end); r.run() {
		r.now = r.wake
		r.state.tick(r.now)
	}
	r.now = end
}

// heard returns what a peer was sent since it was last asked.
func (r *rig) heard(p peer.ID) []string {
	said := r.said[p]
	delete(r.said, p)
	return said
}

// list is the wantlist of a peer in short form.
func (r *rig) list(p peer.ID) []string {
	var names []string
	for _, e := range r.state.wantlist(p) {
		names = append(names, name(e.CID))
	}
	slices.Sort(names)
	return names
}

// names maps the CIDs of named blocks to their names. Tests name blocks while
// goroutines of theirs look names up.
var names sync.Map

func name(c cid.Cid) string {
	if n, ok := names.Load(c); ok {
		return n.(string)
	}
	return c.String()
}

// letter returns the block of 4 KiB that a letter stands for.
func letter(n string) blocks.Block { return sized(n, 4096) }

// sized returns a named block of a given size.
func sized(n string, size int) blocks.Block {
	data := make([]byte, size)
	copy(data, n)
	b := raw(data)
	names.Store(b.Cid(), n)
	return b
}

func raw(data []byte) blocks.Block {
	digest, err := multihash.Sum(data, multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	b, err := blocks.NewBlockWithCid(data, cid.NewCidV1(cid.Raw, digest))
	if err != nil {
		panic(err)
	}
	return b
}

func wantBlock(b blocks.Block) message.Entry {
	return message.Entry{CID: b.Cid(), Type: message.WantBlock}
}
func wantHave(b blocks.Block) message.Entry {
	return message.Entry{CID: b.Cid(), Type: message.WantHave}
}
func cancel(b blocks.Block) message.Entry { return message.Entry{CID: b.Cid(), Cancel: true} }

func orDontHave(e message.Entry) message.Entry { e.SendDontHave = true; return e }

func at(priority int32, e message.Entry) message.Entry { e.Priority = priority; return e }

// many returns n different blocks of a size.
func many(n, size int) []blocks.Block {
	random := rand.New(rand.NewPCG(1, uint64(n*size)))
	bs := make([]blocks.Block, n)
	for i := range bs {
		data := make([]byte, size)
		for j := 0; j < min(size, 16); j++ {
			data[j] = byte(random.Uint32())
		}
		bs[i] = raw(data)
	}
	return bs
}

func wantAll(bs []blocks.Block) []message.Entry {
	entries := make([]message.Entry, len(bs))
	for i, b := range bs {
		entries[i] = wantBlock(b)
	}
	return entries
}

// tester is a test, be it one of rapid's or not.
type tester interface {
	require.TestingT
	Helper()
	Cleanup(func())
}

func sortedWords(words ...string) []string { slices.Sort(words); return words }

//go:build simulation

package discovery

import (
	"errors"
	"fmt"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/cores"
)

// fetch is a node that asks for one block: its actors, those of the peers that it
// asks, and what it has cost so far.
type fetch struct {
	w      *World
	number int
	who    uint32
	id     peer.ID
	space  int
	block  blocks.Block
	world  *cores.World
	cores  *cores.Fetch

	began    time.Time
	deadline time.Time // when it has failed
	over     time.Time // when nothing follows; zero while it is under way
	asked    map[question]bool
	nearest  time.Duration // round trip to the first tracker of the namespace
	Cost
}

// Cost is what a fetch has cost.
type Cost struct {
	Number                                 int
	Queries, Wants, Reasks, Cancels, Dials int
	First                                  time.Duration // to the first candidate; negative while there is none
	Trips                                  float64       // the same, in round trips to the first tracker
	Took                                   time.Duration
	Served                                 bool
	Doubtful                               bool // fewer than two trackers of its place were honest and up
}

// Requests are those that somebody has to answer.
func (c *Cost) Requests() int { return c.Queries + c.Wants + c.Reasks + c.Dials }

// fetches are those under way, in the order in which they began.
type fetches []*fetch

func (fs fetches) busy(who uint32) bool {
	return slices.ContainsFunc(fs, func(f *fetch) bool { return f.who == who })
}

// next is when something is due, or the zero time.
func (fs fetches) next() time.Time {
	var at time.Time
	for _, f := range fs {
		at = due.First(at, f.world.Next(), f.over, f.deadline)
	}
	return at
}

// fetch begins one: somebody who has nothing of a namespace wants a block of it
// that somebody has who is up.
func (w *World) fetch() error {
	for {
		space := w.anySpace()
		b := blockOf(space, w.dice.IntN(blocksEach))
		who := uint32(w.dice.IntN(len(w.people)))
		if !w.people[who].up || w.people[who].ends || w.fetches.busy(who) || w.holds(who, space) != nil {
			continue
		}
		if !w.available(space, b) {
			w.out.Unavailable++
			continue
		}
		f := w.newFetch(who, space, b)
		w.fetches = append(w.fetches, f)
		return f.world.Settle()
	}
}

// available reports whether somebody who is up has a block.
func (w *World) available(space int, b blocks.Block) bool {
	return slices.ContainsFunc(w.spaces[space], func(h uint32) bool {
		x := &w.holdings[h]
		return w.people[x.peer].up && x.has(b.Cid())
	})
}

func (w *World) newFetch(who uint32, space int, b blocks.Block) *fetch {
	now := time.Now()
	f := &fetch{
		w: w, number: w.begun, who: who, id: w.people[who].id, space: space, block: b,
		began: now, deadline: now.Add(patience), asked: make(map[question]bool),
	}
	first := tracker.Rank(tracker.Place{Namespace: string(spaceName(space))}, w.trackers)
	f.Number = f.number
	f.First, f.Doubtful = -1, w.doubtful(first)
	f.nearest = 2 * w.latency(who, w.servers[first[0]].who)
	f.world = cores.Planned(w.dice.Uint64(), cores.Plan{
		Latency: func(a, b peer.ID) time.Duration { return w.latency(w.index[a], w.index[b]) },
		Dial:    f.dial, Holds: f.holds, Directory: (&asker{f: f}).track, Wrote: f.wrote, Engines: engines,
	})
	f.world.Join(f.id, w.neighbours(who))
	var err error
	f.cores, err = f.world.Fetch(f.id, b.Cid(), session.Config{Candidates: w.K, Flood: w.Flood}, session.WithNamespace(string(spaceName(space))))
	if err != nil {
		panic(err) // Nothing has ended yet.
	}
	return f
}

// neighbours are the peers that a node is connected to when it begins.
func (w *World) neighbours(who uint32) []peer.ID {
	n := w.Connected
	if w.Flood {
		n = w.Peers / max(1, w.Sampled)
	}
	first := 0
	if n < w.Peers {
		first = w.dice.IntN(w.Peers)
	}
	// Who holds what has nothing to do with numbers: any peers in a row will do.
	var ids []peer.ID
	for i := range min(n, w.Peers) {
		if p := &w.people[(first+i)%w.Peers]; p.up && p.id != w.people[who].id {
			ids = append(ids, p.id)
		}
	}
	return ids
}

func (w *World) isUp(p peer.ID) bool { return w.people[w.index[p]].up }

// holds is what a peer has of what the fetch asks for.
func (f *fetch) holds(p peer.ID) []blocks.Block {
	if x := f.w.population.holds(f.w.index[p], f.space); x != nil && x.has(f.block.Cid()) {
		return []blocks.Block{f.block}
	}
	return nil
}

var errRefused, errSilence = errors.New("refused"), errors.New("no answer")

// dial takes two round trips: one for the connection, one until each knows what
// the other speaks. Of those who are gone half have a machine that says so.
func (f *fetch) dial(from, to peer.ID) (time.Duration, error) {
	f.Dials++
	f.tell("dials %d, up: %t", f.w.index[to], f.w.isUp(to))
	trip := 2 * f.w.latency(f.w.index[from], f.w.index[to])
	switch {
	case f.w.isUp(to):
		return 2 * trip, nil
	case f.w.index[to]%2 == 0:
		return trip, errRefused
	}
	return dialTimeout, errSilence
}

// wrote counts what the node asks of others.
func (f *fetch) wrote(from, to peer.ID, m *message.Message) {
	if from != f.id {
		f.tell("from %d: %d blocks, %v", f.w.index[from], len(m.Blocks), m.Presences)
		return
	}
	for _, e := range m.Wantlist {
		asked := question{to, e.Type}
		f.tell("to %d: cancel %t, type %v, has %d", f.w.index[to], e.Cancel, e.Type, len(f.holds(to)))
		switch {
		case e.Cancel:
			f.Cancels++
		case f.asked[asked]:
			f.Reasks++
		default:
			f.Wants++
			f.asked[asked] = true
		}
	}
}

// tell prints what happens in the fetch that is traced.
func (f *fetch) tell(format string, args ...any) {
	if f.number == f.w.Traced {
		fmt.Printf("%10.6fs %s\n", time.Since(f.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// question is what a peer was asked about the block.
type question struct {
	peer peer.ID
	kind message.WantType
}

// named is called with the first candidate.
func (f *fetch) named() {
	if f.First < 0 {
		f.First = time.Since(f.began)
		f.Trips = float64(f.First) / float64(f.nearest)
	}
}

// goOn lets every fetch do what is due.
func (w *World) goOn(now time.Time) error {
	for _, f := range w.fetches {
		if err := f.goOn(now); err != nil {
			return err
		}
	}
	w.fetches = slices.DeleteFunc(w.fetches, func(f *fetch) bool {
		over := !f.over.IsZero() && !now.Before(f.over)
		if over {
			w.out.Costs = append(w.out.Costs, f.total())
		}
		return over
	})
	return nil
}

// total is what a fetch has cost, with those who stand for others counted for all.
func (f *fetch) total() Cost {
	c := f.Cost
	if f.w.Flood {
		c.Wants *= max(1, f.w.Sampled)
		c.Cancels *= max(1, f.w.Sampled)
	}
	return c
}

// doubtful reports whether fewer than two of the trackers of a place are honest
// and up.
func (w *World) doubtful(ranked []peer.ID) bool {
	good := 0
	for _, id := range ranked[:min(tracker.Replicas, len(ranked))] {
		if t := w.servers[id]; t.up && !t.liar {
			good++
		}
	}
	return good < min(2, w.Trackers)
}

// lingers is how long a node is watched after its fetch, for what it withdraws.
const lingers = 2 * time.Second

func (f *fetch) goOn(now time.Time) error {
	if next := f.world.Next(); next.IsZero() || next.After(now) {
		if f.deadline.IsZero() || now.Before(f.deadline) {
			return nil
		}
	}
	if err := f.world.Settle(); err != nil {
		return err
	}
	if !f.over.IsZero() {
		return nil
	}
	r := f.cores.Result()
	if r == nil && now.Before(f.deadline) {
		return nil
	}
	f.Took, f.Served = now.Sub(f.began), r != nil && r.Err == nil
	f.cores.End()
	f.over, f.deadline = now.Add(lingers), time.Time{}
	return f.world.Settle()
}

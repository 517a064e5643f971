//go:build simulation

package cores

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/test/internal/replay"
)

// World is nodes and what happens to them. It lives in a bubble of
// testing/synctest, for the sake of its clock, and has one goroutine.
type World struct {
	seed   uint64
	dice   *rand.Rand
	began  time.Time
	trace  *replay.Trace // nil when nobody wants it
	script script
	plan   *Plan // of somebody else's simulation; nil for one with faults of its own

	blocks []blocks.Block
	known  map[cid.Cid]blocks.Block
	nodes  []*node
	byID   map[peer.ID]*node
	wires  map[[2]int]*wire
	events replay.Agenda
	calm   bool // the faults have stopped
	steps  int
	limit  int            // of steps: a run that takes more goes round in circles
	stale  map[*node]bool // have done something since the world was last compared
	err    error
}

// mostSteps is more than any run takes.
const mostSteps = 3_000_000

// New returns a world in which nothing has happened yet.
func New(seed uint64, t *replay.Trace) *World {
	w := &World{
		seed: seed, dice: rand.New(rand.NewPCG(seed, 0x50_75_6b)), began: time.Now(), trace: t, limit: mostSteps,
		known: make(map[cid.Cid]blocks.Block), byID: make(map[peer.ID]*node),
		wires: make(map[[2]int]*wire), stale: make(map[*node]bool),
	}
	w.script = newScript(w.dice)
	for i, size := range w.script.sizes {
		b := w.script.make(seed<<8+uint64(i), 1, size)[0]
		w.blocks = append(w.blocks, b)
		w.known[b.Cid()] = b
	}
	for i := range w.script.nodes {
		newNode(w, i, peer.ID(fmt.Sprintf("n%02d", i)))
	}
	return w
}

// Run plays the whole: faults, then calm in which every want has to end, then the
// end of every node. An actor that panics has failed.
func (w *World) Run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("at %s: panic: %v\n%s", w.clock(), r, debug.Stack())
		}
	}()
	w.schedule()
	w.until(w.script.storm, func() bool { return false })
	w.quieten()
	if !w.until(patience, w.ended) {
		w.fail("%s after the faults have stopped %s", patience, w.open())
	}
	w.shutdown()
	return w.err
}

// patience is how long, after the last fault, a want may take. Pauses of routers
// and sessions grow up to 30 s, and a want may have to sit out several.
const patience = 10 * time.Minute

// until runs the world until the condition holds, and reports whether it did
// within d.
func (w *World) until(d time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(d)
	w.awake()
	for w.err == nil && !condition() {
		if w.step() {
			continue
		}
		w.compare()
		next := w.next()
		if next.IsZero() || next.After(deadline) {
			time.Sleep(time.Until(deadline))
			return condition()
		}
		time.Sleep(time.Until(next))
		w.awake()
	}
	return w.err == nil
}

// step does one of the things that can be done now, chosen by the dice, and
// reports whether there was one.
func (w *World) step() bool {
	if w.steps++; w.steps > w.limit {
		w.fail("the world does not come to rest")
		return false
	}
	due := w.events.Due(time.Now())
	if due && w.dice.IntN(3) == 0 {
		w.happen()
		return true
	}
	first := w.dice.IntN(len(w.nodes))
	for i := range w.nodes {
		n := w.nodes[(first+i)%len(w.nodes)]
		if n.asleep {
			continue
		}
		if n.step() {
			return true
		}
		n.sleep()
	}
	if due {
		w.happen()
	}
	return due
}

// happen lets the next event happen.
func (w *World) happen() {
	w.events.Pop()()
	if w.plan == nil {
		w.awake()
	}
}

// awake makes every node look whether it has something to do: time has passed, or
// something has happened to one of them. Where there are many nodes it is only
// those to whom something has happened, or for whom something is due.
func (w *World) awake() {
	for _, n := range w.nodes {
		n.asleep = n.asleep && w.plan != nil && (n.due.IsZero() || n.due.After(time.Now()))
	}
}

// next is when something is due, or the zero time.
func (w *World) next() time.Time {
	at := w.events.Next()
	for _, n := range w.nodes {
		at = due.First(at, n.due)
	}
	return at
}

// after lets something happen later.
func (w *World) after(d time.Duration, do func()) { w.events.Push(time.Now().Add(d), do) }

// clock is the time since the beginning.
func (w *World) clock() time.Duration { return time.Since(w.began) }

func (w *World) tell(format string, args ...any) {
	if w.trace != nil {
		w.trace.Line(w.clock(), format, args...)
	}
}

// fail keeps the first failure.
func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at "+w.clock().String()+": "+format, args...)
		w.tell("FAILED: %v", w.err)
	}
}

// some chooses each with a chance of one in n.
func (w *World) some(n int) bool { return w.dice.IntN(n) == 0 }

// between returns a duration in a range.
func (w *World) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.dice.Int64N(int64(most-least)+1))
}

func pick[T any](w *World, from []T) T { return from[w.dice.IntN(len(from))] }

// take lets an actor take a step and audits it, where that is what the run is
// for.
func (w *World) take(n *node, a named, s actor.Step) {
	if w.plan != nil {
		s.Do()
		return
	}
	w.stale[n] = true
	w.trace.Steps++
	w.tell("%s %s: %s", n, a.name, s.Name)
	s.Do()
	if err := a.audit(); err != nil {
		w.fail("%s %s: %w", n, a.name, err)
	}
}

var errClosing = errors.New("the node closes")

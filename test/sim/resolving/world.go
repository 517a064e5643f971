//go:build simulation

package resolving

import (
	"crypto/sha256"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/test/internal/replay"
)

// World is everything together, and a model of what the resolver may do.
type World struct {
	*Net
	trace    *replay.Trace
	script   script
	timeout  time.Duration
	consumes time.Duration // at most
	panics   int           // of so many values at one; 0 for none

	keys    []resolver.Key
	values  map[resolver.Key]*Value
	members map[peer.ID]bool
	barred  map[peer.ID]time.Time // until; zero for ever
	paused  map[peer.ID]time.Time
	turned  map[peer.ID]bool // honest only since the faults have stopped

	wishes      map[resolver.Key]*wish
	askedOf     map[uint64]resolver.Key
	callers     map[uint64]bool   // wait
	owed        map[uint64][]byte // what callers are to get of keys that have ended
	caller      uint64
	undelivered int
	done        int // found good by the Consumer
	ended       int // with a value
	err         error
}

// New returns a world in which nothing has happened yet.
func New(seed uint64, t *replay.Trace) (*World, error) {
	w := &World{
		trace: t, values: make(map[resolver.Key]*Value), members: make(map[peer.ID]bool), barred: make(map[peer.ID]time.Time),
		paused: make(map[peer.ID]time.Time), turned: make(map[peer.ID]bool), wishes: make(map[resolver.Key]*wish), askedOf: make(map[uint64]resolver.Key),
		callers: make(map[uint64]bool), owed: make(map[uint64][]byte),
	}
	s := newScript(seed)
	n, err := NewNet(seed, s.limits, w)
	if err != nil {
		return nil, err
	}
	w.Net, w.script, w.timeout, w.consumes, w.panics = n, s, s.limits.Timeout, s.consumes, s.panics
	n.Loss, n.Jitter, n.Check, n.Heard = s.loss, s.jitter, w.check, w.heard
	n.Values = func(k resolver.Key) *Value { return w.values[k] }
	for i := range s.keys {
		w.makeValue(i)
	}
	for i := range s.peers {
		w.makePeer(i)
	}
	return w, nil
}

func (w *World) makeValue(i int) {
	sum := sha256.Sum256(fmt.Append(nil, "key ", i))
	key := resolver.Key(sum[:])
	data := make([]byte, w.Dice.IntN(w.script.largest))
	copy(data, sum[:])
	w.keys = append(w.keys, key)
	w.values[key] = NewValue(data, w.Limits.Part)
}

func (w *World) makePeer(i int) {
	p := &Peer{ID: peer.ID(fmt.Sprintf("p%03d", i)), Latency: w.Between(time.Millisecond, w.script.latency), Service: time.Millisecond}
	switch kind := w.Dice.IntN(10); {
	case kind < w.script.bad:
		p.Nature = Nature(1 + w.Dice.IntN(int(natures)-1))
	case kind == 8:
		p.Service = w.Between(50*time.Millisecond, time.Second)
	case kind == 9:
		odd := byte(w.Dice.IntN(8))
		p.Has = func(k resolver.Key) bool { return k[0]%8 == odd }
	}
	w.Add(p)
}

// tell notes what happens.
func (w *World) tell(format string, args ...any) { w.trace.Line(w.Now.Sub(Began), format, args...) }

// fail keeps the first failure.
func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %s: "+format, append([]any{w.Now.Sub(Began)}, args...)...)
		w.tell("FAILED: %v", w.err)
	}
}

// check audits the resolver.
func (w *World) check() {
	w.trace.Steps++
	if err := w.Audit(); err != nil {
		w.fail("%w", err)
	}
}

// patience is how long after the last fault a fetch may take: a peer whose penalties
// have to decay is not asked for ten minutes.
const patience = 30 * time.Minute

// Play plays the whole: faults and orders, then calm, in which every fetch has to end
// that can, then the end of those that cannot. A resolver that panics has failed.
func (w *World) Play() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("at %s: panic: %v\n%s", w.Now.Sub(Began), r, debug.Stack())
		}
	}()
	w.schedule()
	w.Until(w.script.storm, w.failed)
	w.quieten()
	w.Until(patience, func() bool { return w.err != nil || w.settled() })
	w.explain()
	w.Clear(w.Now)
	w.Until(patience, func() bool { return w.err != nil || w.Idle() })
	w.finish()
	return w.err
}

func (w *World) failed() bool { return w.err != nil }

// quieten ends the faults: peers are there, have everything, and tell the truth.
func (w *World) quieten() {
	w.tell("calm")
	w.Loss, w.consumes, w.panics = 0, time.Millisecond, 0
	for _, p := range w.ByOrder {
		w.members[p.ID] = true
		w.turned[p.ID] = w.turned[p.ID] || p.Nature != Honest
		p.Nature, p.Has, p.Service = Honest, nil, time.Millisecond
	}
	w.Everybody()
}

// settled reports whether every wish that can come true has.
func (w *World) settled() bool {
	for _, k := range w.wishes {
		if !w.stuck(k) {
			return false
		}
	}
	return true
}

// stuck reports whether there is a reason for which nothing is asked for a wish: all of
// its targets are blocked.
func (w *World) stuck(k *wish) bool { return k.restricted && len(k.targets) == 0 && k.judged == nil }

// explain looks whether every fetch that is left has a reason to be.
func (w *World) explain() {
	for _, key := range w.keys {
		if k := w.wishes[key]; k != nil && !w.stuck(k) {
			w.fail("%s is forgotten: asks %v, with the Consumer %t, targets %v", key, k.asks, k.judged != nil, k.targets)
		}
	}
	if w.Pending() != len(w.wishes) {
		w.fail("%d fetches are left, of %d keys that somebody waits for", w.Pending(), len(w.wishes))
	}
}

// finish looks whether anything is left.
func (w *World) finish() {
	switch {
	case !w.Idle():
		w.fail("%d fetches are left, or requests, or bytes", w.Pending())
	case len(w.wishes) > 0:
		w.fail("%d keys have ended and nobody was told", len(w.wishes))
	case w.ended != w.done:
		w.fail("%d fetches are done, and the Consumer has found %d good", w.ended, w.done)
	case len(w.callers) > 0:
		w.fail("%d callers were not told", len(w.callers))
	}
}

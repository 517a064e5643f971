//go:build simulation

package cores

import (
	"math/rand/v2"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// script is what is decided about a run before it begins.
type script struct {
	nodes   int
	sizes   []int         // of the blocks
	storm   time.Duration // how long there are faults
	pace    time.Duration // between two of them, on average
	lossy   bool          // answers are lost
	old     bool          // some wires have an old version
	liars   int           // one node in so many lies, 0 for none
	reform  bool          // liars are honest in the end
	workers int           // of engines

	limits       engine.Limits
	storeBytes   int
	sessionBytes int
	forgetful    bool // some nodes do not store what they get
	directory    bool
	ponders      bool // stores take their time now and again

	// The longest that a node takes to learn of a connection, a sender with a
	// message, and the word about it, and what a frame takes beside the latency.
	learning, sending, reporting, jitter time.Duration
	trackers                             int // of which none is of any use
}

func newScript(dice *rand.Rand) script {
	one := func(of ...int) int { return of[dice.IntN(len(of))] }
	s := script{
		nodes:   one(3, 3, 4, 5, 6, 8, 12, 20),
		storm:   time.Duration(one(2, 5, 10, 30)) * time.Second,
		pace:    time.Duration(one(30, 100, 300, 1000)) * time.Millisecond,
		lossy:   dice.IntN(3) == 0,
		old:     dice.IntN(4) == 0,
		liars:   one(0, 0, 4, 3, 2),
		reform:  dice.IntN(2) == 0,
		workers: one(1, 2, 4),

		storeBytes:   one(0, 4<<10, 64<<10),
		sessionBytes: one(0, 8<<10, 256<<10),
		forgetful:    dice.IntN(4) == 0,
		directory:    dice.IntN(2) == 0,
		ponders:      true,

		learning: 50 * time.Millisecond, sending: 5 * time.Millisecond, reporting: time.Millisecond, jitter: 10 * time.Millisecond,
	}
	if dice.IntN(2) == 0 {
		s.limits = engine.Limits{PeerBytes: one(4<<10, 64<<10), NodeBytes: one(16<<10, 128<<10), MessageBytes: one(1<<10, 16<<10), Tasks: one(8, 64), Waiting: 4096}
	}
	for range one(4, 10, 20, 40) {
		s.sizes = append(s.sizes, 1+dice.IntN(one(100, 1<<10, 4<<10, 16<<10)))
	}
	s.trackers = one(0, 0, 1, 3, 8)
	return s
}

// nature decides how a node behaves. The first is honest: it will have everything
// in the end. So are all of a plan.
func (s script) nature(w *World, i int) nature {
	n := nature{kind: honest}
	if i == 0 || w.plan != nil {
		return n
	}
	if s.liars > 0 && w.some(s.liars) {
		n.kind = pick(w, kinds)
	}
	if w.some(5) {
		n.slowness = w.between(0, 3*time.Second)
	}
	return n
}

// make returns blocks that the versions of all wires can carry: the first knows
// CIDv0 only.
func (s script) make(seed uint64, n, size int) []blocks.Block {
	if s.old {
		return corpus.V0(seed, n, size)
	}
	return corpus.Blocks(seed, n, size)
}

func (s script) version(w *World) message.Version {
	if s.old && w.some(3) {
		return pick(w, []message.Version{message.V100, message.V110})
	}
	return message.V120
}

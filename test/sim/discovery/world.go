//go:build simulation

package discovery

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

// World is everybody: peers that only announce as plain records, trackers, and a
// small world of actors for each fetch under way. It lives in a bubble of
// testing/synctest, for the sake of its clock, and has one goroutine.
type World struct {
	Setup
	*population
	dice  *rand.Rand
	began time.Time
	keys  keys
	wheel wheel

	inOrder  []*server
	servers  map[peer.ID]*server
	trackers []peer.ID

	tellers map[uint32]*teller // by peer, where they have the product's announcers
	up      int                // peers
	leaving float64            // peers that are to leave, as a number that grows
	popular []float64
	fetches fetches
	due     float64 // fetches that are to begin, likewise
	begun   int
	out     Outcome
}

// New returns a world in which nothing has happened yet.
func New(s Setup) *World {
	dice := rand.New(rand.NewPCG(s.Seed, 0x64_69_73_63))
	w := &World{Setup: s, out: Outcome{Setup: s}, dice: dice, began: time.Now(), keys: hashes{}, servers: make(map[peer.ID]*server),
		tellers: make(map[uint32]*teller), up: s.Peers}
	if s.Signed {
		w.keys = signatures{}
	}
	w.population = populate(&w.Setup, dice, w.identity)
	w.serve()
	w.weigh()
	for i, p := range w.people {
		w.announceAll(uint32(i), time.Minute)
		if p.ends {
			w.wheel.after(time.Minute+w.below(settling-time.Minute), event{who: uint32(i), kind: endsForEver})
		}
	}
	return w
}

func (w *World) identity(i int) peer.ID {
	id, err := peer.IDFromPublicKey(w.keys.of(i).GetPublic())
	if err != nil {
		panic(err) // A key of our own.
	}
	return id
}

// serve makes the trackers, and decides which of them lie, end and restart.
func (w *World) serve() {
	for i := range w.Trackers {
		t := &server{id: w.identity(w.Peers + i), who: uint32(w.Peers + i), steps: w.newTracker(), up: true}
		t.empty = t.steps.Stat().Bytes
		w.inOrder, w.servers[t.id] = append(w.inOrder, t), t
		w.trackers = append(w.trackers, t.id)
	}
	odd := w.dice.Perm(w.Trackers)
	some := func(part float64, do func(i int)) {
		n := min(int(math.Round(part*float64(w.Trackers))), len(odd))
		for _, i := range odd[:n] {
			do(i)
		}
		odd = odd[n:]
	}
	some(w.Liars, func(i int) {
		w.inOrder[i].liar, w.inOrder[i].lies = true, make(map[record.Namespace][][]byte)
	})
	some(w.Deaths, func(i int) { w.wheel.after(settling+w.below(span), event{who: uint32(i), kind: trackerEnds}) })
	some(w.Restarts, func(i int) { w.wheel.after(settling+w.below(span), event{who: uint32(i), kind: trackerRestarts}) })
}

func (w *World) newTracker() *tracker.Steps {
	rows := tracker.Replicas*len(w.holdings)/max(w.Trackers, tracker.Replicas) + 1
	steps, err := tracker.NewSteps(tracker.Limits{TableBytes: max(32<<20, 4*rows*rowBytes)}, w.dice.Uint64(), w.keys.verify)
	if err != nil {
		panic(err) // Limits of our own.
	}
	return steps
}

// weigh makes some namespaces more popular than others, by Zipf's law.
func (w *World) weigh() {
	sum := 0.0
	for i := range w.spaces[1:] {
		sum += math.Pow(float64(i+1), -zipf)
		w.popular = append(w.popular, sum)
	}
}

// anySpace is the namespace of a fetch.
func (w *World) anySpace() int {
	if w.dice.Float64() < hotFetches {
		return 0
	}
	last := w.popular[len(w.popular)-1]
	return 1 + sort.SearchFloat64s(w.popular, w.dice.Float64()*last)
}

// Run plays the whole.
func (w *World) Run() (*Outcome, error) {
	for at := tick; ; at += tick {
		if err := w.fetchUntil(w.began.Add(at)); err != nil {
			return nil, err
		}
		for _, e := range w.wheel.advance() {
			w.happen(e)
		}
		w.churn()
		if at%time.Second == 0 {
			w.tickTables()
		}
		if at == settling {
			w.out.start(w)
		}
		if at > settling {
			if err := w.begin(); err != nil {
				return nil, err
			}
		}
		if at == settling+span {
			w.out.stop(w)
		}
		if at > settling+span && len(w.fetches) == 0 {
			return &w.out, nil
		}
	}
}

// begin begins as many fetches as do in a tick.
func (w *World) begin() error {
	w.due += float64(w.Fetches) * float64(tick) / float64(span)
	for ; w.due >= 1 && w.begun < w.Fetches; w.due-- {
		w.begun++
		if err := w.fetch(); err != nil {
			return err
		}
	}
	return nil
}

// fetchUntil lets the fetches go on until a time, which it is then.
func (w *World) fetchUntil(end time.Time) error {
	for {
		next := w.fetches.next()
		if next.IsZero() || next.After(end) {
			time.Sleep(time.Until(end))
			return nil
		}
		time.Sleep(time.Until(next))
		if err := w.goOn(time.Now()); err != nil {
			return err
		}
	}
}

func (w *World) tickTables() {
	for _, t := range w.inOrder {
		t.steps.Tick(time.Now())
	}
}

// latency is how long a frame takes between two, one way: always the same.
func (w *World) latency(a, b uint32) time.Duration {
	x := (uint64(min(a, b))<<32 | uint64(max(a, b))) + w.Seed
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return leastDelay + time.Duration(x%uint64(mostDelay-leastDelay))
}

package mirror

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

var (
	sequences = flag.Int("sequences", 500, "how many random sequences of events are played")
	sequence  = flag.Int64("sequence", -1, "play this one alone, and print it")
)

// game is a random sequence of events, with what has to be true of what the state makes
// of them, kept in the plainest way.
type game struct {
	rng  *rand.Rand
	s    *state
	now  time.Time
	show bool
	many int  // documents
	mood int  // what happens more often than other things; see one
	calm bool // nothing fails any more
	err  error

	docs    [gameDocs]dataset
	changed bool // and the state was not told
	deleted bool
	reads   []document.ID // policies that are to be read
	read    []review      // and were
	calls   map[jobID]*call
	last    waiterID
	waiters map[waiterID]waiting
}

// dataset is what is true of a document.
type dataset struct {
	id      document.ID
	there   bool
	synced  bool
	policy  policy.Policy
	here    [gameKeys]bool
	fetched [gameKeys]bool // and not deleted since
}

// call is one of Look or Fetch that has not returned.
type call struct {
	doc  *dataset
	told bool // to end
	key  int  // of a fetch, -1 of a scan
	slow bool // it takes long to end

	scan  scanning
	next  int   // key of the next page
	page  []int // what was missing of a page, and is not offered yet
	waits bool  // until it is told whether to go on
	ended bool  // it is not to
}

type waiting struct {
	doc    *dataset
	cancel bool
}

const (
	gameDocs   = 3
	gameKeys   = 12
	gamePage   = 4
	gameEvents = 100
	gamePause  = 30 * time.Second
)

func newGame(seed uint64, show bool) *game {
	rng := rand.New(rand.NewPCG(seed, 0))
	g := &game{
		rng: rng, s: newState(1+rng.IntN(6), 1+rng.IntN(9), gamePause), show: show,
		many: 1 + rng.IntN(gameDocs), mood: []int{5, 9, 9, 11, 12, 19}[rng.IntN(6)],
		now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), calls: make(map[jobID]*call), waiters: make(map[waiterID]waiting),
	}
	for n := range g.docs {
		g.docs[n].id, g.docs[n].there = document.ID{byte(n)}, true
	}
	return g
}

var gameKeyNames = func() (all []string) {
	for n := range gameKeys {
		all = append(all, fmt.Sprintf("%d/%02d", n/gamePage, n))
	}
	return all
}()

func gameKey(n int) []byte { return []byte(gameKeyNames[n]) }

// play plays a sequence, lets all faults end, and returns the first thing that is wrong.
func play(seed uint64, show bool) error {
	g := newGame(seed, show)
	for n := 0; n < gameEvents && g.err == nil; n++ {
		g.one()
	}
	g.rest()
	for n := range g.docs {
		g.cancel(&g.docs[n])
	}
	g.rest()
	if g.err == nil && len(g.s.docs)+len(g.s.jobs)+len(g.waiters) > 0 {
		g.err = fmt.Errorf("%d documents, %d jobs and %d who wait are left", len(g.s.docs), len(g.s.jobs), len(g.waiters))
	}
	if g.err != nil {
		return fmt.Errorf("seed %d: %w", seed, g.err)
	}
	return nil
}

// event lets something happen, and looks at all that it leads to.
func (g *game) event(what string, happen func()) {
	if g.err != nil {
		return
	}
	happen()
	out := g.s.settle()
	if g.show {
		fmt.Printf("%s %s\n    %v\n", g.now.Format("04:05.000"), what, out)
	}
	if g.err = cmp.Or(g.perform(out), g.s.audit(), g.compare()); g.err != nil {
		g.err = fmt.Errorf("%s: %w", what, g.err)
	}
}

// one lets one thing happen, whatever comes.
func (g *game) one() {
	d := &g.docs[g.rng.IntN(g.many)]
	n := g.rng.IntN(80)
	if n >= 60 {
		n = g.mood
	}
	switch {
	case n < 5:
		g.sync(d)
	case n < 6:
		g.cancel(d)
	case n < 8:
		g.wait(d)
	case n < 9:
		g.dismiss()
	case n < 11 && d.there:
		d.policy, g.changed = g.policy(), true
	case n < 12:
		d.there, d.synced, g.changed = !d.there, false, true
	case n < 13:
		g.delete(d, g.rng.IntN(gameKeys))
	case n < 14:
		d.here[g.rng.IntN(gameKeys)] = true
	case n < 16:
		g.pass(time.Duration(g.rng.IntN(40_000)) * time.Millisecond)
	default:
		g.work()
	}
}

func (g *game) policy() policy.Policy {
	var filters []policy.Filter
	for range g.rng.IntN(3) {
		filters = append(filters, policy.Prefix(fmt.Appendf(nil, "%d/", g.rng.IntN(gameKeys/gamePage))))
	}
	build := policy.EverythingExcept
	if g.rng.IntN(2) == 0 {
		build = policy.NothingExcept
	}
	p, err := build(filters...)
	if err != nil {
		panic(err)
	}
	return p
}

func (g *game) sync(d *dataset) {
	if d.there {
		d.synced, g.changed = true, true
		g.event("sync", func() { g.s.sync(g.now, d.id) })
	}
}

func (g *game) cancel(d *dataset) {
	g.changed = g.changed || d.synced
	d.synced = false
	g.ask(d, true)
}

// wait asks as the shell does: what has happened before comes first.
func (g *game) wait(d *dataset) {
	g.news()
	g.ask(d, false)
}

func (g *game) ask(d *dataset, cancel bool) {
	g.last++
	w := g.last
	g.waiters[w] = waiting{d, cancel}
	g.event(fmt.Sprintf("%d waits for %s, to be cancelled: %v", w, d.id, cancel), func() {
		if cancel {
			g.s.cancel(g.now, w, d.id)
		} else {
			g.s.wait(w, d.id)
		}
	})
}

func (g *game) dismiss() {
	for _, w := range pick(g, g.waiters) {
		delete(g.waiters, w)
		g.event(fmt.Sprint(w, " waits no longer"), func() { g.s.dismiss(w) })
	}
}

// pick returns one key of a map, or none when there is none.
func pick[K ~uint64, V any](g *game, m map[K]V) []K {
	if len(m) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(m))
	return []K{keys[g.rng.IntN(len(keys))]}
}

func (g *game) delete(d *dataset, key int) {
	d.here[key], d.fetched[key] = false, false
	g.deleted = true
}

// news tells the state what it was not told.
func (g *game) news() {
	if g.changed {
		g.changed = false
		g.event("changed", g.s.changed)
	}
	if g.deleted {
		g.deleted = false
		g.event("deleted", func() { g.s.deleted(g.now) })
	}
}

// pass lets time pass, and what is due happen when it is.
func (g *game) pass(span time.Duration) {
	until := g.now.Add(span)
	for w := g.s.wake(); g.err == nil && !w.IsZero() && !w.After(until); w = g.s.wake() {
		g.now = w
		g.event("tick", func() { g.s.tick(g.now) })
	}
	g.now = until
}

// work lets something come of what is under way.
func (g *game) work() {
	switch n := g.rng.IntN(10); {
	case n < 2:
		g.news()
	case n < 6 && len(g.reads) > 0:
		g.readOne()
	case n < 6 && len(g.read) > 0:
		all := g.read
		g.read = nil
		g.event("reviewed", func() { g.s.reviewed(g.now, all) })
	default:
		for _, id := range pick(g, g.calls) {
			if c := g.calls[id]; c.key >= 0 {
				g.fetch(id, c)
			} else {
				g.scan(id, c)
			}
		}
	}
}

// fails reports whether something fails, now and then.
func (g *game) fails(oneIn int) bool { return !g.calm && g.rng.IntN(oneIn) == 0 }

var errBroken = errors.New("broken")

func (g *game) readOne() {
	d := g.dataset(g.reads[0])
	g.reads = g.reads[1:]
	r := review{document: d.id, policy: d.policy, gone: !d.there || !d.synced}
	if !r.gone && g.fails(8) {
		r.err = errBroken
	}
	g.read = append(g.read, r)
}

// scan lets a scan come one step further.
func (g *game) scan(id jobID, c *call) {
	switch {
	case c.told && g.fails(4):
		// It hangs.
	case c.ended || c.told && (c.waits || g.rng.IntN(3) > 0):
		g.scanned(id, stopped, nil)
	case c.waits:
		// It is not told yet.
	case !c.doc.there:
		g.scanned(id, gone, nil)
	case g.fails(30):
		g.scanned(id, stopped, errBroken)
	case len(c.page) > 0:
		g.offer(id, c)
	case c.next == gameKeys:
		g.scanned(id, complete, nil)
	default:
		g.look(c)
	}
}

// look looks at a page: what is missing of it now is offered later.
func (g *game) look(c *call) {
	for range gamePage {
		key := gameKey(c.next)
		if c.scan.policy.Covers(key) && string(key) >= string(c.scan.from) && !c.doc.here[c.next] {
			if _, carried := c.scan.carried[string(key)]; !carried {
				c.page = append(c.page, c.next)
			}
		}
		c.next++
	}
}

func (g *game) offer(id jobID, c *call) {
	key := c.page[0]
	c.page = c.page[1:]
	c.waits = true
	g.event(fmt.Sprintf("scan %d found %s", id, gameKey(key)), func() {
		g.s.found(id, document.Entry{Key: gameKey(key)})
	})
}

func (g *game) scanned(id jobID, end scanEnd, err error) {
	delete(g.calls, id)
	g.event(fmt.Sprint("scan ", id, " ended: ", end, err), func() { g.s.scanned(g.now, id, end, err) })
}

// fetch lets a fetch end.
func (g *game) fetch(id jobID, c *call) {
	var err error
	switch {
	case c.slow && !g.fails(8) && !g.calm:
		return
	case g.fails(4) || c.told && g.rng.IntN(2) == 0:
		err = errBroken
	default:
		c.doc.here[c.key], c.doc.fetched[c.key] = true, true
	}
	delete(g.calls, id)
	g.event(fmt.Sprint("fetch ", id, " ended: ", err), func() { g.s.fetched(g.now, id, err) })
}

func (g *game) dataset(id document.ID) *dataset { return &g.docs[id[0]] }

// perform does what the state says, and looks whether it may say so.
func (g *game) perform(out effects) error {
	for _, id := range out.end {
		c := g.calls[id]
		if c == nil || c.told {
			return fmt.Errorf("job %d is told to end, and does not run, or was told", id)
		}
		c.told = true
	}
	for _, f := range out.fetches {
		if err := g.begins(f); err != nil {
			return err
		}
	}
	for _, r := range out.resume {
		c := g.calls[r.id]
		if !c.waits || c.told && r.more {
			return fmt.Errorf("scan %d is told whether to go on: %v", r.id, r.more)
		}
		c.waits, c.ended = false, !r.more
	}
	for _, o := range out.scans {
		g.calls[o.id] = &call{doc: g.dataset(o.document), key: -1, scan: o}
	}
	if len(out.review) > 0 && len(g.reads)+len(g.read) > 0 {
		return errors.New("two looks at policies at a time")
	}
	g.reads = append(g.reads, out.review...)
	for _, a := range out.answers {
		if err := g.answered(a); err != nil {
			return err
		}
	}
	return nil
}

// begins looks whether a fetch may begin.
func (g *game) begins(f fetching) error {
	d := g.dataset(f.document)
	key := slices.Index(gameKeyNames, string(f.entry.Key))
	for id, c := range g.calls {
		if c.doc == d && c.key == key {
			return fmt.Errorf("%s of %s is fetched, and fetch %d has not ended", f.entry.Key, d.id, id)
		}
	}
	if d.fetched[key] {
		return fmt.Errorf("%s of %s is fetched again", f.entry.Key, d.id)
	}
	g.calls[f.id] = &call{doc: d, key: key, slow: g.rng.IntN(2) == 0}
	return nil
}

// answered looks whether somebody may be told what he is.
func (g *game) answered(a answer) error {
	w, waits := g.waiters[a.waiter]
	delete(g.waiters, a.waiter)
	left := 0
	for _, c := range g.calls {
		if c.doc == w.doc {
			left++
		}
	}
	var stuck *StuckError
	switch {
	case !waits:
		return fmt.Errorf("%d is answered, and does not wait", a.waiter)
	case w.cancel && a.err == nil && left > 0:
		return fmt.Errorf("%d is told that %s has ended, and %d calls have not", a.waiter, w.doc.id, left)
	case w.cancel && errors.As(a.err, &stuck) && stuck.Calls != left:
		return fmt.Errorf("%d is told of %d calls that are stuck, and %d have not returned", a.waiter, stuck.Calls, left)
	case !w.cancel && a.err != nil && !errors.Is(a.err, ErrNotSynced):
		return fmt.Errorf("%d waits and is told %w", a.waiter, a.err)
	}
	return nil
}

// compare looks whether nothing is missing of what is said to be idle.
func (g *game) compare() error {
	for n := range g.docs {
		d := &g.docs[n]
		if g.changed || g.deleted || !d.synced || !g.s.status(d.id).Idle {
			continue
		}
		for key := range gameKeys {
			if !d.here[key] && d.policy.Covers(gameKey(key)) {
				return fmt.Errorf("%s is idle, and %s is missing", d.id, gameKey(key))
			}
		}
	}
	return nil
}

// rest lets everything go well from now on: then what is synced is idle.
func (g *game) rest() {
	g.calm = true
	defer func() { g.calm = false }()
	for n := 0; g.err == nil; n++ {
		switch busy := g.changed || g.deleted || len(g.reads)+len(g.read)+len(g.calls) > 0; {
		case n > 20_000:
			g.err = errors.New("it never rests")
		case busy:
			g.news()
			g.work()
		case g.s.wake().IsZero():
			g.rested()
			return
		default:
			g.pass(g.s.wake().Sub(g.now))
		}
	}
}

func (g *game) rested() {
	for n := range g.docs {
		st := g.s.status(g.docs[n].id)
		if st.Syncing != g.docs[n].synced || st.Syncing && !st.Idle {
			g.err = fmt.Errorf("%s rests as %+v", g.docs[n].id, st)
		}
	}
	for w := range g.waiters {
		g.err = fmt.Errorf("%d is never answered", w)
	}
}

// Whatever happens in whatever order, the books are right after every event, nothing is
// fetched twice, what is cancelled has ended, and in the end nothing is missing.
func TestRandomSequencesOfEventsBreakNoInvariant(t *testing.T) {
	if *sequence >= 0 {
		require.NoError(t, play(uint64(*sequence), true))
		return
	}
	for seed := range *sequences {
		require.NoError(t, play(uint64(seed), false), "to see it: go test ./download/mirror -run RandomSequences -args -sequence %d", seed)
	}
}

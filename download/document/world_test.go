package document

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

// world is a state, its callers and their disk, in one thread that a seed decides. The
// callers are players that do as those of a [Store] do. Each pauses wherever another could
// come in between, and at a pause its context may end, or it may panic. After each event the
// state is audited and compared with what has to be, which is kept in the plainest way.
type world struct {
	seed    uint64
	rng     *rand.Rand
	err     error // what went wrong first
	s       *state
	last    uint64 // number that was given to somebody
	closing bool
	players []*player
	answers map[ticket]answer
	lines   map[ID][]ticket // who has a turn, and then those who wait
	making  map[ID]ticket   // who imports
	deletes map[ticket]bool // who wants to delete, and whether it may
	watches map[watchID]watched

	here   dags // that are complete
	sweeps []*dags
	epoch  uint64
	rows   [worldPages]page
}

const (
	worldPages   = 2
	worldEntries = 3
	worldPlayers = 8
	worldEvents  = 400
	worldDrain   = 4000 // pauses, far more than there are in the scripts of all players
)

// dags is something about each entry of each page.
type dags [worldPages][worldEntries]bool

func newWorld(seed uint64) *world {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0))}
	w.restart()
	return w
}

// restart is the end of the process, and another on the same disk.
func (w *world) restart() {
	for _, p := range w.players {
		p.kill()
	}
	w.s, w.closing, w.players, w.sweeps = newState(), false, nil, nil
	w.answers, w.lines, w.making = map[ticket]answer{}, map[ID][]ticket{}, map[ID]ticket{}
	w.deletes, w.watches = map[ticket]bool{}, map[watchID]watched{}
}

// play plays a world to its end, and returns what went wrong.
func (w *world) play() error {
	for event := 0; event < worldEvents && w.err == nil; event++ {
		w.step(event > worldEvents/2)
	}
	for left := worldDrain; len(w.players) > 0 && w.err == nil; left-- {
		w.players[left%len(w.players)].move()
		if left == 0 {
			w.fail("%d players wait for ever", len(w.players))
		}
	}
	if len(w.s.claims)+len(w.s.lines) > 0 {
		w.fail("%d claims of nobody, %d lines", len(w.s.claims), len(w.s.lines))
	}
	w.restart()
	return w.err
}

func (w *world) step(late bool) {
	switch n := w.rng.IntN(100); {
	case n < 15 && len(w.players) < worldPlayers:
		w.join()
	case n < 18:
		w.watch()
	case n == 18:
		w.restart()
	case n == 19 && late && !w.closing:
		w.close()
	case n < 24:
		w.here[w.page()][w.entry()] = true
	case len(w.players) > 0:
		p := w.players[w.rng.IntN(len(w.players))]
		p.ended = p.ended || w.rng.IntN(40) == 0
		p.breaks = w.rng.IntN(60) == 0
		p.move()
	}
}

func (w *world) page() int    { return w.rng.IntN(worldPages) }
func (w *world) entry() int   { return w.rng.IntN(worldEntries) }
func (w *world) document() ID { return ID{byte(w.rng.IntN(2))} }

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("seed %d: %w", w.seed, fmt.Errorf(format, args...))
	}
}

func (w *world) close() {
	for id, line := range w.lines {
		w.lines[id] = line[:min(len(line), 1)]
	}
	w.closing = true
	w.after(nil, w.s.close)
}

// watch adds one who watches, or takes the first out.
func (w *world) watch() {
	for id := range watchID(w.last) {
		if _, watches := w.watches[id]; watches && w.rng.IntN(2) == 0 {
			w.after([]watchID{id}, func() { w.s.unwatch(id) })
			return
		}
	}
	w.last++
	id := watchID(w.last)
	one := w.document()
	w.watches[id] = []watched{{}, {one: &one}, {deletions: true}}[w.rng.IntN(3)]
	w.after(nil, func() { w.s.watch(id, w.watches[id]) })
}

// after looks whether all is as it has to be after an event, and those have been told who
// must be.
func (w *world) after(must []watchID, event func()) {
	event()
	out := w.s.take()
	for _, r := range out.answers {
		if _, twice := w.answers[r.to]; twice {
			w.fail("two answers for %d", r.to)
		}
		w.answers[r.to] = r.answer
		if _, is := w.deletes[r.to]; is {
			w.deletes[r.to] = r.err == nil && r.do == noDuty
		}
	}
	if told := slices.Concat(out.tell, out.end); !slices.Equal(sorted(told), sorted(must)) {
		w.fail("%v were told, and %v had to be", told, must)
	}
	for _, id := range out.end {
		delete(w.watches, id)
	}
	if out.closed != (w.closing && len(w.s.claims) == 0) {
		w.fail("closed is %v with %d claims", out.closed, len(w.s.claims))
	}
	if err := w.s.audit(); err != nil {
		w.fail("%w", err)
	}
	w.checkLines()
	w.checkMarks()
}

func sorted(all []watchID) []watchID { return slices.Sorted(slices.Values(all)) }

func (w *world) checkLines() {
	for id, line := range w.lines {
		if l := w.s.lines[id]; len(line) > 0 && (l == nil || l.turn == nil || l.turn.who != line[0]) {
			w.fail("%d does not have its turn", line[0])
		}
	}
}

// checkMarks looks for marks that do not hold: now, or after a restart.
func (w *world) checkMarks() {
	for n, row := range w.rows {
		if row.epoch != w.epoch && !(w.s.marks.known && row.epoch == w.s.marks.epoch) {
			continue // They have fallen.
		}
		for i, here := range w.here[n] {
			if row.has(i) && !here {
				w.fail("entry %d of page %d is marked and not here", i, n)
			}
		}
	}
}

// player is a caller.
type player struct {
	w      *world
	ended  bool // its context
	breaks bool // at its next pause
	killed bool
	yield  func(struct{}) bool
	next   func() (struct{}, bool)
	stop   func()
}

var (
	errBreak = errors.New("a player breaks") // what they panic with
	errEnded = errors.New("the context has ended")
	errDisk  = errors.New("the disk fails")
)

// join lets a player begin something.
func (w *world) join() {
	p := &player{w: w}
	scripts := []func(*player){(*player).change, (*player).create, (*player).look, (*player).look, (*player).look, (*player).delete, (*player).delete, (*player).sweep}
	script := scripts[w.rng.IntN(len(scripts))]
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != errBreak {
				panic(r)
			}
		}()
		p.yield = yield
		script(p)
	})
	w.players = append(w.players, p)
}

// move lets a player go on to its next pause.
func (p *player) move() {
	if _, more := p.next(); !more {
		p.w.players = without(p.w.players, p)
	}
}

// kill ends a player without another act, as the end of its process does.
func (p *player) kill() {
	p.killed = true
	p.stop()
}

// pause lets others go on.
func (p *player) pause() {
	if breaks := !p.yield(struct{}{}) || p.breaks; breaks {
		p.breaks = false
		panic(errBreak)
	}
}

// obtain is [Store.obtain].
func (p *player) obtain(what want) (who ticket, a answer, err error) {
	w := p.w
	w.last++
	who = ticket(w.last)
	has := false
	defer func() {
		if !has {
			p.leave(who, unchanged)
		}
	}()
	w.wanted(who, what)
	w.after(nil, func() { w.s.want(who, what) })
	a, err = p.await(who)
	for err == nil && a.do != noDuty {
		var epoch uint64
		if epoch, err = p.duty(a); err == nil {
			w.after(nil, func() { w.s.settled(who, epoch) })
			a, err = p.await(who)
		}
	}
	has = err == nil
	return who, a, err
}

// wanted notes who is in line, and who imports.
func (w *world) wanted(who ticket, what want) {
	switch what := what.(type) {
	case turnWith:
		if line := w.lines[what.document]; !w.closing && (len(line) == 0 || !what.atOnce) {
			w.lines[what.document] = append(line, who)
		}
	case importing:
		if _, taken := w.making[what.ID]; !w.closing && !taken {
			w.making[what.ID] = who
		}
	case deleting:
		w.deletes[who] = false
	}
}

func (p *player) await(who ticket) (answer, error) {
	for {
		p.pause()
		if a, answered := p.w.answers[who]; answered {
			delete(p.w.answers, who)
			return a, a.err
		}
		if p.ended {
			return answer{}, errEnded
		}
	}
}

// duty reads or writes the epoch, which may fail and have been written all the same.
func (p *player) duty(a answer) (uint64, error) {
	w := p.w
	p.pause()
	if w.rng.IntN(5) == 0 {
		return 0, errDisk
	}
	if a.do == readEpoch {
		return w.epoch, nil
	}
	w.epoch = a.epoch
	p.pause()
	if w.rng.IntN(5) == 0 {
		return 0, errDisk
	}
	return a.epoch, nil
}

// leave is [Store.leave], also for who has nothing.
func (p *player) leave(who ticket, did change) {
	w := p.w
	if p.killed {
		return
	}
	var must []watchID
	for id, line := range w.lines {
		if len(line) > 0 && line[0] == who && did != unchanged {
			must = w.watching(func(what watched) bool {
				return !what.deletions && (what.one == nil || did == removed && *what.one == id)
			})
		}
		w.lines[id] = without(line, who)
	}
	for id, maker := range w.making {
		if maker == who {
			delete(w.making, id)
		}
	}
	if w.deletes[who] {
		must = w.watching(func(what watched) bool { return what.deletions })
	}
	w.after(must, func() { w.s.leave(who, did) })
	delete(w.answers, who)
	delete(w.deletes, who)
}

// watching are those who watch one of these.
func (w *world) watching(these func(what watched) bool) (all []watchID) {
	for watcher, what := range w.watches {
		if these(what) {
			all = append(all, watcher)
		}
	}
	return all
}

// change changes a document.
func (p *player) change() {
	p.turn(turnWith{document: p.w.document(), atOnce: p.w.rng.IntN(4) == 0})
}

func (p *player) turn(what turnWith) {
	w := p.w
	who, _, err := p.obtain(what)
	if err != nil {
		if errors.Is(err, errTaken) && !what.atOnce {
			w.fail("who would have waited was refused")
		}
		return
	}
	did := unchanged
	defer func() { p.leave(who, did) }()
	for range w.rng.IntN(4) {
		if w.lines[what.document][0] != who {
			w.fail("%d has a turn of %v", who, w.lines[what.document])
		}
		p.pause()
		did = change(w.rng.IntN(3))
	}
}

// create makes a document.
func (p *player) create() {
	w := p.w
	id := w.document()
	who, _, err := p.obtain(importing{Import: Import{ID: id}})
	if err != nil {
		return
	}
	defer p.leave(who, unchanged)
	if w.making[id] != who {
		w.fail("%d imports what %d does", who, w.making[id])
	}
	p.pause()
	p.turn(turnWith{document: id})
}

// look looks at what is not marked of a page, and marks what is here.
func (p *player) look() {
	w, n := p.w, p.w.page()
	row, err := p.read(n)
	found := false
	for i := 0; i < worldEntries && err == nil; i++ {
		if p.pause(); !row.has(i) && w.find(n, i) {
			row.set(i)
			found = true
		}
	}
	if !found {
		return
	}
	who, _, err := p.obtain(marking{round: row.round})
	if err != nil {
		return
	}
	defer p.leave(who, unchanged)
	p.write(n, row)
	p.pause()
}

// read is [Store.marked].
func (p *player) read(n int) (page, error) {
	_, at, err := p.obtain(look{})
	if err != nil {
		return page{}, err
	}
	p.pause()
	row := page{round: at.round, epoch: at.epoch}
	if stored := p.w.rows[n]; stored.epoch == at.epoch {
		row.bits = bytes.Clone(stored.bits)
	}
	return row, nil
}

// write writes a row, or fails, or both.
func (p *player) write(n int, row page) error {
	p.pause()
	fails := p.w.rng.IntN(8) == 0
	if !fails || p.w.rng.IntN(2) == 0 {
		p.w.rows[n] = row
		p.w.checkMarks()
	}
	if fails {
		return errDisk
	}
	return nil
}

// find looks at a DAG. What a sweep that is under way has not deleted yet stays.
func (w *world) find(n, i int) bool {
	if w.here[n][i] {
		for _, found := range w.sweeps {
			found[n][i] = true
		}
	}
	return w.here[n][i]
}

// delete deletes a block of a DAG.
func (p *player) delete() {
	who, _, err := p.obtain(deleting{})
	if err != nil {
		return
	}
	defer p.leave(who, unchanged)
	p.remove(p.w.page(), p.w.entry())
	p.pause()
}

func (p *player) remove(n, i int) {
	p.pause()
	p.w.here[n][i] = false
	p.w.checkMarks()
}

// sweep deletes some of what is not found meanwhile.
func (p *player) sweep() {
	w := p.w
	var going, found dags
	for range worldPages * worldEntries / 2 {
		going[w.page()][w.entry()] = true
	}
	w.sweeps = append(w.sweeps, &found)
	defer func() { w.sweeps = without(w.sweeps, &found) }()
	if p.keep(&going) != nil {
		return
	}
	for n := range going {
		for i := range going[n] {
			if p.pause(); going[n][i] && !found[n][i] {
				w.here[n][i] = false
				w.checkMarks()
			}
		}
	}
}

// keep is [Store.Keep].
func (p *player) keep(going *dags) error {
	who, _, err := p.obtain(deleting{sweep: true})
	if err != nil {
		return err
	}
	defer p.leave(who, unchanged)
	for n := range going {
		row, err := p.read(n)
		for i := 0; i < worldEntries && err == nil; i++ {
			if row.has(i) && going[n][i] {
				row.bits[0] &^= 1 << i
			}
		}
		if err == nil {
			err = p.write(n, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

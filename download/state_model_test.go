package download

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

var (
	sequences = flag.Int("sequences", 500, "how many random sequences of events are played")
	sequence  = flag.Int64("sequence", -1, "play this one alone, and print it")
)

// game is a random sequence of events, with what has to be true of what the state
// makes of them, kept in the plainest way.
type game struct {
	seed uint64
	rng  *rand.Rand
	s    *state
	now  time.Time
	show bool
	err  error

	lastIntent IntentID
	intents    map[IntentID]wish
	links      map[peer.ID]linkPhase
	transfers  map[TransferID]*errand
	refused    map[pair]time.Time // until when a node is not to be asked
	failed     map[pair]bool      // ever, or is said not to have it
	suspect    map[peer.ID]bool   // has ever failed, so that it may be resting
}

type pair struct {
	node     peer.ID
	resource cid.Cid
}

type wish struct {
	resource cid.Cid
	retries  int
	since    time.Time
}

type errand struct {
	resource cid.Cid
	nodes    map[peer.ID]bool
	bytes    uint64
}

const (
	gameNodes     = 6
	gameResources = 8
	gameGroups    = 3
	gameEvents    = 40
)

func nodeID(n int) peer.ID { return peer.ID(fmt.Sprint("node-", n)) }

func groupName(n int) Group { return Group(fmt.Sprint("group-", n)) }

func resourceCID(n int) cid.Cid {
	c, err := cid.V1Builder{Codec: cid.DagProtobuf, MhType: 0x12}.Sum(fmt.Append(nil, "resource ", n))
	if err != nil {
		panic(err)
	}
	return c
}

var gameCIDs = func() (all [gameResources]cid.Cid) {
	for n := range all {
		all[n] = resourceCID(n)
	}
	return all
}()

// readable writes names as numbers.
var readable = func() *strings.Replacer {
	var names []string
	for n, c := range gameCIDs {
		names = append(names, c.String(), fmt.Sprint("r", n), fmt.Sprintf("{%s}", c.KeyString()), fmt.Sprint("r", n))
	}
	for n := range gameNodes {
		names = append(names, nodeID(n).String(), fmt.Sprint("n", n))
	}
	return strings.NewReplacer(names...)
}()

// gameBegins is any time: the state knows no other.
var gameBegins = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func newGame(seed uint64, show bool) *game {
	rng := rand.New(rand.NewPCG(seed, 0))
	l := Limits{
		Transfers: 1 + rng.IntN(6), PerNode: 1 + rng.IntN(3), Connections: 1 + rng.IntN(4), Dials: 1 + rng.IntN(3),
		Sources: 1 + rng.IntN(3), Retries: 1 + rng.IntN(3), Nodes: gameNodes - rng.IntN(2), Resources: gameResources,
	}
	return &game{
		seed: seed, rng: rng, s: newState(l.withDefaults(), seed), now: gameBegins, show: show,
		intents: make(map[IntentID]wish), links: make(map[peer.ID]linkPhase), transfers: make(map[TransferID]*errand),
		refused: make(map[pair]time.Time), failed: make(map[pair]bool), suspect: make(map[peer.ID]bool),
	}
}

// play plays a sequence, lets all faults end, and returns the first thing that is
// wrong.
func play(seed uint64, show bool) error {
	g := newGame(seed, show)
	for n := 0; n < gameEvents && g.err == nil; n++ {
		g.pass(g.span())
		g.one()
	}
	g.calm()
	g.forget()
	if g.err != nil {
		return fmt.Errorf("seed %d after %s: %w", seed, g.now.Sub(gameBegins), g.err)
	}
	return nil
}

func (g *game) span() time.Duration {
	switch n := g.rng.IntN(50); {
	case n < 20:
		return 0
	case n < 40:
		return time.Duration(g.rng.IntN(1000)) * time.Millisecond
	case n < 49:
		return time.Duration(g.rng.IntN(20)) * time.Second
	}
	return time.Duration(g.rng.IntN(20)) * time.Minute
}

// pass lets time pass, and what is due happen when it is.
func (g *game) pass(d time.Duration) {
	until := g.now.Add(d)
	for w := g.s.wake(); g.err == nil && !w.IsZero() && !w.After(until); w = g.s.wake() {
		if w.After(g.now) {
			g.now = w
		}
		g.event("tick", func() { g.s.tick(g.now) })
	}
	g.now = until
}

// event lets something happen, and looks at all that it leads to.
func (g *game) event(what string, happen func()) {
	if g.err != nil {
		return
	}
	happen()
	out := g.s.take()
	if g.show {
		fmt.Print(readable.Replace(fmt.Sprintf("%8.3fs %s\n    %v\n", g.now.Sub(gameBegins).Seconds(), what, out)))
	}
	if g.err = g.perform(out); g.err == nil {
		g.err = g.s.audit(g.now)
	}
	if g.err == nil {
		g.err = g.compare()
	}
	if g.err != nil {
		g.err = fmt.Errorf("%s: %w", what, g.err)
	}
}

func (g *game) node() peer.ID     { return nodeID(g.rng.IntN(gameNodes)) }
func (g *game) resource() cid.Cid { return gameCIDs[g.rng.IntN(gameResources)] }

// some returns up to most of what one returns.
func some[T any](g *game, most int, one func() T) (all []T) {
	for range g.rng.IntN(most + 1) {
		all = append(all, one())
	}
	return all
}

func (g *game) group() Group { return groupName(g.rng.IntN(gameGroups)) }

// one lets one thing happen, whatever comes.
func (g *game) one() {
	switch n := g.rng.IntN(20); {
	case n < 3:
		g.nameNode()
	case n < 8:
		g.wish()
	case n < 9:
		g.cancel()
	case n < 10:
		id := g.node()
		delete(g.links, id)
		g.event("remove "+string(id), func() { g.s.removeNode(g.now, id) })
	case n < 14:
		g.link(g.rng.IntN(4) > 0)
	default:
		g.work(g.rng.IntN(8))
	}
}

func (g *game) nameNode() {
	id := g.node()
	h := NodeHints{Has: some(g, 2, g.resource), Groups: some(g, 2, g.group)}
	if g.rng.IntN(4) == 0 {
		h.HasNot = some(g, 2, g.resource)
	}
	g.event(fmt.Sprint("node ", id, h), func() {
		known := g.s.nodes[id] != nil
		if err := g.s.addNode(g.now, id, h); err != nil && !known && g.s.nodes[id] == nil {
			return
		}
		for _, c := range h.Has {
			g.hinted(id, c)
		}
		for _, c := range h.HasNot {
			g.refuse(id, c)
		}
	})
}

func (g *game) hinted(id peer.ID, c cid.Cid) {
	delete(g.refused, pair{id, c})
	delete(g.failed, pair{id, c})
}

func (g *game) refuse(id peer.ID, c cid.Cid) {
	g.refused[pair{id, c}] = g.now.Add(g.s.limits.Skip)
	g.failed[pair{id, c}] = true
}

func (g *game) wish() {
	c := g.resource()
	h := ResourceHints{From: some(g, 2, g.node), Groups: some(g, 2, g.group), Several: g.rng.IntN(3) == 0}
	if g.rng.IntN(5) == 0 {
		h.Not = some(g, 2, g.node)
	}
	id, retries := IntentID(0), g.rng.IntN(4)
	if g.rng.IntN(8) > 0 {
		g.lastIntent++
		id = g.lastIntent
	}
	g.event(fmt.Sprint("want ", id, " ", c, h), func() {
		if g.s.addResource(g.now, c, id, retries, h) != nil {
			return
		}
		if retries == 0 {
			retries = g.s.limits.Retries
		}
		if id != 0 {
			g.intents[id] = wish{c, retries, g.now}
		}
		for _, n := range h.Not {
			g.refuse(n, c)
		}
		for _, n := range h.From {
			if g.s.nodes[n] != nil {
				g.hinted(n, c)
			}
		}
	})
}

func (g *game) cancel() {
	for _, id := range pick(g, g.intents) {
		delete(g.intents, id)
		g.event(fmt.Sprint("cancel ", id), func() { g.s.cancelIntent(g.now, id) })
	}
}

// pick returns one key of a map, or none when there is none.
func pick[K interface{ ~uint64 | ~string }, V any](g *game, m map[K]V) []K {
	if len(m) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(m))
	return []K{keys[g.rng.IntN(len(keys))]}
}

// link lets a connection come about, fail or be lost.
func (g *game) link(well bool) {
	for _, id := range pick(g, g.links) {
		switch {
		case g.links[id] == dialled && well:
			g.links[id] = linked
			g.event("connected "+string(id), func() { g.s.connected(g.now, id, time.Duration(g.rng.IntN(300))*time.Millisecond) })
		case g.links[id] == dialled:
			delete(g.links, id)
			g.suspect[id] = true
			g.event("unreachable "+string(id), func() { g.s.failedToConnect(g.now, id, nil) })
		case !well:
			delete(g.links, id)
			g.suspect[id] = true
			g.event("gone "+string(id), func() { g.s.gone(g.now, id) })
		}
	}
}

// work lets something happen to a transfer.
func (g *game) work(what int) {
	for _, id := range pick(g, g.transfers) {
		e := g.transfers[id]
		from := slices.Sorted(maps.Keys(e.nodes))[g.rng.IntN(len(e.nodes))]
		switch what {
		case 0:
			g.event(fmt.Sprint("ready ", id, from), func() { g.s.ready(g.now, id, from, time.Second) })
		case 1, 2:
			e.bytes += uint64(g.rng.IntN(2))
			g.event(fmt.Sprint("progress ", id), func() { g.s.progress(g.now, id, e.bytes, 10) })
		case 3:
			delete(g.transfers, id)
			g.event(fmt.Sprint("done ", id), func() { g.s.done(g.now, id) })
		default:
			g.fail(id, e, from, Reason(what-3))
		}
	}
}

// fail lets a node fail in a transfer, or what is alone in one end it.
func (g *game) fail(id TransferID, e *errand, from peer.ID, why Reason) {
	if why == Unreachable {
		why = Local
	}
	g.suspect[from] = true
	g.failed[pair{from, e.resource}] = true
	if why == HasNot {
		g.refuse(from, e.resource)
	}
	if len(e.nodes) == 1 && g.rng.IntN(2) == 0 || why == Local {
		from = ""
		delete(g.transfers, id)
	}
	g.event(fmt.Sprint("failed ", id, from, why), func() { g.s.failed(g.now, id, from, why, nil) })
}

// perform does what the state says, and looks whether it may say so.
func (g *game) perform(out effects) error {
	for _, id := range out.cancel {
		if g.transfers[id] == nil {
			return fmt.Errorf("transfer %d is cancelled, and does not run", id)
		}
		for n := range g.transfers[id].nodes {
			g.suspect[n] = true // It may have stalled.
		}
		delete(g.transfers, id)
	}
	for _, seat := range out.leave {
		e := g.transfers[seat.Transfer]
		if e == nil || !e.nodes[seat.Node] {
			return fmt.Errorf("%s leaves transfer %d, in which it is not", seat.Node, seat.Transfer)
		}
		delete(e.nodes, seat.Node)
	}
	for _, o := range out.start {
		g.transfers[o.ID] = &errand{resource: o.CID, nodes: make(map[peer.ID]bool)}
		out.join = append([]Seat{{o.ID, o.Node}}, out.join...)
	}
	for _, o := range out.finished {
		if err := g.finished(o); err != nil {
			return err
		}
	}
	for _, seat := range out.join {
		if err := g.joins(seat); err != nil {
			return err
		}
	}
	for _, id := range out.disconnect {
		delete(g.links, id)
	}
	for _, id := range out.connect {
		if g.links[id] != away {
			return fmt.Errorf("%s is to be connected, and is", id)
		}
		g.links[id] = dialled
	}
	return nil
}

// joins takes a node into a transfer that it may serve.
func (g *game) joins(seat Seat) error {
	e := g.transfers[seat.Transfer]
	switch {
	case e == nil || e.nodes[seat.Node]:
		return fmt.Errorf("%s cannot join transfer %d", seat.Node, seat.Transfer)
	case g.links[seat.Node] != linked:
		return fmt.Errorf("%s serves, and is not connected", seat.Node)
	case g.refused[pair{seat.Node, e.resource}].After(g.now):
		return fmt.Errorf("%s is asked for %s, which it has refused", seat.Node, e.resource)
	}
	e.nodes[seat.Node] = true
	return nil
}

// finished looks whether intents have ended as they may.
func (g *game) finished(o Outcome) error {
	for _, id := range o.Intents {
		w, wanted := g.intents[id]
		if !wanted || w.resource != o.CID {
			return fmt.Errorf("intent %d has ended, and was not there", id)
		}
		delete(g.intents, id)
		if o.Err == nil {
			continue
		}
		if least := time.Duration(w.retries) * g.s.limits.RetryFirst; g.now.Sub(w.since) < least {
			return fmt.Errorf("intent %d has failed after %s, with %d retries", id, g.now.Sub(w.since), w.retries)
		}
		for n, phase := range g.links {
			if phase == linked && !errors.Is(o.Err, ErrLocal) && !g.suspect[n] && !g.failed[pair{n, o.CID}] && g.names(n, o.CID) {
				return fmt.Errorf("%s has failed, and %s could serve it", o.CID, n)
			}
		}
	}
	return nil
}

// names reports whether a node may have a resource, by what the state has been told.
func (g *game) names(id peer.ID, c cid.Cid) bool {
	n, r := g.s.nodes[id], g.s.resources[c]
	return n != nil && r != nil && r.knows(n)
}

// compare looks whether the state has made up refusals or lost intents.
func (g *game) compare() error {
	for p := range g.refused {
		if g.s.resources[p.resource] == nil { // It is complete.
			delete(g.refused, p)
		}
	}
	for _, r := range g.s.resources {
		for _, m := range r.marks {
			if until := g.refused[pair{m.node, r.cid}]; m.why == HasNot && m.until.After(until) {
				return fmt.Errorf("%s counts as not having %s, and has not said so", m.node, r.cid)
			}
		}
	}
	if len(g.s.intents) != len(g.intents) || len(g.s.running) != len(g.transfers) {
		return fmt.Errorf("%d intents and %d transfers are kept as %d and %d",
			len(g.intents), len(g.transfers), len(g.s.intents), len(g.s.running))
	}
	return nil
}

// calm lets everything succeed from now on: then every intent ends.
func (g *game) calm() {
	for range 2000 {
		switch {
		case g.err != nil || len(g.intents) == 0:
			return
		case len(g.transfers) > 0:
			g.work(3)
		case slices.Contains(slices.Collect(maps.Values(g.links)), dialled):
			g.link(true)
		case g.s.wake().IsZero():
			g.err = fmt.Errorf("%d intents are left, and nobody wakes for them", len(g.intents))
		default:
			g.pass(g.s.wake().Sub(g.now))
		}
	}
	g.err = fmt.Errorf("%d intents do not end", len(g.intents))
}

// forget lets so much time pass that nothing may be left. Connections end by
// themselves, dials do not.
func (g *game) forget() {
	for slices.Contains(slices.Collect(maps.Values(g.links)), dialled) && g.err == nil {
		g.link(false)
	}
	g.pass(3 * g.s.limits.Age)
	if left := len(g.s.resources) + len(g.s.nodes) + len(g.s.groups); g.err == nil && left > 0 {
		g.err = fmt.Errorf("%d resources, %d nodes and %d groups are known for ever",
			len(g.s.resources), len(g.s.nodes), len(g.s.groups))
	}
}

// Whatever happens in whatever order, the books are right after every event, nothing is
// asked of a node that has refused it, every intent ends in the end, and then nothing is
// left.
func TestRandomSequencesOfEventsBreakNoInvariant(t *testing.T) {
	if *sequence >= 0 {
		require.NoError(t, play(uint64(*sequence), true))
		return
	}
	const batch = 500
	for first := 0; first < *sequences; first += batch {
		t.Run(fmt.Sprint("from ", first), func(t *testing.T) {
			t.Parallel()
			for seed := first; seed < min(first+batch, *sequences); seed++ {
				require.NoError(t, play(uint64(seed), false), "to see it: go test ./download -run RandomSequences -args -sequence %d", seed)
			}
		})
	}
}

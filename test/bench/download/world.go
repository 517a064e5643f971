//go:build simulation

package download

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/test/internal/replay"
)

// plan is what a world is made of.
type plan struct {
	name             string
	resources, nodes int
	transfers        int     // at once
	connections      int     // at once
	holds            float64 // how much of all a node holds
	named            float64 // how much of what it holds it says beforehand
	breaks           float64 // how often a transfer fails half-way
	away             float64 // how much of the time a node is not there
	large            int     // resources of 256 MiB
	audits           int     // events between two audits; an audit looks at each node with each resource
}

// world plays nodes and paths for a machine.
type world struct {
	plan
	rng     *rand.Rand
	machine *download.Steps
	agenda  replay.Agenda
	began   time.Time
	now     time.Time
	updated time.Time // up to when what runs was moved on

	nodes     []*node
	byID      map[peer.ID]*node
	resources map[cid.Cid]*resource
	running   []*transfer // in the order in which they began
	events    int
	left      int
	err       error
	outcome   outcome
}

// node is a peer with a path to it, which all that it sends share.
type node struct {
	id     peer.ID
	rate   float64 // bytes a second
	delay  time.Duration
	holds  map[cid.Cid]bool
	away   bool
	linked bool
	sends  int
}

type resource struct {
	cid   cid.Cid
	size  float64
	got   float64 // what has come of it stays
	said  map[*node]time.Time
	asked int
}

type transfer struct {
	id       download.TransferID
	resource *resource
	from     []*node // that send
	asked    []*node // that were asked and have not answered
	breaksAt float64 // of got; beyond the size when it does not
}

// outcome is what was measured.
type outcome struct {
	took, ideal                  time.Duration
	asked, refused, broken, lost int
	dials, unreached             int
}

func newWorld(p plan, seed uint64) (*world, error) {
	began := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		plan: p, rng: rand.New(rand.NewPCG(seed, 0x776f726c64)), began: began, now: began, updated: began,
		byID: make(map[peer.ID]*node), resources: make(map[cid.Cid]*resource), left: p.resources,
	}
	var err error
	w.machine, err = download.NewSteps(download.Limits{Transfers: p.transfers, Connections: p.connections}, seed)
	w.populate()
	return w, err
}

// between draws a number so that each doubling is as likely.
func (w *world) between(low, high float64) float64 {
	return low * math.Pow(high/low, w.rng.Float64())
}

// populate makes nodes and resources, each resource with a holder at least.
func (w *world) populate() {
	for i := range w.plan.nodes {
		n := &node{
			id: peer.ID(fmt.Sprint("node-", i)), rate: w.between(1<<20, 8<<20),
			delay: time.Duration(w.between(5, 200) * float64(time.Millisecond)), holds: make(map[cid.Cid]bool),
		}
		w.nodes = append(w.nodes, n)
		w.byID[n.id] = n
		w.leaveAndReturn(n)
	}
	for i := range w.plan.resources {
		c, err := cid.V1Builder{Codec: cid.Raw, MhType: 0x12}.Sum(fmt.Append(nil, i))
		if err != nil {
			panic(err) // It has no cause to be.
		}
		r := &resource{cid: c, size: w.between(64<<10, 16<<20), said: make(map[*node]time.Time)}
		if i < w.large {
			r.size = 256 << 20
		}
		w.resources[c] = r
		w.nodes[w.rng.IntN(len(w.nodes))].holds[c] = true
		for _, n := range w.nodes {
			if w.rng.Float64() < w.plan.holds {
				n.holds[c] = true
			}
		}
		w.agenda.Push(w.began, func() { w.want(r, download.IntentID(i+1)) })
	}
	for _, n := range w.nodes {
		w.agenda.Push(w.began, func() { w.introduce(n) })
	}
}

const everything = download.Group("everything")

func (w *world) want(r *resource, id download.IntentID) {
	h := download.ResourceHints{Groups: []download.Group{everything}, Size: uint64(r.size)}
	w.err = w.machine.Want(w.now, r.cid, id, -1, h)
}

func (w *world) introduce(n *node) {
	h := download.NodeHints{Groups: []download.Group{everything}}
	for c := range n.holds {
		h.Has = append(h.Has, c)
	}
	slices.SortFunc(h.Has, table.Compare)
	w.rng.Shuffle(len(h.Has), func(i, j int) { h.Has[i], h.Has[j] = h.Has[j], h.Has[i] })
	h.Has = h.Has[:int(w.named*float64(len(h.Has)))]
	w.err = w.machine.Node(w.now, n.id, h)
}

// Nodes are away for ten seconds at a time.
const awayFor = 10 * time.Second

// leaveAndReturn has a node lost now and then.
func (w *world) leaveAndReturn(n *node) {
	if w.away == 0 {
		return
	}
	stays := time.Duration(w.rng.ExpFloat64() * float64(awayFor) * (1/w.away - 1))
	w.agenda.Push(w.now.Add(stays), func() {
		n.away = true
		if n.linked {
			w.outcome.lost++
			n.linked = false
			w.machine.Gone(w.now, n.id)
		}
		w.agenda.Push(w.now.Add(awayFor), func() {
			n.away = false
			w.leaveAndReturn(n)
		})
	})
}

// run plays until everything is here.
func (w *world) run() (outcome, error) {
	for w.left > 0 && w.err == nil {
		w.advance(w.next())
		if w.now.Sub(w.began) > time.Hour {
			return w.outcome, fmt.Errorf("%d of %d are missing after an hour", w.left, w.plan.resources)
		}
	}
	w.outcome.took, w.outcome.ideal = w.now.Sub(w.began), w.ideal()
	return w.outcome, w.err
}

// next is when something happens next.
func (w *world) next() time.Time {
	at := due.First(w.machine.Wake(), w.agenda.Next())
	for _, t := range w.running {
		if rate := t.rate(); rate > 0 {
			// A nanosecond more, so that it is there then whatever is rounded.
			in := time.Duration((min(t.resource.size, t.breaksAt)-t.resource.got)/rate*1e9) + 1
			at = due.First(at, w.updated.Add(in))
		}
	}
	if at.Before(w.now) {
		return w.now
	}
	return at
}

// rate is how fast a transfer is at present: of each node its part of its path.
func (t *transfer) rate() (sum float64) {
	for _, n := range t.from {
		sum += n.rate / float64(n.sends)
	}
	return sum
}

// advance moves what runs on to a time, and lets happen what happens then.
func (w *world) advance(to time.Time) {
	for _, t := range w.running {
		t.resource.got += t.rate() * to.Sub(w.updated).Seconds()
	}
	w.now, w.updated = to, to
	for _, t := range slices.Clone(w.running) {
		switch r := t.resource; {
		case r.got >= min(r.size, t.breaksAt) && r.size <= t.breaksAt:
			w.event(func() { w.end(t); w.machine.Done(w.now, t.id) })
		case r.got >= t.breaksAt:
			w.event(func() { w.breakDown(t) })
		}
	}
	if wake := w.machine.Wake(); !wake.IsZero() && !wake.After(w.now) {
		w.event(func() { w.machine.Tick(w.now) })
	}
	for w.agenda.Due(w.now) {
		w.event(w.agenda.Pop())
	}
}

func (w *world) breakDown(t *transfer) {
	w.outcome.broken++
	w.machine.Progress(w.now, t.id, uint64(t.resource.got), uint64(t.resource.size))
	w.end(t)
	w.machine.Failed(w.now, t.id, "", download.Broken)
}

// event lets something happen, and does what the machine says then.
func (w *world) event(happen func()) {
	if w.err != nil {
		return
	}
	happen()
	w.perform(w.machine.Take())
	if w.events++; w.events%w.audits == 0 && w.err == nil {
		w.err = w.machine.Audit(w.now)
	}
}

func (w *world) perform(out download.Effects) {
	for _, id := range out.Cancel {
		if t := w.transfer(id); t != nil {
			w.end(t)
		}
	}
	for _, seat := range out.Leave {
		w.transfer(seat.Transfer).without(w.byID[seat.Node])
	}
	for _, o := range out.Start {
		w.start(o)
	}
	for _, seat := range out.Join {
		w.ask(w.transfer(seat.Transfer), w.byID[seat.Node])
	}
	for _, id := range out.Disconnect {
		w.byID[id].linked = false
	}
	for _, id := range out.Connect {
		w.dial(w.byID[id])
	}
	for _, o := range out.Finished {
		w.left--
		if o.Err != nil {
			w.err = o.Err
		}
	}
}

func (w *world) transfer(id download.TransferID) *transfer {
	if at := slices.IndexFunc(w.running, func(t *transfer) bool { return t.id == id }); at >= 0 {
		return w.running[at]
	}
	return nil
}

func (w *world) start(o download.Start) {
	r := w.resources[o.CID]
	t := &transfer{id: o.ID, resource: r, breaksAt: math.Inf(1)}
	if w.rng.Float64() < w.breaks {
		t.breaksAt = r.got + (r.size-r.got)*w.rng.Float64()
	}
	w.running = append(w.running, t)
	w.ask(t, w.byID[o.Node])
}

// ask asks a node for what a transfer is about: after a round trip it sends, or says
// that it has not got it.
func (w *world) ask(t *transfer, n *node) {
	r := t.resource
	w.outcome.asked++
	if said, ever := r.said[n]; ever && w.now.Sub(said) < 10*time.Minute {
		w.err = fmt.Errorf("%s is asked again %s after it has refused %s", n.id, w.now.Sub(said), r.cid)
	}
	t.asked = append(t.asked, n)
	w.agenda.Push(w.now.Add(n.delay), func() {
		if !slices.Contains(t.asked, n) {
			return // It has ended meanwhile.
		}
		if n.holds[r.cid] {
			t.asked = slices.DeleteFunc(t.asked, func(o *node) bool { return o == n })
			t.from = append(t.from, n)
			n.sends++
			return
		}
		w.outcome.refused++
		r.said[n] = w.now
		t.without(n)
		if len(t.from)+len(t.asked) == 0 {
			w.end(t)
		}
		w.machine.Failed(w.now, t.id, n.id, download.HasNot)
	})
}

// without takes a node out of a transfer.
func (t *transfer) without(n *node) {
	t.asked = slices.DeleteFunc(t.asked, func(o *node) bool { return o == n })
	if at := slices.Index(t.from, n); at >= 0 {
		t.from = slices.Delete(t.from, at, at+1)
		n.sends--
	}
}

func (w *world) end(t *transfer) {
	for len(t.from)+len(t.asked) > 0 {
		t.without(slices.Concat(t.from, t.asked)[0])
	}
	w.running = slices.DeleteFunc(w.running, func(o *transfer) bool { return o == t })
}

// dial takes a round trip and a half, or as long as nobody answers.
func (w *world) dial(n *node) {
	w.outcome.dials++
	const patience = 2 * time.Second
	takes := 3 * n.delay / 2
	if n.away {
		takes = patience
	}
	w.agenda.Push(w.now.Add(takes), func() {
		if n.away {
			w.outcome.unreached++
			w.machine.FailedToConnect(w.now, n.id, nil)
			return
		}
		n.linked = true
		w.machine.Connected(w.now, n.id, n.delay)
	})
}

// ideal is how long all of it takes at least: no path idles, each carries what
// anybody wants, and as many nodes are connected as may be. Who does not know rates
// beforehand cannot choose the fastest, so those connected have the mean rate; others take
// the place of one that is away, where there are others.
func (w *world) ideal() time.Duration {
	bytes, rate := 0.0, 0.0
	for _, r := range w.resources {
		bytes += r.size
	}
	for _, n := range w.nodes {
		rate += n.rate / float64(len(w.nodes))
	}
	there := (1 - w.away) * float64(len(w.nodes))
	return time.Duration(bytes / (rate * min(there, float64(w.connections))) * float64(time.Second))
}

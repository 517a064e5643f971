package download

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
)

// resource is what somebody wants or has given a hint of.
type resource struct {
	cid     cid.Cid
	phase   phase
	place   uint64 // in line; 0 while no node may take it
	intents []*intent
	groups  []*group
	from    []*node // that were named for it
	marks   []mark  // by node
	size    uint64
	several bool // it may come from several nodes
	hinted  time.Time

	round   uint32 // grows with each retry
	retries int    // in a row
	err     error  // of the last attempt
	local   bool   // which failed here

	transfer *transfer
	bytes    uint64    // that are here, as far as is known
	most     uint64    // that ever were: what comes again is nothing new
	dials    int       // nodes that are being dialled for it
	dialAt   time.Time // from when another may be
	timing   timing
}

// phase is where a resource stands.
type phase uint8

const (
	unwanted phase = iota // without an intent: known for the sake of hints and refusals
	queued                // waits for a node that may be asked
	parked                // waits for its timer: no node may be asked. One that comes may take it all the same
	active                // has a transfer
)

// intent is one caller's interest.
type intent struct {
	id       IntentID
	resource *resource
	retries  int // that it has; negative for any number
	used     int // since something came last
}

// lookEvery is how often a resource that waits is looked at: whether a node is left
// that may be asked. Nodes that go away do not look for all that waits for them.
const lookEvery = 10 * time.Second

// addResource takes an intent and hints about a resource; without an intent, which
// is 0, hints alone. Retries are those of the limits when 0, and without end when
// negative. It returns ErrUsed for an intent that is there, and ErrFull when as
// many resources or nodes are known as there may be; of an intent for a resource that
// is known that is no error, and the nodes are left out.
func (s *state) addResource(now time.Time, c cid.Cid, id IntentID, retries int, h ResourceHints) error {
	if s.intents[id] != nil {
		return ErrUsed
	}
	r := s.resource(now, c)
	if r == nil {
		return ErrFull
	}
	news := s.hint(now, r, h)
	if id != 0 {
		s.want(now, r, id, retries)
	}
	if news {
		s.encourage(now, r)
	}
	s.refused(now, r)
	s.abandon(r)
	s.settle(now)
	return nil
}

// resource returns the one with a CID, of which a hint has come, or nil when there is
// no room for one more.
func (s *state) resource(now time.Time, c cid.Cid) *resource {
	r := s.resources[c]
	if r == nil {
		if len(s.resources) == s.limits.Resources && !s.makeRoom() {
			return nil
		}
		r = &resource{cid: c}
		s.resources[c] = r
	}
	r.hinted = now
	if r.phase == unwanted {
		s.keep(r)
	}
	return r
}

// makeRoom forgets the resource that would be forgotten next, and reports whether
// there was one.
func (s *state) makeRoom() bool {
	r, found := s.spare.first().(*resource)
	if found {
		s.forgetResource(r)
	}
	return found
}

// keep has a resource that nobody wants be forgotten when nothing that is known of it
// counts any more.
func (s *state) keep(r *resource) { s.spare.set(r, latest(r.hinted.Add(s.limits.Age), r.marks)) }

// hint takes in what is said of a resource, and reports whether there is somebody
// who may be asked now and could not be before.
func (s *state) hint(now time.Time, r *resource, h ResourceHints) (news bool) {
	r.size = max(r.size, h.Size)
	r.several = r.several || h.Several || r.size >= s.limits.LargeBytes
	for _, name := range h.Groups {
		g := s.group(name)
		if slices.Contains(r.groups, g) {
			continue
		}
		r.groups = append(r.groups, g)
		g.resources++
		if len(r.intents) > 0 {
			g.wanted++
		}
		news = true
	}
	for _, id := range h.Not {
		r.refuse(id, now.Add(s.limits.Skip))
	}
	for _, id := range h.From {
		if n := s.node(now, id); n != nil && s.connect(r, n) {
			news = true
		}
	}
	return news
}

// connect notes that a node has a resource, and reports whether that is news.
func (s *state) connect(r *resource, n *node) bool {
	news := r.unmark(n.id)
	if _, known := n.has[r]; !known {
		n.has[r] = struct{}{}
		r.from = append(r.from, n)
		news = true
	}
	return news
}

// want adds an intent.
func (s *state) want(now time.Time, r *resource, id IntentID, retries int) {
	if retries == 0 {
		retries = s.limits.Retries
	}
	i := &intent{id: id, resource: r, retries: retries}
	s.intents[id] = i
	r.intents = append(r.intents, i)
	switch r.phase {
	case unwanted:
		for _, g := range r.groups {
			g.wanted++
		}
		r.retries, r.err, r.local = 0, nil, false
		s.event(Event{Kind: Queued, CID: r.cid, Size: r.size})
		s.renew(now, r)
	case parked:
		r.retries = 0
		s.renew(now, r)
	case active:
		s.event(r.progress())
	}
}

// renew begins another round: each node that has failed may be asked again, if it has
// not said that it has not got it.
func (s *state) renew(now time.Time, r *resource) {
	r.round++
	r.marks = slices.DeleteFunc(r.marks, func(m mark) bool { return !m.holds(now, r.round) })
	s.queue(now, r)
	s.reconsider(now, r)
}

// encourage puts a resource that waits in line again, because of a hint. That is no
// retry, whatever comes of it.
func (s *state) encourage(now time.Time, r *resource) {
	switch {
	case r.place == 0:
	case r.phase == queued || s.servable(now, r):
		s.queue(now, r)
	default:
		s.line(r)
	}
}

// park lets a resource wait for its next retry, and fails the intents that have none
// left.
func (s *state) park(now time.Time, r *resource) {
	var failed []*intent
	for _, i := range r.intents {
		if (i.used == i.retries) != planted.Is(planted.InvertedRetry) {
			failed = append(failed, i)
		}
	}
	if len(failed) > 0 {
		s.fail(now, r, failed)
	}
	if len(r.intents) == 0 {
		s.abandon(r)
		return
	}
	r.retries++
	r.phase = parked
	s.timers.set(r, now.Add(s.limits.pause(r.retries)))
}

// fail ends intents, with what is known of why.
func (s *state) fail(now time.Time, r *resource, failed []*intent) {
	err := s.failure(now, r)
	err.Retries = failed[0].retries
	o := Outcome{CID: r.cid, Err: err}
	for _, i := range failed {
		o.Intents = append(o.Intents, i.id)
		s.drop(i)
	}
	s.out.finished = append(s.out.finished, o)
	s.event(Event{Kind: Failed, CID: r.cid, Err: err})
}

// failure says why a resource is not here.
func (s *state) failure(now time.Time, r *resource) *FailedError {
	e := &FailedError{CID: r.cid, Err: r.err, kind: ErrNoNodes}
	if r.local {
		e.kind = ErrLocal
	}
	why := make(map[peer.ID]Reason)
	var ids []peer.ID
	for _, m := range r.marks {
		why[m.node] = m.why
		ids = append(ids, m.node)
	}
	for n := range r.candidates() {
		if why[n.id] == 0 && !n.able(now) {
			why[n.id] = n.why
			ids = append(ids, n.id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		e.add(id, why[id])
	}
	return e
}

// drop takes away an intent.
func (s *state) drop(i *intent) {
	r := i.resource
	delete(s.intents, i.id)
	r.intents = slices.DeleteFunc(r.intents, func(o *intent) bool { return o == i })
	if len(r.intents) == 0 {
		for _, g := range r.groups {
			g.wanted--
		}
	}
}

// cancelIntent takes back an intent. With the last of a resource its transfer ends.
func (s *state) cancelIntent(now time.Time, id IntentID) {
	i := s.intents[id]
	if i == nil {
		return
	}
	r := i.resource
	s.drop(i)
	if len(r.intents) == 0 {
		if r.transfer != nil {
			if planted.Is(planted.CancelRefuses) {
				r.refuse(r.transfer.seats[0].node.id, now.Add(s.limits.Skip))
			}
			s.out.cancel = append(s.out.cancel, r.transfer.id)
			s.end(now, r.transfer)
		}
		s.event(Event{Kind: Dropped, CID: r.cid})
		s.abandon(r)
	}
	s.settle(now)
}

// abandon forgets a resource without intents as soon as nothing is to be remembered
// of it.
func (s *state) abandon(r *resource) {
	if len(r.intents) > 0 || s.resources[r.cid] != r {
		return
	}
	s.leaveLine(r)
	r.phase = unwanted
	if len(r.groups) == 0 && len(r.from) == 0 && len(r.marks) == 0 {
		s.forgetResource(r)
		return
	}
	s.keep(r)
}

// forgetResource takes a resource out of everything.
func (s *state) forgetResource(r *resource) {
	s.leaveLine(r)
	for _, n := range r.from {
		delete(n.has, r)
	}
	for _, g := range r.groups {
		g.resources--
		s.release(g)
	}
	stop(r)
	r.phase = unwanted
	delete(s.resources, r.cid)
}

// rang is what happens to a resource when its time has come.
func (r *resource) rang(s *state, now time.Time) {
	switch r.phase {
	case unwanted:
		if planted.Is(planted.EternalEntries) {
			s.spare.set(r, now.Add(s.limits.Age))
			return
		}
		s.forgetResource(r)
	case queued:
		s.revise(now, r)
	case parked:
		for _, i := range r.intents {
			i.used++
		}
		s.renew(now, r)
	case active:
		s.stall(now, r.transfer)
	}
}

// revise looks at a resource that waits: whether a refusal counts no more, and
// whether a node is left that may be asked.
func (s *state) revise(now time.Time, r *resource) {
	marks := len(r.marks)
	r.marks = slices.DeleteFunc(r.marks, func(m mark) bool { return !m.holds(now, r.round) })
	if len(r.marks) < marks {
		s.queue(now, r)
	}
	s.timers.set(r, due.First(now.Add(lookEvery), r.expires()))
	s.reconsider(now, r)
}

// progress is how far a resource is, for who asks late.
func (r *resource) progress() Event {
	return Event{Kind: Progress, CID: r.cid, Node: r.transfer.seats[0].node.id, Bytes: r.bytes, Size: r.size}
}

func (r *resource) timer() *timing { return &r.timing }

package tracker

import (
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// state is all that the actor owns: the table, and who is connected to it.
type state struct {
	table   *Table
	limits  Limits
	public  []string
	streams map[streamID]*stream
	open    map[peer.ID]int // streams of each peer
	subs    map[WatchID]subscription
	last    WatchID
	probing int
	probes  int       // at once at most
	next    time.Time // tick
	stat    Stat
}

// streamID is the number of a stream.
type streamID uint64

// stream is one that is served.
type stream struct {
	peer    peer.ID
	origin  netip.Addr
	watches []WatchID
}

// subscription is whose a watch is.
type subscription struct {
	stream  streamID
	request wire.RequestID
}

func newState(table *Table, public []record.Namespace, probes int, now time.Time) *state {
	s := &state{
		table: table, limits: table.limits, streams: make(map[streamID]*stream), open: make(map[peer.ID]int),
		subs: make(map[WatchID]subscription), next: now.Add(tickEvery), probes: probes,
	}
	for _, ns := range public {
		s.public = append(s.public, string(ns))
	}
	return s
}

// admits tells whether a peer may have one more stream.
func (s *state) admits(id peer.ID) bool {
	switch {
	case s.open[id] >= s.limits.PeerStreams:
		s.stat.StreamsOfPeer++
		return false
	case len(s.streams) >= s.limits.Streams:
		s.stat.StreamsOfAll++
		return false
	}
	return true
}

func (s *state) opened(n streamID, id peer.ID, origin netip.Addr) {
	s.streams[n] = &stream{peer: id, origin: origin}
	s.open[id]++
}

// closed ends the subscriptions of a stream with it.
func (s *state) closed(n streamID) {
	st := s.streams[n]
	for _, w := range st.watches {
		s.table.Unwatch(w)
		delete(s.subs, w)
	}
	delete(s.streams, n)
	if s.open[st.peer]--; s.open[st.peer] == 0 {
		delete(s.open, st.peer)
	}
}

// touch keeps rows. The frame is paid for with the first.
func (s *state) touch(now time.Time, n streamID, rows []wire.Touched, size int) []Verdict {
	st := s.streams[n]
	said := make([]Verdict, len(rows))
	if v := s.table.Charge(now, st.peer, st.origin, 0, size); v.Refusal != Accepted {
		for i := range said {
			said[i] = v
		}
		return said
	}
	for i, row := range rows {
		said[i] = s.table.Touch(now, st.peer, st.origin, string(row.Namespace), row.Sequence)
	}
	return said
}

// subscribe makes a watch of what a request is about.
func (s *state) subscribe(now time.Time, n streamID, request wire.RequestID, q Query) Verdict {
	st := s.streams[n]
	switch {
	case s.watchOf(st, request) >= 0:
		return s.table.refuse(Verdict{Refusal: RefusedNumber})
	case len(st.watches) >= wire.MaxSubscriptions:
		return s.table.refuse(Verdict{Refusal: RefusedWatches})
	}
	v := s.table.Watch(now, s.last+1, q)
	if v.Refusal == Accepted {
		s.last++
		s.subs[s.last] = subscription{n, request}
		st.watches = append(st.watches, s.last)
	}
	return v
}

// watchOf is the position of a request's watch among those of its stream.
func (s *state) watchOf(st *stream, request wire.RequestID) int {
	return slices.IndexFunc(st.watches, func(w WatchID) bool { return s.subs[w].request == request })
}

// unsubscribe ends a subscription and returns how many the stream has left.
func (s *state) unsubscribe(now time.Time, n streamID, request wire.RequestID, size int) (left int, v Verdict) {
	st := s.streams[n]
	v = s.table.Charge(now, st.peer, st.origin, unsubscribeCost, size)
	if i := s.watchOf(st, request); i >= 0 {
		s.table.Unwatch(st.watches[i])
		delete(s.subs, st.watches[i])
		st.watches = slices.Delete(st.watches, i, i+1)
	}
	return len(st.watches), v
}

func (s *state) feedback(now time.Time, n streamID, token uint64, reports []Report, samples []Sample, size int) Verdict {
	st := s.streams[n]
	if v := s.table.Charge(now, st.peer, st.origin, 0, size); v.Refusal != Accepted {
		return v
	}
	return s.table.Feedback(now, st.peer, st.origin, token, reports, samples)
}

// faulted counts a message that is against the rules.
func (s *state) faulted(now time.Time, n streamID, f wire.Fault, size int) Verdict {
	s.stat.Faults[f]++
	st := s.streams[n]
	return s.table.Charge(now, st.peer, st.origin, 1, size)
}

// spoiled counts a record that is refused for what is in it. One that was claimed
// before has cost what it costs.
func (s *state) spoiled(now time.Time, n streamID, f record.Fault, size int, claimed bool) Verdict {
	s.stat.Records[f]++
	st := s.streams[n]
	if claimed {
		return Verdict{}
	}
	return s.table.refuse(s.table.charge(now, st.peer, st.origin, cost{announces: 1, bytes: float64(size)}))
}

// list is who has something of a namespace, or of the public ones when it is
// empty, in one answer.
func (s *state) list(now time.Time, q Query) Answer {
	spaces := []string{q.Namespace}
	if q.Namespace == "" {
		spaces = s.public
	}
	var all Answer
	for _, q.Namespace = range spaces {
		some := s.table.Query(now, q, nil)
		if some.Refusal != Accepted {
			if len(all.Rows) > 0 {
				break
			}
			return some
		}
		all.Rows = appendNew(all.Rows, some.Rows, int(q.K))
		if len(all.Rows) >= int(q.K) {
			break
		}
	}
	return all
}

// appendNew appends the rows of peers that have none yet.
func appendNew(to, rows []Candidate, most int) []Candidate {
	for _, c := range rows {
		if len(to) < most && !slices.ContainsFunc(to, func(o Candidate) bool { return o.Peer == c.Peer }) {
			to = append(to, c)
		}
	}
	return to
}

const (
	tickEvery       = time.Second
	unsubscribeCost = 0.25 // queries: it makes the tracker look for a subscription and no more
)

// told is what a stream is to be told.
type told struct {
	stream  streamID
	notices []wire.Notify
}

// tick is for every second.
func (s *state) tick(now time.Time) (news []told, probes []Probe) {
	s.next = now.Add(tickEvery)
	if s.table.Tick(now) {
		s.next = now
	}
	if s.probes > s.probing {
		probes = s.table.Probes(now, s.probes-s.probing)
		s.probing += len(probes)
	}
	return s.news(now), probes
}

// probed takes what a probe showed: nothing when the peer was not reached, which
// may be for want of a way to it.
func (s *state) probed(now time.Time, p Probe, became ProbeResult) {
	s.probing--
	s.stat.Probes[became]++
	switch became {
	case ProbeHad:
		s.table.Probed(now, p, true)
	case ProbeMissed:
		s.table.Probed(now, p, false)
	}
}

// statistics are those of this moment.
func (s *state) statistics() Stat {
	stat := s.stat
	stat.Table, stat.Streams, stat.Probing = s.table.Stat(), len(s.streams), s.probing
	return stat
}

// news are the notices by stream, in the order in which they came up.
func (s *state) news(now time.Time) []told {
	var all []told
	at := make(map[streamID]int)
	for _, n := range s.table.Notices(now) {
		sub := s.subs[n.Watch]
		i, known := at[sub.stream]
		if !known {
			i = len(all)
			at[sub.stream] = i
			all = append(all, told{stream: sub.stream})
		}
		all[i].notices = addNotice(all[i].notices, wire.Notify{ID: sub.request, Rows: rowsOf(n.Rows), More: n.More})
	}
	return all
}

// addNotice adds a notice to those of a stream, as far as there is room for it. A
// subscription to two places has one.
func addNotice(to []wire.Notify, n wire.Notify) []wire.Notify {
	room := smallFrame
	for _, o := range to {
		room -= sizeOf(o.Rows)
	}
	if fit := fitRows(n.Rows, room); len(fit) < len(n.Rows) {
		n.Rows, n.More = fit, true
	}
	i := slices.IndexFunc(to, func(o wire.Notify) bool { return o.ID == n.ID })
	if i < 0 {
		return append(to, n)
	}
	rows := append(to[i].Rows, n.Rows...)
	to[i].More = to[i].More || n.More || len(rows) > wire.MaxRows
	to[i].Rows = rows[:min(len(rows), wire.MaxRows)]
	return to
}

// mergeNews is what a stream is told that has not read the last: its rows, and of
// the rest that there is more.
func mergeNews(older, newer []wire.Notify) []wire.Notify {
	for _, n := range newer {
		i := slices.IndexFunc(older, func(o wire.Notify) bool { return o.ID == n.ID })
		if i < 0 {
			older = append(older, wire.Notify{ID: n.ID, More: true})
		} else {
			older[i].More = true
		}
	}
	return older
}

// restore takes a piece of a snapshot.
func (s *state) restore(now time.Time, chunk []byte) error {
	rows, err := s.table.Restore(now, chunk)
	s.stat.Restored += uint64(rows)
	if err != nil {
		s.stat.Damaged++
	}
	return err
}

// wrote counts a snapshot that was written, or was not.
func (s *state) wrote(err error) {
	if err != nil {
		s.stat.KeepFailed++
	} else {
		s.stat.Kept++
	}
}

package server

import (
	"container/list"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/resolver/wire"
)

// client is a peer that asks.
type client struct {
	peer    peer.ID
	streams int
	queue   []*ask // that wait for their turn
	place   place
	bucket  rate.Bucket
	left    time.Time     // when its last stream ended
	gone    *list.Element // in departed; nil while it has a stream

	running int // calls of Produce that were begun for it
	asking  int // asks that are being produced, for whomever that was begun
	unread  int // bytes of answers that are not written
}

// stream is a stream that is served.
type stream struct {
	id      streamID
	client  *client
	last    wire.ID // of a request
	owed    int     // requests without an answer, and answers that are not written
	faults  int
	closing bool // no more requests come: it ends when nothing is owed

	answers []wire.Answer // to be written
	writing []wire.Answer // that the writer has

	held  bool       // its reader waits to be told to read on
	fault wire.Fault // for which the stream is to end
	until time.Time
	pause *list.Element // in pauses; nil when it is not
}

// opened takes a stream, unless there are too many.
func (s *state) opened(now time.Time, id streamID, p peer.ID) bool {
	c := s.peers[p]
	if len(s.streams) >= s.limits.Streams || c != nil && c.streams >= s.limits.PeerStreams {
		s.stat.Rejected++
		return false
	}
	if c == nil {
		c = &client{peer: p, bucket: bucket(now, s.limits.PeerRate)}
		s.peers[p] = c
	}
	if c.gone != nil {
		s.departed.Remove(c.gone)
		c.gone = nil
	}
	c.streams++
	s.streams[id] = &stream{id: id, client: c}
	return true
}

// asked takes a request of which the reader waits to be told to read on. Refused is
// one of a peer that may have nothing.
func (s *state) asked(now time.Time, id streamID, m *wire.Request, refused bool) {
	st := s.streams[id]
	if !s.begins(st, m.ID) {
		return
	}
	a := &ask{stream: st, id: m.ID, key: m.Key, part: m.Part, list: m.List, came: now}
	code, outcome := s.judge(now, a, refused)
	switch {
	case code != 0:
		s.fail(now, a, code, outcome)
	case s.atOnce(now, a):
		s.total.Take(1)
		s.begin(now, a)
	default:
		a.wait = s.waits.PushBack(a)
		st.client.queue = append(st.client.queue, a)
		s.offer(st.client)
		s.serve(now)
	}
	s.readOn(st)
}

// begins takes in that a request has come. Numbers grow, or an answer would not say
// what it is to: after one that does not the stream has no meaning.
func (s *state) begins(st *stream, id wire.ID) bool {
	st.held = true
	if id <= st.last {
		s.end(st, wire.FaultID)
		return false
	}
	st.last = id
	st.owed++
	return true
}

// judge says why a request is not to wait for its turn, or nothing. The rate of a peer
// is that of all that it asks: a refusal costs work, too.
func (s *state) judge(now time.Time, a *ask, refused bool) (wire.Code, Outcome) {
	c := a.stream.client
	if !c.bucket.Ready(now, 1) {
		s.hold(now, a.stream)
		return wire.CodeBusy, OutcomeRate
	}
	c.bucket.Take(1)
	switch {
	case refused:
		return wire.CodeRefused, OutcomeRefused
	case len(a.key) != s.keySize:
		s.blame(a.stream, wire.FaultKey)
		return wire.CodeMalformed, OutcomeMalformed
	case len(c.queue) >= s.limits.PeerWaiting || len(c.queue) > 0 && s.waits.Len() >= s.limits.Waiting:
		return wire.CodeBusy, OutcomeFull
	}
	return 0, 0
}

// faulted takes a message against the rules, of which the reader waits to be told to
// read on. One without a number cannot be answered, and ends the stream.
func (s *state) faulted(now time.Time, id streamID, f wire.Fault, number wire.ID) {
	st := s.streams[id]
	if number == 0 {
		st.held = true
		s.end(st, f)
		return
	}
	if !s.begins(st, number) {
		return
	}
	s.blame(st, f)
	st.client.bucket.Take(1)
	s.fail(now, &ask{stream: st, id: number, came: now}, wire.CodeMalformed, OutcomeMalformed)
	s.readOn(st)
}

// blame counts a fault, and ends a stream that has had too many.
func (s *state) blame(st *stream, f wire.Fault) {
	s.stat.Faults[f]++
	if st.faults++; st.faults >= mostFaults {
		st.fault = f
	}
}

// end counts a fault that ends a stream.
func (s *state) end(st *stream, f wire.Fault) {
	s.stat.Faults[f]++
	st.fault = f
	s.readOn(st)
}

// broken counts what ended a stream.
func (s *state) broken(f wire.Fault) { s.stat.Faults[f]++ }

// hold keeps a stream from being read for a while.
func (s *state) hold(now time.Time, st *stream) {
	st.until = now.Add(pauseTime)
	st.pause = s.pauses.PushBack(st)
}

func (s *state) unpause(st *stream) {
	if st.pause != nil {
		s.pauses.Remove(st.pause)
		st.pause = nil
	}
}

// readOn tells a reader to read on, if it waits for that and may.
func (s *state) readOn(st *stream) {
	if st.held && (st.fault != 0 || st.pause == nil && len(st.answers) < mostAnswers) {
		st.held = false
		s.out.resumes = append(s.out.resumes, resume{st.id, st.fault})
	}
}

// ended takes in that no more requests come on a stream.
func (s *state) ended(id streamID) {
	st := s.streams[id]
	st.closing = true
	s.rest(st)
}

// rest ends a stream in order when nothing is owed.
func (s *state) rest(st *stream) {
	if st.closing && st.owed == 0 {
		s.out.rests = append(s.out.rests, st.id)
	}
}

// owes reports whether a stream has an answer to come.
func (s *state) owes(id streamID) bool { return s.streams[id].owed > 0 }

// closed forgets a stream, and all that was asked on it.
func (s *state) closed(now time.Time, id streamID) {
	st := s.streams[id]
	c := st.client
	delete(s.streams, id)
	s.unpause(st)
	for _, a := range slices.DeleteFunc(slices.Clone(c.queue), func(a *ask) bool { return a.stream != st }) {
		c.unqueue(a)
		s.unwait(a)
		s.went(now, a, OutcomeGone)
	}
	s.desert(now, st)
	s.read(c, sizeOf(st.answers)+sizeOf(st.writing))
	if c.streams--; c.streams == 0 {
		c.left = now
		c.gone = s.departed.PushBack(c)
	}
	s.offer(c)
	s.relieve()
	s.serve(now)
}

// forget removes a client without streams, unless something is being produced on its
// account.
func (s *state) forget(c *client) {
	s.departed.Remove(c.gone)
	if c.running > 0 {
		c.left = c.left.Add(rememberTime)
		c.gone = s.departed.PushBack(c)
		return
	}
	delete(s.peers, c.peer)
}

func (c *client) unqueue(a *ask) {
	i := slices.Index(c.queue, a)
	c.queue = slices.Delete(c.queue, i, i+1)
}

func (s *state) unwait(a *ask) {
	s.waits.Remove(a.wait)
	a.wait = nil
}

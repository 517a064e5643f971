package resolver

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
)

const (
	// mostRow is how many requests may wait for the writer of a stream. A peer has few
	// outstanding ones, so more are of one that has taken none for several timeouts.
	mostRow = 256
	// restAfter is after how long beyond the timeout of its last request our side of a
	// stream is ended: fetches come in bursts, and who serves ends it later, so that no
	// request meets the end.
	restAfter = 20 * time.Second
	// restTime is how long the other side may take to end its own.
	restTime = 5 * time.Second
)

// streamID names a stream, across all peers.
type streamID uint64

// line is a stream to a peer, from the moment when it is to be opened.
type line struct {
	peer    peer.ID
	stream  streamID
	open    bool
	writing bool // the writer has not written what it was given
	resting bool // our side has ended
	row     []byte
	rows    int       // requests in row
	due     time.Time // when our side is to end, or when the other is given up
}

// lines are the streams to all peers: one that takes requests to each.
type lines struct {
	idle time.Duration

	of      map[peer.ID]*line
	streams map[streamID]*line
	last    streamID
	next    time.Time // when to be woken, at the latest; zero for never
	lost    []peer.ID // who answers nothing of what was asked on a stream
	out     lineEffects
}

// lineEffects are what the shell performs.
type lineEffects struct {
	dials   []dialing
	writes  []writing
	rests   []streamID // nothing follows what is written
	hangUps []hangUp
	held    []peer.ID // connections to be kept
	let     []peer.ID // and not to be kept any more
}

type (
	dialing struct {
		stream streamID
		to     peer.ID
	}
	writing struct {
		stream streamID
		frames []byte
	}
	hangUp struct {
		stream  streamID
		inOrder bool
	}
)

func newLines(timeout time.Duration) *lines {
	return &lines{idle: timeout + restAfter, of: make(map[peer.ID]*line), streams: make(map[streamID]*line)}
}

// takeLost returns who answers nothing any more of what was asked. It is to be told to
// the state before that asks anything else.
func (s *lines) takeLost() []peer.ID {
	lost := s.lost
	s.lost = nil
	return lost
}

func (s *lines) take() lineEffects {
	out := s.out
	s.out = lineEffects{}
	return out
}

// ask has a request written, as the frame that it is.
func (s *lines) ask(now time.Time, to peer.ID, frame []byte) {
	l := s.of[to]
	if l == nil {
		s.last++
		l = &line{peer: to, stream: s.last}
		s.of[to], s.streams[l.stream] = l, l
		s.out.dials = append(s.out.dials, dialing{l.stream, to})
	}
	if l.rows == mostRow {
		s.end(l, false)
		return
	}
	l.row, l.rows = append(l.row, frame...), l.rows+1
	s.flush(now, l)
}

// flush gives the writer what waits for it, when it has nothing to do.
func (s *lines) flush(now time.Time, l *line) {
	if !l.open || l.writing || l.rows == 0 {
		return
	}
	s.out.writes = append(s.out.writes, writing{l.stream, l.row})
	l.row, l.rows, l.writing = nil, 0, true
	s.rearm(l, now.Add(s.idle))
}

// opened notes that a stream is open, or not. It reports whether there is a use for it.
func (s *lines) opened(now time.Time, id streamID, err error) bool {
	l := s.streams[id]
	switch {
	case l == nil:
		return false
	case err != nil:
		s.end(l, false)
		return false
	}
	l.open = true
	s.out.held = append(s.out.held, l.peer)
	s.flush(now, l)
	return true
}

// wrote notes that the writer has written what it was given.
func (s *lines) wrote(now time.Time, id streamID) {
	if l := s.streams[id]; l != nil {
		l.writing = false
		s.flush(now, l)
	}
}

// ended notes that a stream has ended at the peer, in order or not.
func (s *lines) ended(id streamID, inOrder bool) {
	if l := s.streams[id]; l != nil {
		s.end(l, inOrder)
	}
}

// cut ends the stream to a peer of which nothing is expected any more.
func (s *lines) cut(p peer.ID) {
	if l := s.of[p]; l != nil {
		s.end(l, false)
	}
}

func (s *lines) end(l *line, inOrder bool) {
	delete(s.streams, l.stream)
	if s.of[l.peer] == l {
		delete(s.of, l.peer)
		s.lost = append(s.lost, l.peer)
	}
	if l.open {
		s.out.let = append(s.out.let, l.peer)
		s.out.hangUps = append(s.out.hangUps, hangUp{l.stream, inOrder})
	}
}

func (s *lines) rearm(l *line, at time.Time) {
	l.due = at
	s.next = due.First(s.next, at)
}

// tick ends our side of streams on which nothing was asked for long enough, and later
// those that their peer has not ended.
func (s *lines) tick(now time.Time) {
	if s.next.IsZero() || now.Before(s.next) {
		return
	}
	s.next = time.Time{}
	for _, id := range slices.Sorted(maps.Keys(s.streams)) {
		l := s.streams[id]
		switch {
		case !l.open: // Opening it ends by itself.
		case now.Before(l.due):
			s.rearm(l, l.due)
		case l.resting || l.writing:
			s.end(l, false)
		default:
			l.resting = true
			delete(s.of, l.peer)
			s.out.rests = append(s.out.rests, id)
			s.rearm(l, now.Add(restTime))
		}
	}
}

// peer is who is at the other end of a stream.
func (s *lines) peer(id streamID) (peer.ID, bool) {
	l := s.streams[id]
	if l == nil {
		return "", false
	}
	return l.peer, true
}

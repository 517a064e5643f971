package client

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// model is a world in which trackers do whatever they like, and what was seen of the
// client from outside.
type model struct {
	*rig
	open    map[callID]bool // calls that have not ended; true for subscriptions that have begun
	dialled []streamID
	streams map[streamID]*theirs
	held    map[peer.ID]bool
}

// theirs is an open stream as the tracker has it.
type theirs struct {
	writing  bool
	rests    bool
	requests []wire.Message // that were not answered
	subs     []wire.RequestID
	ended    bool
}

func TestWhateverHappensEachCallEndsOnceAndNothingStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			rig: newRig(t), open: make(map[callID]bool), streams: make(map[streamID]*theirs),
			held: make(map[peer.ID]bool),
		}
		step := func(f func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				f(t)
				m.follow()
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask":         step(m.ask),
			"ask more":    step(m.ask),
			"give up":     step(m.abandon),
			"unsubscribe": step(m.endSubscription),
			"opened":      step(m.finishDial),
			"wrote":       step(m.finishWrite),
			"answer":      step(m.reply),
			"answer more": step(m.reply),
			"notify":      step(m.announceRows),
			"lie":         step(m.lie),
			"cut":         step(m.cutOne),
			"parted":      step(func(t *rapid.T) { m.parted(m.tracker(t)) }),
			"set":         step(m.change),
			"wait":        step(m.wait),
		})
		m.end()
	})
}

func (m *model) tracker(t *rapid.T) peer.ID {
	return rapid.SampledFrom([]peer.ID{first, second, peerOf(4)}).Draw(t, "tracker")
}

// ask begins a call of any kind.
func (m *model) ask(t *rapid.T) {
	m.last++
	m.open[m.last] = false
	to := m.tracker(t)
	var r *record.Record
	var q wire.Message
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		q = &wire.Query{About: photos.About, K: 1}
	case 1:
		r = &record.Record{Namespace: "photos", TTL: time.Duration(rapid.IntRange(0, 2).Draw(t, "TTL")) * time.Hour, Sequence: 7}
		q = &wire.Announce{Record: []byte("signed")}
	case 2:
		q = &wire.Touch{Rows: []wire.Touched{{Namespace: "photos"}}}
	case 3:
		q = &wire.Subscribe{About: photos.About}
	default:
		q = &wire.Feedback{Token: []byte("token")}
	}
	m.begin(m.now, m.last, to, q, r)
}

// one is one of the calls, or 0.
func (m *model) one(t *rapid.T, begun bool) callID {
	var all []callID
	for _, id := range slices.Sorted(maps.Keys(m.open)) {
		if m.open[id] == begun {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return 0
	}
	return rapid.SampledFrom(all).Draw(t, "call")
}

func (m *model) abandon(t *rapid.T) {
	m.giveUp(m.now, m.one(t, false), rapid.Bool().Draw(t, "late"), errTest)
}

func (m *model) endSubscription(t *rapid.T) { m.unsubscribe(m.now, m.one(t, true), errTest) }

func (m *model) finishDial(t *rapid.T) {
	if len(m.dialled) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.dialled)-1).Draw(t, "dial")
	id := m.dialled[i]
	m.dialled = slices.Delete(m.dialled, i, i+1)
	var err error
	if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
		err = errTest
	}
	if m.opened(m.now, id, err) {
		require.NoError(m.t, err)
		m.streams[id] = &theirs{}
	}
}

// any is one of the streams that have not ended, if there is one that will do.
func (m *model) any(t *rapid.T, will func(*theirs) bool) (streamID, *theirs) {
	var all []streamID
	for _, id := range slices.Sorted(maps.Keys(m.streams)) {
		if s := m.streams[id]; !s.ended && will(s) {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return 0, nil
	}
	id := rapid.SampledFrom(all).Draw(t, "stream")
	return id, m.streams[id]
}

func (m *model) finishWrite(t *rapid.T) {
	if id, s := m.any(t, func(s *theirs) bool { return s.writing }); s != nil {
		s.writing = false
		m.wrote(m.now, id)
	}
}

func (m *model) reply(t *rapid.T) {
	id, s := m.any(t, func(s *theirs) bool { return len(s.requests) > 0 })
	if s == nil {
		return
	}
	i := rapid.IntRange(0, len(s.requests)-1).Draw(t, "request")
	q := s.requests[i]
	s.requests = slices.Delete(s.requests, i, i+1)
	if query, asks := q.(*wire.Query); asks {
		m.hear(m.now, id, &wire.Reply{ID: query.ID, Rows: make([]wire.Row, query.K)})
		return
	}
	answer := &wire.Receipt{ID: idOf(q)}
	if rapid.IntRange(0, 3).Draw(t, "refuses") == 0 {
		answer.Refusals = []wire.Refusal{{Code: rapid.SampledFrom([]wire.Code{wire.CodeUnknownRow, wire.CodeRate}).Draw(t, "code")}}
	} else if q.Kind() == wire.KindSubscribe {
		s.subs = append(s.subs, answer.ID)
	}
	m.hear(m.now, id, answer)
}

func (m *model) announceRows(t *rapid.T) {
	if id, s := m.any(t, func(s *theirs) bool { return len(s.subs) > 0 }); s != nil {
		m.hear(m.now, id, &wire.Notify{ID: rapid.SampledFrom(s.subs).Draw(t, "subscription")})
	}
}

// lie says something that an honest tracker does not.
func (m *model) lie(t *rapid.T) {
	id, s := m.any(t, func(*theirs) bool { return true })
	if s == nil {
		return
	}
	n := wire.RequestID(rapid.IntRange(1, 1+int(m.last)).Draw(t, "number"))
	switch rapid.IntRange(0, 4).Draw(t, "lie") {
	case 0:
		m.hear(m.now, id, &wire.Reply{ID: n, Rows: make([]wire.Row, 2)})
	case 1:
		m.hear(m.now, id, &wire.Receipt{ID: n, Refusals: make([]wire.Refusal, 3)})
	case 2:
		m.hear(m.now, id, &wire.Notify{ID: n})
	case 3:
		m.hear(m.now, id, &wire.Query{ID: n})
	default:
		m.mistaken(m.now, id, &wire.MessageError{Fault: wire.FaultUnknown})
	}
}

func (m *model) cutOne(t *rapid.T) {
	if id, s := m.any(t, func(*theirs) bool { return true }); s != nil {
		m.cut(m.now, id, rapid.SampledFrom([]error{ErrEnded, errTest, &FaultError{errTest}}).Draw(t, "cause"))
		require.NotContains(m.t, m.state.streams, id)
	}
}

// change lets a third tracker come or go.
func (m *model) change(*rapid.T) {
	if m.lines[peerOf(4)] == nil {
		require.NoError(m.t, m.add(m.now, []peer.AddrInfo{infoOf(peerOf(4))}))
		return
	}
	m.added = nil
	m.gather(m.now)
}

func (m *model) wait(t *rapid.T) {
	end := m.now.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "time")))
	m.run(end)
}

// run lets time pass.
func (m *model) run(end time.Time) {
	for !m.next.IsZero() && !m.next.After(end) {
		require.False(m.t, m.next.Before(m.now), "what was due is done")
		m.now = m.next
		m.tick(m.now)
		m.follow()
	}
	m.now = end
}

// follow takes the effects, and looks whether they fit with what was before.
func (m *model) follow() {
	out := m.settle()
	for _, d := range out.dials {
		m.dialled = append(m.dialled, d.stream)
	}
	for _, w := range out.writes {
		m.written(w)
	}
	for _, id := range out.rests {
		require.False(m.t, m.streams[id].rests || m.streams[id].ended)
		m.streams[id].rests = true
	}
	for _, e := range out.ends {
		require.False(m.t, m.streams[e.stream].ended, "a stream ends once")
		m.streams[e.stream].ended = true
	}
	for _, n := range out.notices {
		require.Contains(m.t, m.open, n.call, "a notice for a call that has ended")
	}
	for _, a := range out.answers {
		begun, open := m.open[a.call]
		require.True(m.t, open, "a call ends once")
		require.False(m.t, begun && a.begins, "and begins once")
		if m.open[a.call] = a.begins; !a.begins {
			delete(m.open, a.call)
		}
	}
	for _, p := range out.hold {
		require.False(m.t, m.held[p])
		m.held[p] = true
	}
	for _, p := range out.release {
		require.True(m.t, m.held[p])
		delete(m.held, p)
	}
	for _, d := range out.downs {
		require.LessOrEqual(m.t, d.until.Sub(m.now), maxPause)
		require.Greater(m.t, d.until.Sub(m.now), firstPause/2)
	}
}

// written looks at what a writer is given.
func (m *model) written(w write) {
	s := m.streams[w.stream]
	require.False(m.t, s.writing || s.rests || s.ended, "a writer has one thing to do at a time")
	s.writing = true
	requests := said(m.t, w.frames)
	require.LessOrEqual(m.t, len(requests), atOnce)
	for _, q := range requests {
		switch q.(type) {
		case *wire.Feedback, *wire.Unsubscribe:
		default:
			s.requests = append(s.requests, q)
		}
	}
}

// end gives up all calls and lets everything come to rest.
func (m *model) end() {
	for _, id := range slices.Sorted(maps.Keys(m.open)) {
		m.giveUp(m.now, id, false, errTest)
		m.unsubscribe(m.now, id, errTest)
		m.follow()
	}
	require.Empty(m.t, m.open)
	for _, id := range m.dialled {
		if m.opened(m.now, id, nil) {
			m.streams[id] = &theirs{}
		}
		m.follow()
	}
	m.run(m.now.Add(3 * time.Hour))
	require.Empty(m.t, m.held)
	require.Empty(m.t, m.state.streams)
	require.True(m.t, m.next.IsZero())
	for _, s := range m.streams {
		require.True(m.t, s.ended)
	}
}

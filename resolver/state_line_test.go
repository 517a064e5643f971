package resolver

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// lineModel plays the streams of lines: one byte a request.
type lineModel struct {
	t     *rapid.T
	lines *lines
	now   time.Time

	streams map[streamID]*lineStream
	owed    map[peer.ID]string // requests whose fate nobody knows yet
	held    map[peer.ID]int
}

type lineStream struct {
	peer    peer.ID
	open    bool
	writing string
	rests   bool
	gone    bool // before it was open
	over    bool
}

// take looks at what is to be performed.
func (m *lineModel) take() {
	out := m.lines.take()
	for _, p := range m.lines.takeLost() {
		m.owed[p] = ""
		for _, s := range m.streams {
			s.gone = s.gone || s.peer == p && !s.open
		}
	}
	for _, d := range out.dials {
		for _, s := range m.streams {
			require.False(m.t, s.peer == d.to && !s.over && !s.rests && !s.gone, "one stream to a peer takes requests")
		}
		m.streams[d.stream] = &lineStream{peer: d.to}
	}
	for _, p := range out.held {
		m.held[p]++
	}
	for _, w := range out.writes {
		s := m.streams[w.stream]
		require.True(m.t, s.open && !s.over && !s.rests && s.writing == "", "its writer has nothing to do")
		s.writing = string(w.frames)
		require.NotEmpty(m.t, s.writing)
	}
	for _, id := range out.rests {
		s := m.streams[id]
		require.True(m.t, s.open && !s.over && !s.rests && s.writing == "")
		s.rests = true
	}
	for _, h := range out.hangUps {
		require.True(m.t, m.streams[h.stream].open && !m.streams[h.stream].over, "a stream ends once")
		m.streams[h.stream].over = true
	}
	for _, p := range out.let {
		m.held[p]--
	}
}

// some draws a stream that has not ended, if there is one that will do: nil for none.
func (m *lineModel) some(will func(*lineStream) bool) (id streamID, s *lineStream) {
	var ids []streamID
	for id := streamID(1); id <= m.lines.last; id++ {
		if s := m.streams[id]; s != nil && !s.over && will(s) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	id = rapid.SampledFrom(ids).Draw(m.t, "stream")
	return id, m.streams[id]
}

func drawLinePeer(t *rapid.T) peer.ID {
	return rapid.SampledFrom([]peer.ID{"p", "q"}).Draw(t, "peer")
}

func (m *lineModel) ask(t *rapid.T) {
	p := drawLinePeer(t)
	b := byte('a' + len(m.owed[p])%26)
	m.owed[p] += string(b)
	m.lines.ask(m.now, p, []byte{b})
}

func (m *lineModel) opened(*rapid.T) {
	id, s := m.some(func(s *lineStream) bool { return !s.open })
	if s == nil {
		return
	}
	if rapid.Bool().Draw(m.t, "fails") {
		require.False(m.t, m.lines.opened(m.now, id, errors.New("no route")))
		s.over = true
		return
	}
	s.open = m.lines.opened(m.now, id, nil)
	s.over = !s.open
}

func (m *lineModel) wrote(*rapid.T) {
	id, s := m.some(func(s *lineStream) bool { return s.writing != "" })
	if s == nil {
		return
	}
	require.Equal(m.t, s.writing, m.owed[s.peer][:len(s.writing)], "in order")
	m.owed[s.peer] = m.owed[s.peer][len(s.writing):]
	s.writing = ""
	m.lines.wrote(m.now, id)
}

func (m *lineModel) ended(*rapid.T) {
	id, s := m.some(func(s *lineStream) bool { return s.open })
	if s == nil {
		return
	}
	m.lines.ended(id, rapid.Bool().Draw(m.t, "in order"))
}

func TestRequestsAreWrittenInOrderOrLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &lineModel{
			t: t, lines: newLines(time.Second), now: epoch,
			streams: make(map[streamID]*lineStream), owed: make(map[peer.ID]string), held: make(map[peer.ID]int),
		}
		do := func(f func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				m.t = t
				f(t)
				m.take()
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": do(m.ask), "opened": do(m.opened), "wrote": do(m.wrote), "ended": do(m.ended),
			"cut": do(func(t *rapid.T) { m.lines.cut(drawLinePeer(t)) }),
			"time": do(func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "seconds")) * time.Second)
				m.lines.tick(m.now)
			}),
		})
		// In the end every stream that is open rests and is given up.
		for id, s := range m.streams {
			if !s.open && !s.over {
				m.lines.opened(m.now, id, errors.New("no route"))
				s.over = true
			}
		}
		m.take()
		for range 4 {
			m.now = m.now.Add(time.Hour)
			m.lines.tick(m.now)
			m.take()
		}
		require.Empty(t, m.lines.streams)
		require.Empty(t, m.lines.of)
		for p, n := range m.held {
			require.Zero(t, n, p)
		}
	})
}

func TestAPeerThatTakesNoRequestsIsHungUpOn(t *testing.T) {
	l := newLines(time.Second)
	l.ask(epoch, "p", []byte("x"))
	require.True(t, l.opened(epoch, 1, nil)) // The first is with the writer, which does not write.
	for range mostRow {
		l.ask(epoch, "p", []byte("x"))
	}
	require.Empty(t, l.takeLost())
	l.ask(epoch, "p", []byte("x"))
	out := l.take()
	require.Equal(t, []peer.ID{"p"}, l.takeLost())
	require.Equal(t, []hangUp{{1, false}}, out.hangUps)
}

func TestAStreamOnWhichNothingIsAskedEndsInOrder(t *testing.T) {
	l := newLines(10 * time.Second)
	l.ask(epoch, "p", []byte("x"))
	l.opened(epoch, 1, nil)
	l.wrote(epoch, 1)
	l.take()
	l.tick(epoch.Add(29 * time.Second))
	require.Empty(t, l.take().rests)
	l.tick(epoch.Add(30 * time.Second))
	require.Equal(t, []streamID{1}, l.take().rests)
	l.ask(epoch.Add(31*time.Second), "p", []byte("x"))
	require.Len(t, l.take().dials, 1, "what is asked now needs another")
	l.ended(1, true)
	out := l.take()
	require.Equal(t, []hangUp{{1, true}}, out.hangUps)
	require.Empty(t, l.takeLost())
}

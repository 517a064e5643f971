package server

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

// world is a state among peers, a Producer and writers that do whatever a seed says.
// It checks what must hold whatever they do: see settled.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	state *state

	streams []*player
	opened  streamID
	calls   []job
	began   map[productionID]time.Time
	answers int
}

// player is a stream and who asks on it.
type player struct {
	id     streamID
	last   wire.ID
	open   map[wire.ID]time.Time // requests without an answer, and when they were made
	waits  bool                  // to be told to read on
	ending bool
	rested bool
	hand   []wire.Answer // that the writer has
	reads  bool          // it writes at all
}

var worldLimits = Limits{
	MaxValue: 1 << 20, Producing: 3, PeerProducing: 2, ProduceTime: 2 * time.Second, Waiting: 12, PeerWaiting: 5,
	WaitTime: 3 * time.Second, Rate: 20, PeerRate: 3, Unread: 5 * wire.PartSize, PeerUnread: 3 * wire.PartSize,
	Kept: 2 << 20, KeepTime: 4 * time.Second, Streams: 8, PeerStreams: 2,
}

func newWorld(t *testing.T, seed uint64) *world {
	now := time.Unix(1_000_000, 0)
	return &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: now,
		state: newState(now, worldLimits.WithDefaults(), keySize), began: make(map[productionID]time.Time),
	}
}

// perform does what the state wants done.
func (w *world) perform() {
	out := w.state.take()
	for _, r := range out.resumes {
		p := w.player(r.stream)
		require.True(w.t, p.waits, "a reader is told to read on once for each request")
		p.waits = false
		require.Zero(w.t, r.fault)
	}
	for _, write := range out.writes {
		p := w.player(write.stream)
		require.Empty(w.t, p.hand, "a writer has one thing to write")
		p.hand = write.answers
	}
	for _, id := range out.rests {
		p := w.player(id)
		require.True(w.t, p.ending && !p.rested && len(p.open) == 0)
		p.rested = true
	}
	for _, j := range out.produces {
		w.calls = append(w.calls, j)
		w.began[j.id] = w.now
	}
	require.LessOrEqual(w.t, len(w.calls), worldLimits.Producing)
	require.NoError(w.t, w.state.audit(w.now))
}

func (w *world) player(id streamID) *player {
	for _, p := range w.streams {
		if p.id == id {
			return p
		}
	}
	require.FailNow(w.t, "the state speaks of a stream that has ended")
	return nil
}

func (w *world) step() {
	switch n := w.rng.IntN(100); {
	case n < 10:
		w.open()
	case n < 50:
		w.ask()
	case n < 70:
		w.write()
	case n < 85:
		w.produce()
	case n < 88:
		w.leave()
	case n < 90:
		w.end()
	default:
		w.sleep(time.Duration(w.rng.IntN(400)) * time.Millisecond)
	}
	w.perform()
}

func (w *world) open() {
	w.opened++
	if w.state.opened(w.now, w.opened, peer.ID(fmt.Sprint("peer", w.rng.IntN(6)))) {
		w.streams = append(w.streams, &player{id: w.opened, open: map[wire.ID]time.Time{}, reads: w.rng.IntN(4) > 0})
	}
}

func (w *world) any() *player {
	if len(w.streams) == 0 {
		return nil
	}
	return w.streams[w.rng.IntN(len(w.streams))]
}

// ask has a request read, if the reader may.
func (w *world) ask() {
	p := w.any()
	if p == nil || p.waits || p.ending {
		return
	}
	p.last += 1 + wire.ID(w.rng.IntN(3))
	p.open[p.last] = w.now
	p.waits = true
	m := &wire.Request{ID: p.last, Key: fmt.Sprintf("k%03d", w.rng.IntN(8))}
	if w.rng.IntN(3) == 0 {
		m.Part, m.List = w.rng.IntN(3), twoParts[w.rng.IntN(3)].list
	}
	w.state.asked(w.now, p.id, m, w.rng.IntN(20) == 0)
}

// twoParts are a few values of two parts.
var twoParts = func() (values []value) {
	for n := range 3 {
		data := bytes.Repeat([]byte{byte(n)}, wire.PartSize+n+1)
		parts := wire.Split(data)
		values = append(values, value{data, parts, parts.List()})
	}
	return values
}()

// write has a writer write what it has, if it writes at all.
func (w *world) write() {
	if p := w.any(); p != nil && p.reads {
		w.written(p)
	}
}

func (w *world) written(p *player) {
	if len(p.hand) == 0 {
		return
	}
	for _, m := range p.hand {
		_, asked := p.open[m.Number()]
		require.True(w.t, asked, "one answer for each request")
		delete(p.open, m.Number())
		w.answers++
	}
	p.hand = nil
	w.state.wrote(w.now, p.id)
}

// produce has a call return.
func (w *world) produce() {
	if len(w.calls) == 0 {
		return
	}
	i := w.rng.IntN(len(w.calls))
	j := w.calls[i]
	w.calls = append(w.calls[:i], w.calls[i+1:]...)
	switch w.rng.IntN(5) {
	case 0:
		w.state.produced(w.now, j.id, value{}, errors.New("broken disk"))
	case 1:
		w.state.produced(w.now, j.id, value{}, ErrNone)
	case 2:
		w.state.produced(w.now, j.id, value{data: []byte("small")}, nil)
	default:
		w.state.produced(w.now, j.id, twoParts[w.rng.IntN(3)], nil)
	}
}

func (w *world) leave() {
	if p := w.any(); p != nil {
		w.close(p)
	}
}

func (w *world) close(p *player) {
	for i := range w.streams {
		if w.streams[i] == p {
			w.streams = append(w.streams[:i], w.streams[i+1:]...)
			break
		}
	}
	w.state.closed(w.now, p.id)
}

func (w *world) end() {
	if p := w.any(); p != nil && !p.waits && !p.ending {
		p.ending = true
		w.state.ended(p.id)
	}
}

// sleep lets time pass, and wakes the state when it wants to be.
func (w *world) sleep(d time.Duration) {
	until := w.now.Add(d)
	for {
		at := w.state.next(w.now)
		if at.IsZero() || at.After(until) {
			break
		}
		require.False(w.t, at.Before(w.now.Add(-time.Second)), "what was due is done")
		if at.After(w.now) {
			w.now = at
		}
		w.state.tick(w.now)
		w.perform()
		next := w.state.next(w.now)
		require.True(w.t, next.IsZero() || next.After(w.now), "a tick does all that is due")
	}
	w.now = until
	for _, p := range w.streams {
		for id, at := range p.open {
			longest := worldLimits.WaitTime + worldLimits.ProduceTime
			if p.reads || w.handed(p, id) {
				continue
			}
			require.LessOrEqual(w.t, w.now.Sub(at), longest, "request %d hangs", id)
		}
	}
}

// handed reports whether a request of a stream has an answer, be it not written.
func (w *world) handed(p *player, id wire.ID) bool {
	st := w.state.streams[p.id]
	for _, m := range append(st.answers, st.writing...) {
		if m.Number() == id {
			return true
		}
	}
	return false
}

// settled ends a run: who is left reads, the Producer answers, and then nothing may
// be owed to anybody.
func (w *world) settled() {
	for range 200 {
		for _, p := range w.streams {
			w.written(p)
			w.perform()
		}
		w.produce()
		w.perform()
		w.sleep(100 * time.Millisecond)
	}
	for _, p := range w.streams {
		require.Empty(w.t, p.open, "every request has an answer")
		require.False(w.t, p.waits, "every reader may read on")
		require.Equal(w.t, p.ending, p.rested)
	}
	for len(w.streams) > 0 {
		w.close(w.streams[0])
		w.perform()
	}
	w.sleep(time.Minute)
	stat := w.state.statistics()
	require.Zero(w.t, stat.Unread+stat.Kept+stat.Producing+stat.Waiting+stat.Streams+len(w.state.peers))
	total := uint64(0)
	for o, n := range stat.Outcomes {
		if Outcome(o) != OutcomeGone {
			total += n
		}
	}
	require.GreaterOrEqual(w.t, total, uint64(w.answers))
}

func TestEveryRequestIsAnsweredOnceWhateverHappens(t *testing.T) {
	var all Stat
	for seed := range uint64(24) {
		w := newWorld(t, seed)
		for range 600 {
			w.step()
		}
		w.settled()
		for o, n := range w.state.stat.Outcomes {
			all.Outcomes[o] += n
		}
		all.Hits, all.Merged = all.Hits+w.state.stat.Hits, all.Merged+w.state.stat.Merged
	}
	for o, n := range all.Outcomes {
		require.True(t, n > 0, "no request became %s", Outcome(o))
	}
	require.NotZero(t, all.Hits)
	require.NotZero(t, all.Merged)
}

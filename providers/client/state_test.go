package client

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// rig is a state with two trackers, at a time that the test moves.
type rig struct {
	*state
	t    require.TestingT
	now  time.Time
	last callID
}

func newRig(t require.TestingT) *rig {
	r := &rig{
		state: newState([]peer.AddrInfo{infoOf(first), infoOf(second)}, self, false, 1),
		t:     t, now: time.Unix(1_000_000, 0),
	}
	r.settle()
	return r
}

// settle takes the effects of what has happened.
func (r *rig) settle() effects {
	require.NoError(r.t, r.audit())
	return r.take()
}

func (r *rig) asks(m wire.Message) callID {
	r.last++
	r.begin(r.now, r.last, first, m, nil)
	return r.last
}

// query asks the first tracker something.
func (r *rig) query() callID {
	q := photos
	return r.asks(&q)
}

// opens is a stream to the first tracker, opened for a question that was written.
func (r *rig) opens() (streamID, callID) {
	id := r.query()
	st := r.settle().dials[0].stream
	require.True(r.t, r.opened(r.now, st, nil))
	r.wrote(r.now, st)
	require.Len(r.t, r.settle().writes, 1)
	return st, id
}

// said are the requests in frames.
func said(t require.TestingT, frames []byte) (all []wire.Message) {
	for in := wire.NewReader(bytes.NewReader(frames), wire.Client); ; {
		m, err := in.Next()
		if err != nil {
			require.ErrorContains(t, err, "EOF")
			return all
		}
		all = append(all, m)
	}
}

func TestAnAnswerBeforeTheEndOfPatienceCounts(t *testing.T) {
	r := newRig(t)
	st, id := r.opens()
	r.hear(r.now, st, &wire.Reply{ID: 1})
	r.giveUp(r.now, id, true, errTest)
	out := r.settle()
	require.Len(t, out.answers, 1)
	require.NoError(t, out.answers[0].err)
	require.Empty(t, out.downs)
}

func TestAnAnswerBehindTheEndOfPatienceIsForNobody(t *testing.T) {
	r := newRig(t)
	st, id := r.opens()
	other := r.query()
	r.wrote(r.now, st)
	r.giveUp(r.now, id, true, errTest)
	r.hear(r.now, st, &wire.Reply{ID: 1})
	out := r.settle()
	require.Len(t, out.answers, 1)
	require.ErrorIs(t, out.answers[0].err, errTest)
	require.Len(t, out.downs, 1)
	require.Empty(t, out.blames, "it was owed")

	r.hear(r.now, st, &wire.Reply{ID: 1})
	out = r.settle()
	require.Len(t, out.blames, 1, "but once")
	require.Equal(t, other, out.answers[0].call)
	require.ErrorAs(t, out.answers[0].err, new(*FaultError))
}

func TestTheWriterIsGivenFramesWhenItHasWrittenTheLast(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	for range 2*atOnce + 1 {
		r.query()
	}
	var writes []int
	for range 3 {
		out := r.settle()
		require.Len(t, out.writes, 1)
		writes = append(writes, len(said(t, out.writes[0].frames)))
		r.wrote(r.now, st)
	}
	require.Equal(t, []int{1, atOnce, atOnce}, writes)
}

func TestARequestThatWasNotWrittenIsTakenBack(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	r.query()
	id := r.query()
	r.settle()
	r.giveUp(r.now, id, false, errTest)
	r.wrote(r.now, st)
	require.Empty(t, r.settle().writes)
	r.hear(r.now, st, &wire.Reply{ID: 3})
	require.Len(t, r.settle().blames, 1, "nobody can answer what was never said")
}

func TestAnAnswerToWhatTheWriterHasNotGotIsAFault(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	r.query()
	r.query()
	r.settle()
	r.hear(r.now, st, &wire.Reply{ID: 3})
	require.Len(t, r.settle().blames, 1)
}

func TestWhatAStreamThatEndedInOrderDidNotAnswerGoesOnAnotherOnce(t *testing.T) {
	r := newRig(t)
	st, id := r.opens()
	r.cut(r.now, st, ErrEnded)
	out := r.settle()
	require.Equal(t, []ending{{st, true}}, out.ends)
	require.Empty(t, out.answers)
	require.Len(t, out.dials, 1)

	st = out.dials[0].stream
	r.opened(r.now, st, nil)
	require.Len(t, said(t, r.settle().writes[0].frames), 1)
	r.cut(r.now, st, ErrEnded)
	out = r.settle()
	require.Empty(t, out.dials)
	require.Equal(t, id, out.answers[0].call)
	require.ErrorIs(t, out.answers[0].err, ErrEnded)
	require.Len(t, out.downs, 1)
}

func TestAStreamForATrackerThatHasGoneIsNotUsed(t *testing.T) {
	r := newRig(t)
	third := infoOf(peerOf(4))
	require.NoError(t, r.add(r.now, []peer.AddrInfo{third}))
	r.begin(r.now, 9, third.ID, &wire.Query{About: photos.About}, nil)
	st := r.settle().dials[0].stream
	r.added = nil
	r.gather(r.now)
	out := r.settle()
	require.True(t, out.members)
	require.ErrorIs(t, out.answers[0].err, ErrUnknown)
	require.False(t, r.opened(r.now, st, nil))
	require.Empty(t, r.settle().downs)
}

func TestFeedbackEndsWhenTheWriterHasIt(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	r.query()
	id := r.asks(&wire.Feedback{Token: []byte("token")})
	require.Empty(t, r.settle().answers, "the writer has other things to do")
	r.wrote(r.now, st)
	out := r.settle()
	require.Equal(t, id, out.answers[0].call)
	require.NoError(t, out.answers[0].err)
}

func TestASubscriptionHasABeginningAndAnEnd(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	id := r.asks(&wire.Subscribe{About: photos.About})
	r.wrote(r.now, st)
	r.settle()
	r.hear(r.now, st, &wire.Receipt{ID: 2})
	out := r.settle()
	require.True(t, out.answers[0].begins)
	require.Equal(t, []peer.ID{first}, out.hold)
	r.giveUp(r.now, id, true, errTest)
	require.Empty(t, r.settle().answers, "it has begun")

	r.hear(r.now, st, &wire.Notify{ID: 2})
	require.Equal(t, id, r.settle().notices[0].call)
	r.unsubscribe(r.now, id, errTest)
	out = r.settle()
	require.ErrorIs(t, out.answers[0].err, errTest)
	require.False(t, out.answers[0].begins)
	require.Equal(t, []peer.ID{first}, out.release)
	require.IsType(t, &wire.Unsubscribe{}, said(t, out.writes[0].frames)[0])
	r.hear(r.now, st, &wire.Notify{ID: 2})
	out = r.settle()
	require.Empty(t, out.notices)
	require.Empty(t, out.blames, "it was on its way")
}

func TestSubscriptionsThatHaveBegunDoNotMoveToAnotherStream(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	r.hear(r.now, st, &wire.Reply{ID: 1})
	id := r.asks(&wire.Subscribe{About: photos.About})
	r.wrote(r.now, st)
	r.hear(r.now, st, &wire.Receipt{ID: 2})
	r.settle()
	r.cut(r.now, st, ErrEnded)
	out := r.settle()
	require.Empty(t, out.dials)
	require.Equal(t, id, out.answers[0].call)
	require.ErrorIs(t, out.answers[0].err, ErrEnded)
	require.Empty(t, out.downs)
	require.Equal(t, []peer.ID{first}, out.release)
}

func TestAStreamEndsOurSideFirst(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	r.hear(r.now, st, &wire.Reply{ID: 1})
	r.settle()
	require.Equal(t, r.now.Add(wire.Idle), r.next)
	r.tick(r.now.Add(wire.Idle - 1))
	require.Empty(t, r.settle().rests)
	r.now = r.next
	r.tick(r.now)
	out := r.settle()
	require.Equal(t, []streamID{st}, out.rests)
	require.Empty(t, out.ends)

	r.query()
	require.Len(t, r.settle().dials, 1, "what is asked now is on another")
	r.tick(r.now.Add(endingTime))
	require.Equal(t, []ending{{st, false}}, r.settle().ends)
	require.NotNil(t, r.lines[first].stream)
}

func TestTheLastRowThatEndsLetsGo(t *testing.T) {
	r := newRig(t)
	st, _ := r.opens()
	for i, ttl := range []time.Duration{time.Hour, 2 * time.Hour} {
		row := &record.Record{Namespace: record.Namespace([]string{"a", "b"}[i]), TTL: ttl}
		r.last++
		r.begin(r.now, r.last, first, &wire.Announce{Record: []byte("signed")}, row)
		r.wrote(r.now, st)
		r.hear(r.now, st, &wire.Receipt{ID: wire.RequestID(2 + i)})
	}
	require.Equal(t, []peer.ID{first}, r.settle().hold)
	begin := r.now
	var released time.Time
	for !r.next.IsZero() {
		r.now = r.next
		r.tick(r.now)
		if out := r.settle(); len(out.release) > 0 {
			released = r.now
		}
		if r.now.After(begin.Add(time.Minute)) {
			r.giveUp(r.now, 1, false, errTest)
		}
	}
	require.Equal(t, begin.Add(2*time.Hour), released)
}

func TestATrackerThatLeavesTheSetIsLetGo(t *testing.T) {
	r := newRig(t)
	third := infoOf(peerOf(4))
	require.NoError(t, r.add(r.now, []peer.AddrInfo{third}))
	r.begin(r.now, 9, third.ID, &wire.Announce{Record: []byte("signed")}, &record.Record{Namespace: "a", TTL: time.Hour})
	st := r.settle().dials[0].stream
	r.opened(r.now, st, nil)
	r.hear(r.now, st, &wire.Receipt{ID: 1})
	r.cut(r.now, st, errTest)
	out := r.settle()
	require.Equal(t, []peer.ID{third.ID}, out.hold)
	require.Empty(t, out.release, "the row is there")
	r.added = nil
	r.gather(r.now)
	require.Equal(t, []peer.ID{third.ID}, r.settle().release)
}

func TestAStreamIsStuckOnlyWhenNothingComes(t *testing.T) {
	for _, hears := range []bool{false, true} {
		r := newRig(t)
		st, id := r.opens()
		r.now = r.now.Add(time.Second)
		if hears {
			r.mistaken(r.now, st, &wire.MessageError{Fault: wire.FaultUnknown})
			r.hear(r.now, st, &wire.Notify{ID: 1})
		}
		r.giveUp(r.now, id, true, errTest)
		out := r.settle()
		require.Len(t, out.downs, 1)
		require.Equal(t, !hears, len(out.ends) == 1)
	}
}

func TestAListCountsAsAnAnswerOnceItWasVerified(t *testing.T) {
	r := newRig(t)
	r.lists = true
	var paused []time.Duration
	lies := func(fault error) {
		r.query()
		out := r.settle()
		st := out.dials[0].stream
		r.opened(r.now, st, nil)
		require.Len(t, r.settle().seeks, 1)
		list := r.asks(&wire.GetTrackers{})
		r.wrote(r.now, st)
		r.hear(r.now, st, &wire.Trackers{ID: r.lines[first].last})
		out = r.settle()
		require.Equal(t, list, out.answers[0].call)
		require.Equal(t, st, out.answers[0].stream)
		r.listed(r.now, st, nil, fault)
		r.settle()
		paused = append(paused, r.lines[first].until.Sub(r.now))
		r.cut(r.now, st, errIdle)
		r.lines[first].asked = time.Time{}
		r.now = r.now.Add(max(0, paused[len(paused)-1]))
	}
	lies(errTest)
	lies(errTest)
	require.Greater(t, paused[1], firstPause, "it was down for longer")
	lies(nil)
	require.Zero(t, r.lines[first].until)
	require.Zero(t, r.lines[first].pause)
}

func TestTheSameSeedDoesTheSame(t *testing.T) {
	until := func() time.Time {
		r := newRig(t)
		r.query()
		r.opened(r.now, r.settle().dials[0].stream, errTest)
		return r.settle().downs[0].until
	}
	require.Equal(t, until(), until())
}

var errTest = errors.New("test")

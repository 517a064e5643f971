package server

import (
	"container/list"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/resolver/wire"
)

type (
	streamID     uint64
	productionID uint64
)

// state is who asks for what, and decides what is done next.
type state struct {
	limits  Limits
	keySize int

	peers   map[peer.ID]*client
	streams map[streamID]*stream
	runs    map[productionID]*production
	byKey   map[string]*production // of runs, those that more requests may wait for
	last    productionID

	turns    []*client  // who may be next, in their order; some may not any more
	starved  []*client  // who may be next as soon as others read
	waits    *list.List // of *ask: all that wait, in the order in which they came
	due      *list.List // of *production: those in time, in the order in which they began
	pauses   *list.List // of *stream: those not read because of a rate, in the order in which they paused
	departed *list.List // of *client: those without a stream, in the order in which they went
	kept     shelf
	total    rate.Bucket

	unread int // bytes, of all clients
	asking int // asks that are being produced, of all clients
	stat   Stat
	out    effects
}

// effects are what the shell performs.
type effects struct {
	resumes  []resume
	writes   []write
	rests    []streamID // to which nothing more is written
	produces []job
	cancels  []productionID
	served   []served
}

type (
	// resume tells a reader to read on, or to end the stream because of a fault.
	resume struct {
		stream streamID
		fault  wire.Fault
	}
	write struct {
		stream  streamID
		answers []wire.Answer
	}
	// job is a key to be produced.
	job struct {
		id  productionID
		key string
	}
	served struct {
		outcome Outcome
		took    time.Duration
	}
)

// ask is a request that has no answer yet.
type ask struct {
	stream *stream
	id     wire.ID
	key    string
	part   int
	list   wire.List
	came   time.Time
	wait   *list.Element // in waits; nil once its turn has come
}

func newState(now time.Time, limits Limits, keySize int) *state {
	return &state{
		limits: limits, keySize: keySize,
		peers: make(map[peer.ID]*client), streams: make(map[streamID]*stream),
		runs: make(map[productionID]*production), byKey: make(map[string]*production),
		waits: list.New(), due: list.New(), pauses: list.New(), departed: list.New(),
		kept:  newShelf(limits.Kept),
		total: bucket(now, limits.Rate),
	}
}

// bucket lets a second's worth of a rate pass at once.
func bucket(now time.Time, perSecond float64) rate.Bucket {
	return rate.NewBucket(now, max(perSecond, 0), max(int(perSecond), 1))
}

// take returns what is to be performed.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// tick does what is due.
func (s *state) tick(now time.Time) {
	for e := s.waits.Front(); e != nil && !now.Before(e.Value.(*ask).came.Add(s.limits.WaitTime)); e = s.waits.Front() {
		a := e.Value.(*ask)
		a.stream.client.unqueue(a)
		s.unwait(a)
		s.fail(now, a, wire.CodeBusy, OutcomeLate)
	}
	for e := s.due.Front(); e != nil && !now.Before(e.Value.(*production).began.Add(s.limits.ProduceTime)); e = s.due.Front() {
		s.late(now, e.Value.(*production))
	}
	for e := s.pauses.Front(); e != nil && !now.Before(e.Value.(*stream).until); e = s.pauses.Front() {
		st := e.Value.(*stream)
		s.unpause(st)
		s.readOn(st)
	}
	for e := s.departed.Front(); e != nil && !now.Before(e.Value.(*client).left.Add(rememberTime)); e = s.departed.Front() {
		s.forget(e.Value.(*client))
	}
	s.kept.expire(now.Add(-s.limits.KeepTime))
	s.serve(now)
}

// next is when something is due, or the zero time.
func (s *state) next(now time.Time) time.Time {
	var at time.Time
	by := func(t time.Time) { at = due.First(at, t) }
	if e := s.waits.Front(); e != nil {
		by(e.Value.(*ask).came.Add(s.limits.WaitTime))
	}
	if e := s.due.Front(); e != nil {
		by(e.Value.(*production).began.Add(s.limits.ProduceTime))
	}
	if e := s.pauses.Front(); e != nil {
		by(e.Value.(*stream).until)
	}
	if e := s.departed.Front(); e != nil {
		by(e.Value.(*client).left.Add(rememberTime))
	}
	if oldest, there := s.kept.oldest(); there {
		by(oldest.Add(s.limits.KeepTime))
	}
	if len(s.turns) > 0 && len(s.runs) < s.limits.Producing {
		by(s.total.When(now, 1))
	}
	return at
}

func (s *state) statistics() Stat {
	stat := s.stat
	stat.Peers, stat.Streams = len(s.peers)-s.departed.Len(), len(s.streams)
	stat.Waiting, stat.Producing = s.waits.Len(), len(s.runs)
	stat.Unread, stat.Kept = s.unread, s.kept.bytes
	return stat
}

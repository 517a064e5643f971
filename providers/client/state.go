package client

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

type (
	callID   uint64
	streamID uint64
)

// state is everything that the client decides with.
type state struct {
	without peer.ID // is never in the set; may be empty
	pinned  []peer.AddrInfo
	added   []peer.AddrInfo
	list    *record.SignedTrackers
	lists   bool // whether lists are asked for

	lines   map[peer.ID]*line // the set
	order   []*line           // by id
	calls   map[callID]*call
	streams map[streamID]*stream
	last    streamID
	rng     *rand.Rand

	next time.Time // when to be woken, at the latest; zero for never
	out  effects
}

// effects are what the shell performs.
type effects struct {
	news    bool // of the trackers, which followers are to look at
	members bool // trackers have come or gone

	dials   []dial
	writes  []write
	rests   []streamID // streams on which nothing follows what is written already
	ends    []ending
	answers []answer
	notices []notice
	seeks   []seek
	hold    []peer.ID
	release []peer.ID
	blames  []blame
	downs   []downed
}

type (
	dial struct {
		stream streamID
		to     peer.AddrInfo
	}
	write struct {
		stream streamID
		frames []byte
	}
	ending struct {
		stream  streamID
		inOrder bool
	}
	// answer is what becomes of a call. It is the last that the call hears of, unless
	// it is a subscription that begins.
	answer struct {
		call   callID
		begins bool
		outcome
	}
	outcome struct {
		message wire.Message
		stream  streamID // on which it came
		err     error
	}
	notice struct {
		call   callID
		notice *wire.Notify
	}
	// seek asks a tracker for its list, when that is newer than the one that is known.
	seek struct {
		tracker peer.ID
		known   uint64
	}
	blame struct {
		tracker peer.ID
		fault   error
	}
	downed struct {
		tracker peer.ID
		until   time.Time
	}
)

// newState returns a state with the pinned trackers, without the one given.
func newState(pinned []peer.AddrInfo, without peer.ID, lists bool, seed uint64) *state {
	s := &state{
		without: without, pinned: pinned, lists: lists,
		lines: make(map[peer.ID]*line), calls: make(map[callID]*call), streams: make(map[streamID]*stream),
		rng: rand.New(rand.NewPCG(seed, 0)),
	}
	s.gather(time.Time{})
	return s
}

// take returns what is to be performed.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// wakeAt asks to be woken at a time, or before.
func (s *state) wakeAt(at time.Time) { s.next = due.First(s.next, at) }

// tick does what time asks for.
func (s *state) tick(now time.Time) {
	s.next = time.Time{}
	for _, id := range slices.Sorted(maps.Keys(s.streams)) {
		s.age(now, s.streams[id])
	}
	for _, l := range s.order {
		s.weigh(now, l)
	}
}

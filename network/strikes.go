package network

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

const (
	// gravePoints is the weight of a fault that no correct implementation
	// makes; a fault of one element counts one point.
	gravePoints = 16
	// maxOffenders bounds the memory for peers with strikes: about 200 bytes each.
	maxOffenders = 4096
)

// strikes remembers who broke the rules lately, also beyond a connection.
type strikes struct {
	limit    int // points
	window   time.Duration
	coolDown time.Duration

	mu        sync.Mutex
	offenders map[peer.ID]*offender
	warned    time.Time // when the last warning was logged
	closed    bool
}

type offender struct {
	since   time.Time // when the window began
	points  int
	until   time.Time // refused until then
	release *time.Timer
}

func newStrikes(cfg *Config) *strikes {
	return &strikes{
		limit:     cfg.Strikes * gravePoints,
		window:    cfg.StrikeWindow,
		coolDown:  cfg.CoolDown,
		offenders: make(map[peer.ID]*offender),
	}
}

// points is the weight of a fault that occurred a number of times in a message.
func points(f message.Fault, times int) int {
	switch f {
	case message.FaultFrameLength, message.FaultFrameSlow, message.FaultProtobuf, message.FaultTooMany,
		message.FaultInvalid, message.FaultValue:
		return gravePoints
	case message.FaultCIDTooLong, message.FaultIdentity, message.FaultHash,
		message.FaultWantsOverflow, message.FaultBroken:
		return 1 // Correct implementations that are old, eager or slow do this.
	}
	return min(times, gravePoints)
}

// add counts a fault and reports whether p is refused from now on.
func (s *strikes) add(p peer.ID, f message.Fault, times int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.offender(p, now)
	if now.Before(o.until) {
		return false
	}
	if now.Sub(o.since) > s.window {
		o.since, o.points = now, 0
	}
	o.points += points(f, times)
	if o.points < s.limit {
		return false
	}
	o.points, o.until = 0, now.Add(s.coolDown)
	return true
}

// refused reports whether p is in its cool-down.
func (s *strikes) refused(p peer.ID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.offenders[p]
	return o != nil && now.Before(o.until)
}

// worthWarning reports whether a refusal may be logged where an operator sees
// it: once a second at most.
func (s *strikes) worthWarning(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.warned) < time.Second {
		return false
	}
	s.warned = now
	return true
}

// afterwards calls f when the cool-down of p is over.
func (s *strikes) afterwards(p peer.ID, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.offenders[p]; o != nil && !s.closed {
		o.release = time.AfterFunc(s.coolDown, f)
	}
}

func (s *strikes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, o := range s.offenders {
		o.stop()
	}
	clear(s.offenders)
}

func (o *offender) stop() {
	if o.release != nil {
		o.release.Stop()
	}
}

func (s *strikes) offender(p peer.ID, now time.Time) *offender {
	o := s.offenders[p]
	if o != nil {
		return o
	}
	if len(s.offenders) >= maxOffenders {
		s.makeRoom(now)
	}
	o = &offender{since: now}
	s.offenders[p] = o
	return o
}

// makeRoom drops who has behaved for a window, and if nobody has, the one whose
// window began first.
func (s *strikes) makeRoom(now time.Time) {
	var oldest peer.ID
	for p, o := range s.offenders {
		if now.Sub(o.since) > s.window && !now.Before(o.until) {
			s.drop(p)
			continue
		}
		if first := s.offenders[oldest]; first == nil || o.since.Before(first.since) {
			oldest = p
		}
	}
	if len(s.offenders) >= maxOffenders {
		s.drop(oldest)
	}
}

func (s *strikes) drop(p peer.ID) {
	s.offenders[p].stop()
	delete(s.offenders, p)
}

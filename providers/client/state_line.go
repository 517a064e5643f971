package client

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/wire"
)

const (
	firstPause = time.Second      // that a tracker is down after its first failure; each further one doubles it
	maxPause   = 30 * time.Second // so that a tracker that comes back is told everything again within a minute
	smoothing  = 4                // a latency counts as a quarter of the smoothed one

	// listEvery is how often a tracker is asked for its list of trackers, over one
	// connection: a new list is signed by hand.
	listEvery = time.Hour
)

// line is what is known of one tracker.
type line struct {
	info    peer.AddrInfo
	until   time.Time // down until then
	pause   time.Duration
	losses  uint64
	latency time.Duration
	told    time.Duration // latency that is seen from outside

	reached bool           // it has answered, and the connection was not lost since
	gone    bool           // it is not in the set any more
	stream  *stream        // for the next call; nil when that needs another
	last    wire.RequestID // that was given to a request
	asked   time.Time      // for its list, since the connection was last lost

	stake stake
}

// tracker is what is told of the line. Nobody changes its addresses.
func (l *line) tracker() Tracker {
	return Tracker{AddrInfo: l.info, DownUntil: l.until, Lost: l.losses, Latency: l.told}
}

// answeredIn notes that the tracker has answered as it may, after so long.
func (s *state) answeredIn(l *line, elapsed time.Duration) {
	if l.latency == 0 {
		l.latency = elapsed
	}
	l.latency += (elapsed - l.latency) / smoothing
	if (l.latency - l.told).Abs() > l.told/4 {
		l.told, s.out.news = l.latency, true
	}
	s.up(l)
}

// up notes that the tracker does what it should.
func (s *state) up(l *line) {
	if !l.until.IsZero() {
		s.out.news = true
	}
	l.until, l.pause, l.reached = time.Time{}, 0, true
}

// parted notes that the last connection to a tracker has closed.
func (s *state) parted(tracker peer.ID) {
	if l := s.lines[tracker]; l != nil {
		s.lost(l)
	}
}

// lost notes that the connection was lost: once for a stream and its connection.
func (s *state) lost(l *line) {
	l.asked = time.Time{}
	if l.reached {
		l.reached = false
		l.losses++
		s.out.news = true
	}
}

// down notes that the tracker has failed. What fails while it is down counts as the
// same failure.
func (s *state) down(now time.Time, l *line) {
	if now.Before(l.until) || l.gone {
		return
	}
	l.pause = min(max(firstPause, 2*l.pause), maxPause)
	// Not everybody is to come back in the same moment.
	l.until = now.Add(l.pause - time.Duration(s.rng.Int64N(int64(l.pause/4))))
	s.out.downs = append(s.out.downs, downed{l.info.ID, l.until})
	s.out.news = true
}

// seekList has a tracker that is reached asked for its list, with the first use of
// a connection and then once in a while.
func (s *state) seekList(now time.Time, l *line) {
	if !s.lists || !l.stream.open || !l.asked.IsZero() && now.Sub(l.asked) < listEvery {
		return
	}
	l.asked = now
	s.out.seeks = append(s.out.seeks, seek{l.info.ID, s.sequence()})
}

package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	firstPause = time.Second      // that a tracker is down after its first failure; each further one doubles it
	maxPause   = 30 * time.Second // so that a tracker that comes back is told everything again within a minute
	openTime   = 20 * time.Second
	answerTime = 30 * time.Second // of a call whose caller waits longer: what a frame may take on a bad link
	smoothing  = 4                // a latency counts as a quarter of the smoothed one
)

// line is what is known of one tracker. It is under the lock of the client.
type line struct {
	c       *Client
	info    peer.AddrInfo
	until   time.Time // down until then
	pause   time.Duration
	losses  uint64
	latency time.Duration
	told    time.Duration // latency that the watches were last told

	reached bool // it has answered, and the connection was not lost since
	gone    bool // it is not in the set any more
	stream  *stream
	dialing *dialing
	asked   time.Time // for its list, since the connection was last lost

	stake stake
}

// dialing is a stream that is being opened, for all who wait for it.
type dialing struct {
	done   chan struct{}
	stream *stream
	err    error
}

// exchange is a request and what came of it.
type exchange struct {
	make    func(id wire.RequestID) wire.Message
	kind    wire.Kind // of the answer
	sub     *subscription
	stream  *stream // the last that it was sent on
	elapsed time.Duration
	again   bool // it was sent on more than one stream, one after the other
}

// ask sends a request and waits for the answer, for as long as ctx says. It says
// that the tracker is down when it gets none. A tracker may end a stream on which
// nothing was said for a while, in the moment when something is: then the request
// was not read, and goes on another stream.
func (l *line) ask(ctx context.Context, x *exchange) (wire.Message, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, ErrNoAnswer)
	defer cancel()
	answer, err := l.attempt(ctx, x)
	if errors.Is(err, ErrEnded) {
		x.again = true
		answer, err = l.attempt(ctx, x)
	}
	if errors.Is(err, ErrEnded) || err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		l.c.mu.Lock()
		defer l.c.mu.Unlock()
		l.down()
	}
	return answer, err
}

func (l *line) attempt(ctx context.Context, x *exchange) (wire.Message, error) {
	s, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	x.stream = s
	l.seekList()
	return s.ask(ctx, x)
}

// open returns the stream of the line. The first who needs one has it opened, in
// a goroutine that outlives who waits for it.
func (l *line) open(ctx context.Context) (*stream, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	d, err := l.dial()
	if err != nil {
		return nil, err
	}
	select {
	case <-d.done:
		return d.stream, d.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.c.ctx.Done():
		return nil, ErrClosed
	}
}

func (l *line) dial() (*dialing, error) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	switch now := time.Now(); {
	case l.c.ended:
		return nil, ErrClosed
	case l.gone:
		return nil, ErrUnknown
	case now.Before(l.until):
		return nil, &DownError{l.until}
	}
	if l.dialing == nil {
		l.dialing = &dialing{done: make(chan struct{})}
		l.c.crew.Go(l.connect)
	}
	return l.dialing, nil
}

// connect opens a stream for those who wait.
func (l *line) connect() {
	ctx, cancel := context.WithTimeout(l.c.ctx, openTime)
	defer cancel()
	to := l.address()
	var conn Stream
	err := actor.Guard("trackers", l.c.cfg.Panicked, func() (err error) {
		conn, err = l.c.cfg.Network.OpenDuplex(ctx, to, wire.Protocol)
		return err
	})
	if !l.connected(conn, err) && conn != nil {
		conn.Reset()
	}
}

func (l *line) address() peer.AddrInfo {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.info
}

// connected hands a stream to those who wait, and reports whether it is used.
func (l *line) connected(conn Stream, err error) bool {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	d := l.dialing
	defer close(d.done)
	switch {
	case l.c.ended:
		err = ErrClosed
	case l.gone:
		err = ErrUnknown
	case err == nil:
		d.stream = newStream(l, conn)
		l.stream = d.stream
		return true
	}
	d.err, l.dialing = err, nil
	l.down()
	return false
}

// answered notes that the tracker has answered as it may, unless it has failed since
// then.
func (l *line) answered(x *exchange) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if err := x.stream.why(); err != nil && !errors.Is(err, ErrEnded) {
		return
	}
	news := !l.until.IsZero()
	l.until, l.pause, l.reached = time.Time{}, 0, true
	if l.latency == 0 {
		l.latency = x.elapsed
	}
	l.latency += (x.elapsed - l.latency) / smoothing
	if (l.latency - l.told).Abs() > l.told/4 {
		l.told, news = l.latency, true
	}
	if news {
		l.c.tell()
	}
}

// The caller holds the lock of the client in what follows.

// part notes that a stream takes nothing more.
func (l *line) part(s *stream) {
	if l.stream == s {
		l.stream, l.dialing = nil, nil
	}
}

// ended notes why a stream has ended.
func (l *line) ended(s *stream, cause error) {
	l.part(s)
	switch {
	case l.c.ended || l.gone || errors.Is(cause, errIdle) || cause == io.EOF:
		return
	case !errors.As(cause, new(*FaultError)):
		l.lost()
	default:
		l.c.log.Warn("tracker broke the rules", zap.Stringer("tracker", l.info.ID), zap.Error(cause))
	}
	l.down()
}

// lost notes that the connection was lost: once for a stream and its connection.
func (l *line) lost() {
	l.asked = time.Time{}
	if l.reached {
		l.reached = false
		l.losses++
		l.c.tell()
	}
}

// down notes that the tracker has failed. What fails while it is down counts as the
// same failure.
func (l *line) down() {
	now := time.Now()
	if now.Before(l.until) || l.c.ended || l.gone {
		return
	}
	l.pause = min(max(firstPause, 2*l.pause), maxPause)
	l.until = now.Add(l.pause - rand.N(l.pause/4)) // so that not everybody comes back in the same moment
	l.c.log.Debug("tracker is down", zap.Stringer("tracker", l.info.ID), zap.Time("until", l.until))
	l.c.tell()
}

// tracker is what is told of the line.
func (l *line) tracker() Tracker {
	t := Tracker{AddrInfo: l.info, DownUntil: l.until, Lost: l.losses, Latency: l.latency}
	t.Addrs = append(t.Addrs[:0:0], t.Addrs...)
	return t
}

package client

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers/record"
)

// Stream is one stream to a tracker; a *network.Duplex is one. One goroutine at a
// time reads and one writes.
type Stream interface {
	io.Reader
	io.Writer // of whole frames; it does not block for ever
	CloseWrite() error
	Close() error
	Reset()
}

// Network is what the client needs of one; [Over] makes it of a *network.Network.
type Network interface {
	// OpenDuplex opens a stream, and connects when it has to.
	OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (Stream, error)
	// OnDisconnect has f told who has no connection any more.
	OnDisconnect(f func(peer.ID))
	// Hold keeps the connections of p from being trimmed until Release.
	Hold(p peer.ID, tag string)
	Release(p peer.ID, tag string)
}

// Over returns n as a client needs it.
func Over(n *network.Network) Network { return over{n} }

type over struct{ *network.Network }

func (o over) OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (Stream, error) {
	d, err := o.Network.OpenDuplex(ctx, to, id)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Config is what a client needs. Network and Self are required.
type Config struct {
	Network  Network
	Self     peer.ID         // in no row, and no tracker of the set unless it is one
	Tracker  bool            // Self is a tracker: Network leads to it like to others
	Pinned   []peer.AddrInfo // trackers that are in the set whatever a list says
	ListKey  peer.ID         // whose signed list of trackers is believed; empty for none
	Logger   *zap.Logger     // gets Warn when a tracker breaks the rules; default silent
	Panicked func(error)     // told of a panic, which ends the stream that it was about; may be nil
}

// Client asks and tells trackers. Its methods may be called from any goroutine.
type Client struct {
	cfg    Config
	log    *zap.Logger
	crew   *actor.Crew
	ctx    context.Context // ends with the client
	cancel context.CancelFunc

	mu      sync.Mutex
	ended   bool
	lines   map[peer.ID]*line // the set
	added   []peer.AddrInfo
	list    *record.SignedTrackers
	watches []*Watch
}

// New returns a client of the pinned trackers, which it asks nothing yet. It must
// be called before the network starts.
func New(cfg Config) *Client {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	c := &Client{
		cfg: cfg, log: cfg.Logger, crew: actor.NewCrew("trackers", cfg.Panicked), lines: make(map[peer.ID]*line),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.gather()
	cfg.Network.OnDisconnect(c.parted)
	return c
}

// Stop ends all streams and calls, and waits for the goroutines, or until ctx
// ends. Calling it again waits for the same end.
func (c *Client) Stop(ctx context.Context) error {
	c.mu.Lock()
	first := !c.ended
	c.ended = true
	if first {
		for _, l := range c.lines {
			c.hangUp(l, ErrClosed)
		}
		c.cancel()
	}
	c.mu.Unlock()
	return c.crew.Wait(ctx)
}

// hangUp ends what there is of a line that is used no more. The caller holds the
// lock.
func (c *Client) hangUp(l *line, cause error) {
	l.gone = true
	l.weigh()
	if s := l.stream; s != nil {
		c.crew.Go(func() { s.end(cause) })
	}
}

// spawn runs f in a goroutine that Stop waits for, unless the client has stopped.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.crew.Go(f)
	}
	return !c.ended
}

// after runs f when d has passed, unless the client has stopped by then.
func (c *Client) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.spawn(f) })
}

// lineTo returns the line to a tracker of the set.
func (c *Client) lineTo(tracker peer.ID) (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[tracker]
	switch {
	case c.ended:
		return nil, ErrClosed
	case l == nil:
		return nil, ErrUnknown
	}
	return l, nil
}

// parted notes that the last connection to a peer has closed. libp2p waits for it.
func (c *Client) parted(p peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lines[p]; l != nil && !c.ended {
		l.lost()
	}
}

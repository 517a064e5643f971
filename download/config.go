package download

import (
	"context"
	"errors"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/internal/walk"
	"github.com/souk-p2p/souk/session"
)

// Network is how nodes are reached; [Over] makes it of an exchange.
type Network interface {
	// Keep connects to a peer, calls connected when it is there, and returns when it cannot
	// be reached, when it has left, or when ctx ends; see [souk.Service.Keep].
	Keep(ctx context.Context, to peer.AddrInfo, connected func()) error
	// Session returns what fetches blocks from these peers and no others, verified, and
	// gives those that are stored here without asking anybody. It ends with ctx.
	Session(ctx context.Context, peers ...peer.ID) walk.Getter
}

// Store is where blocks are kept that were fetched; a blockstore.Blockstore is one. Its
// methods may be called by many goroutines.
type Store interface {
	Has(ctx context.Context, c cid.Cid) (bool, error)
	GetSize(ctx context.Context, c cid.Cid) (int, error)
	Get(ctx context.Context, c cid.Cid) (blocks.Block, error)
}

// Config is what downloads need.
type Config struct {
	Limits  Limits // zero fields mean the defaults
	Network Network
	Store   Store
	// Links returns the CIDs that a block links to, in order. It may be called by many
	// goroutines, with blocks that others have made.
	Links func(b blocks.Block) ([]cid.Cid, error)
	// Leaf reports whether a CID says that its block links to nothing: such a block is
	// not read when it is here. May be nil.
	Leaf     func(c cid.Cid) bool
	Listener EventListener
	Fail     func(error) // told when the actor broke; may be nil
	// Panicked is told of a panic in Network, Store, Links or Listener, which is a failure
	// of what was asked of it. May be nil.
	Panicked func(error)
	Logger   *zap.Logger // may be nil
	Seed     uint64      // of what is left to chance

	service *souk.Service // of Open
}

// validate returns an error that names the field which is wrong.
func (c *Config) validate() error {
	switch {
	case c.Network == nil:
		return errors.New("download: Config.Network is nil: see Over")
	case c.Store == nil:
		return errors.New("download: Config.Store is nil")
	case c.Links == nil:
		return errors.New("download: Config.Links is nil: nobody would know what a block links to")
	}
	return c.Limits.validate()
}

// EventListener is told what happens to resources, each kind of event by a function of
// its own; all may be nil. They are called one at a time and in order. A listener that is
// slow holds up nobody: progress is left out then, and beyond 4,096 events that wait the
// oldest are lost.
type EventListener struct {
	Queued   func(Event)
	Started  func(Event)
	Progress func(Event)
	Retry    func(Event)
	Done     func(Event)
	Failed   func(Event)
	Dropped  func(Event)
}

// hear gives an event to its function.
func (l *EventListener) hear(e Event) {
	of := map[EventKind]func(Event){
		Queued: l.Queued, Started: l.Started, Progress: l.Progress, Retry: l.Retry,
		Done: l.Done, Failed: l.Failed, Dropped: l.Dropped,
	}
	if f := of[e.Kind]; f != nil {
		f(e)
	}
}

// Open starts downloads that are a part of an exchange: they end with it, it tells of
// their goroutine among its own, and counts and logs their panics. What cfg says of
// Network, Fail, Panicked and Logger is not used. The error is that of ctx, names the
// field that is wrong, or says that there are downloads already.
func Open(ctx context.Context, x *souk.Exchange, cfg Config) (*Downloads, error) {
	s, err := x.Service(ctx, "download")
	if err != nil {
		return nil, err
	}
	d, err := New(newConfig(s, cfg))
	if err == nil {
		err = s.Run(d, d.Stop, map[string]souk.Actor{"download": d})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	d.Start()
	return d, nil
}

// newConfig is a configuration with what a service has for it.
func newConfig(s *souk.Service, cfg Config) Config {
	cfg.service, cfg.Network, cfg.Fail, cfg.Panicked, cfg.Logger = s, Over(s), s.Broke, s.Panicked, s.Logger()
	return cfg
}

// Close ends downloads that [Open] has started, within 2 s, and returns what did not
// end; see [Downloads.Stop].
func (d *Downloads) Close() error { return d.cfg.service.Close() }

// Over is the network of an exchange.
func Over(s *souk.Service) Network { return over{s} }

type over struct{ *souk.Service }

func (o over) Session(ctx context.Context, peers ...peer.ID) walk.Getter {
	return o.Exchange().NewSession(ctx, session.WithPeers(peers...))
}

package nearby

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"go.uber.org/zap"
)

const (
	// dialTime is more than a dial on a local network takes.
	dialTime = 5 * time.Second
	// lookPause is how often the table is looked at.
	lookPause = time.Second
	// startPause is after how long it is tried again to take part where that failed,
	// as on a machine whose network comes up later.
	startPause = 30 * time.Second
)

// Config is what is needed to find neighbours.
type Config struct {
	Host host.Host
	// Connect connects to a peer, and Connected reports whether there is a connection
	// that can be used.
	Connect   func(context.Context, peer.AddrInfo) error
	Connected func(peer.ID) bool
	// Allowed reports whether a peer may be connected to.
	Allowed func(peer.ID) bool
	Logger  *zap.Logger
}

// Finder connects to neighbours, until [Finder.Close].
type Finder struct {
	cfg    Config
	cancel context.CancelFunc
	ctx    context.Context
	work   sync.WaitGroup

	mu    sync.Mutex
	table table
}

// Start announces a host on the local network and connects it to the others there. It
// does not wait for that.
func Start(cfg Config) *Finder {
	f := newFinder(cfg)
	f.work.Go(f.takePart)
	f.work.Go(f.look)
	return f
}

func newFinder(cfg Config) *Finder {
	f := &Finder{cfg: cfg, table: newTable()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Close withdraws the announcement and waits for dials to end, which it ends.
// Connections stay.
func (f *Finder) Close() {
	f.cancel()
	f.work.Wait()
}

// takePart announces the host and listens to others.
func (f *Finder) takePart() {
	for f.ctx.Err() == nil {
		service := mdns.NewMdnsService(f.cfg.Host, mdns.ServiceName, f)
		err := service.Start()
		if err == nil {
			<-f.ctx.Done()
		} else {
			f.cfg.Logger.Warn("nobody on the local network is found", zap.Error(fmt.Errorf("multicast DNS: %w", err)), zap.Duration("next", startPause))
			f.sleep(startPause)
		}
		_ = service.Close() // It returns nothing else than nil.
	}
}

func (f *Finder) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.ctx.Done():
	}
}

// HandlePeerFound implements [mdns.Notifee]. It is called in a goroutine for each
// announcement that is heard, so it returns at once.
func (f *Finder) HandlePeerFound(p peer.AddrInfo) {
	if !f.cfg.Allowed(p.ID) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.hear(p, time.Now())
}

// look dials who is due.
func (f *Finder) look() {
	for f.ctx.Err() == nil {
		own := ownNetworks() // They change where people move about.
		f.mu.Lock()
		f.table.own = own
		dials := f.table.due(time.Now(), f.cfg.Connected)
		f.mu.Unlock()
		for _, p := range dials {
			f.work.Go(func() { f.dial(p) })
		}
		f.sleep(lookPause)
	}
}

func (f *Finder) dial(p peer.AddrInfo) {
	ctx, cancel := context.WithTimeout(f.ctx, dialTime)
	defer cancel()
	err := f.cfg.Connect(ctx, p)
	f.mu.Lock()
	forgotten := f.table.dialled(p.ID, err, time.Now())
	f.mu.Unlock()
	log := f.cfg.Logger.With(zap.Stringer("peer", p.ID))
	switch {
	case err == nil:
		log.Info("connected to a node on the local network")
	case forgotten:
		log.Info("node on the local network cannot be reached", zap.Error(err))
	}
}

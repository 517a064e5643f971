package kademlia

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"go.uber.org/zap"
)

const (
	// provideTime is for the way to the nodes that keep a record, and for telling them.
	provideTime = time.Minute
	// atOnce is how many roots are told at a time. Each dials some 20 nodes.
	atOnce = 4
	// lookPause is after how long the roots are looked at, when nobody said that they have
	// changed: commands without the node may have changed them before it started.
	lookPause = 10 * time.Minute
	// alonePause is after how long without a node of the DHT the log says so: bootstrap
	// nodes have been dialled by then.
	alonePause = 30 * time.Second
	// idlePause is how often it is looked whether there is a DHT, or a root that is due.
	idlePause = time.Second
)

// provider tells a DHT what is kept.
type provider struct {
	// ready reports whether there is somebody to tell.
	ready   func() bool
	provide func(context.Context, cid.Cid) error
	roots   func(context.Context) iter.Seq2[cid.Cid, error]
	log     *zap.Logger
	changed chan struct{} // of capacity 1: the roots have

	mu       sync.Mutex
	schedule schedule

	provided, failed atomic.Uint64

	// Of run alone:
	company time.Time // when there was somebody to tell
	alone   bool      // the log has said that there is nobody
}

// look has the roots read again soon. It does not block.
func (p *provider) look() {
	select {
	case p.changed <- struct{}{}:
	default: // It has not looked since the last time.
	}
}

// run tells until ctx ends.
func (p *provider) run(ctx context.Context) {
	look := time.NewTicker(lookPause)
	defer look.Stop()
	p.look()
	p.company = time.Now()
	for ctx.Err() == nil {
		idle := time.Duration(0)
		if !p.hasCompany() || !p.tell(ctx) {
			idle = idlePause
		}
		select {
		case <-p.changed:
			p.read(ctx)
		case <-look.C:
			p.read(ctx)
		case <-time.After(idle):
		case <-ctx.Done():
		}
	}
}

// hasCompany reports whether there is somebody to tell, and has the log say when that
// has changed for long.
func (p *provider) hasCompany() bool {
	switch now := time.Now(); {
	case p.ready():
		if p.alone {
			p.log.Warn("nodes of the DHT are known again")
		}
		p.company, p.alone = now, false
		return true
	case !p.alone && now.Sub(p.company) >= alonePause:
		p.alone = true
		p.log.Warn("no node of the DHT is known, so nothing is found or told through it: see --bootstrap, unless this is its first")
	}
	return false
}

// read takes in the roots. When they cannot be read those of before are told.
func (p *provider) read(ctx context.Context) {
	var all []cid.Cid
	for c, err := range p.roots(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				p.log.Warn("roots for the DHT cannot be read", zap.Error(err))
			}
			return
		}
		if len(all) == mostRoots {
			p.log.Warn("the DHT is not told all roots", zap.Int("told", mostRoots))
			break
		}
		all = append(all, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schedule.set(all, time.Now())
}

// tell tells a few of those roots that are due. It reports whether there were any.
func (p *provider) tell(ctx context.Context) bool {
	p.mu.Lock()
	due := p.schedule.due(time.Now(), atOnce)
	p.mu.Unlock()
	var work sync.WaitGroup
	for _, c := range due {
		work.Go(func() { p.tellOne(ctx, c) })
	}
	work.Wait()
	return len(due) > 0
}

func (p *provider) tellOne(ctx context.Context, c cid.Cid) {
	limited, cancel := context.WithTimeout(ctx, provideTime)
	defer cancel()
	err := p.provide(limited, c)
	if ctx.Err() != nil {
		return // Whether it was told does not matter any more.
	}
	p.mu.Lock()
	p.schedule.done(c, err, time.Now())
	p.mu.Unlock()
	if err != nil {
		p.failed.Add(1)
		p.log.Debug("root not told to the DHT", zap.Stringer("cid", c), zap.Error(err))
		return
	}
	p.provided.Add(1)
	p.log.Debug("root told to the DHT", zap.Stringer("cid", c))
}

func (p *provider) counts() (told, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.schedule.counts()
}

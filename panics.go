package souk

import (
	"errors"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

// panicLogged is how often the panics of one place are logged: what a peer or a
// broken store can set off again and again must not fill a disk.
const panicLogged = time.Minute

// panics counts what was recovered, by where it was, and logs it with its stack.
type panics struct {
	log *zap.Logger

	mu     sync.Mutex
	count  map[string]uint64
	logged map[string]time.Time // the last of each place
}

func newPanics(log *zap.Logger) *panics {
	p := &panics{log: log, count: make(map[string]uint64), logged: make(map[string]time.Time)}
	for _, where := range panicPlaces {
		p.count[where] = 0
	}
	return p
}

// expect counts panics of places from zero on.
func (p *panics) expect(places ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, where := range places {
		p.count[where] += 0
	}
}

// panicPlaces are those that every node has. They are counted from zero on, because
// what goes from nothing to one has no rate.
var panicPlaces = []string{
	"ledger", "peerrouter", "blockrouter", "wantmanager", "engine", "providers", "announcer", "session",
	"call", "hook", "store", "access", "finder", "trackers", "teller", "addresses", "dial",
	"reader", "writer", "watcher", "streams", "events", "hold", "host", "close",
}

// contained is told of a panic that harmed only what it was about.
func (p *panics) contained(err error) { p.note("recovered from a panic", err) }

// note counts a panic and logs it. It survives a logger that panics as well.
func (p *panics) note(message string, err error) {
	broken := &actor.PanicError{Where: "unknown", Value: err}
	errors.As(err, &broken)
	if !p.worthLogging(broken.Where, time.Now()) {
		return
	}
	_ = actor.Guard("logger", nil, func() error {
		p.log.Error(message, zap.String("actor", broken.Where), zap.Any("panic", broken.Value), zap.ByteString("stack", broken.Stack))
		return nil
	})
}

func (p *panics) worthLogging(where string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[where]++
	if last, before := p.logged[where]; before && now.Sub(last) < panicLogged {
		return false
	}
	p.logged[where] = now
	return true
}

// counts returns how many there were at each place.
func (p *panics) counts() map[string]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.count)
}

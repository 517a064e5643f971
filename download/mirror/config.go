package mirror

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/download/document"
)

// Config is what a [Mirror] needs. What is zero is the default that is named.
type Config struct {
	Documents *document.Store
	// Look finds how much of an entry's data is here. It ends with ctx.
	Look document.Look
	// Fetch has all of an entry's data stored here, or returns why that cannot be. It ends
	// with ctx, and tells now and then how many bytes are here, from one goroutine at a
	// time. It is called by many goroutines, and may be for one entry of several documents
	// at the same time.
	Fetch func(ctx context.Context, of document.ID, e document.Entry, progress func(bytes uint64)) error
	// Window is how many entries of one document are under way at a time: 1,024, which is
	// more than are fetched at once, so that there is a choice.
	Window int
	// Fetches is how many entries of all documents are under way at a time: 8,192, eight
	// full windows. Each is a goroutine of some 10 KiB.
	Fetches int
	// Pause is the time between the end of a round in which something failed and the next:
	// a minute.
	Pause  time.Duration
	Logger *zap.Logger // default silent
	// Panicked is told of a panic in Look or Fetch, which is a failure of what was asked of
	// it. May be nil.
	Panicked func(error)
	Fail     func(error) // told when the actor broke: nothing is synced any more; may be nil

	service *souk.Service // of which the mirror is a part; nil for none
}

const (
	defaultWindow  = 1024
	defaultFetches = 8 * defaultWindow
	defaultPause   = time.Minute
)

func (c Config) withDefaults() Config {
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	if c.Fetches <= 0 {
		c.Fetches = defaultFetches
	}
	if c.Pause <= 0 {
		c.Pause = defaultPause
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

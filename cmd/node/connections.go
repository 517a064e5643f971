package main

import (
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/resources"
	"github.com/souk-p2p/souk/providers/tracker"
)

// connectionOptions say how many connections a node keeps.
type connectionOptions struct {
	high, low uint
}

func (o *connectionOptions) flags(f *pflag.FlagSet) {
	f.UintVar(&o.high, "connections-high", 0, "when there are more connections than this, close those that are worth least; 0 is 512, and 4096 as a tracker")
	f.UintVar(&o.low, "connections-low", 0, "and leave this many; 0 is three quarters of --connections-high")
}

// configure comes after the options that make a node a tracker.
func (o *connectionOptions) configure(cfg *node.Config) error {
	// No number of connections is near this, and it fits into an int everywhere.
	const huge = 1 << 30
	b := resources.Budget{High: int(min(o.high, huge)), Low: int(min(o.low, huge))}
	if b.High == 0 && cfg.Tracker != nil {
		b.High = max(tracker.DefaultStreams, b.Low)
	}
	b = b.WithDefaults()
	if err := b.Check(); err != nil {
		return usagef("--connections-high %d and --connections-low %d: %w", b.High, b.Low, err)
	}
	cfg.Connections = b
	return nil
}

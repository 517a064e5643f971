package node

import (
	"context"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

// Configured is a node that was told how to run.
type Configured interface {
	// Settings returns what the running node uses, and where each value comes
	// from, ordered by key. Values of secrets are left out.
	Settings(ctx context.Context) ([]config.Setting, error)
}

// Settings implements [Configured].
func (n *Online) Settings(context.Context) ([]config.Setting, error) {
	if n.told == nil {
		return []config.Setting{}, nil
	}
	return n.told(), nil
}

// Settings implements [Configured].
func (n *Offline) Settings(context.Context) ([]config.Setting, error) { return nil, ErrNotRunning }

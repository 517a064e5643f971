package node

import (
	"context"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
)

// Logging is what a node writes to its log while it runs.
type Logging interface {
	// LogLevels returns the level of each subsystem, ordered by name.
	LogLevels(ctx context.Context) ([]logs.Subsystem, error)
	// SetLogLevel gives a subsystem a level, [logs.Usual] all that have none of
	// their own, and [EverySubsystem] all. It holds until the node stops or its
	// setting is read again and has changed. What is wrong is an [*InvalidError].
	SetLogLevel(ctx context.Context, subsystem, level string) error
}

// EverySubsystem stands for all, which lose the levels of their own.
const EverySubsystem = "all"

// LogLevels implements [Logging].
func (n *Online) LogLevels(context.Context) ([]logs.Subsystem, error) {
	if n.logs == nil {
		return []logs.Subsystem{}, nil
	}
	return n.logs.Levels().Subsystems(), nil
}

// SetLogLevel implements [Logging].
func (n *Online) SetLogLevel(_ context.Context, subsystem, level string) error {
	if n.logs == nil {
		return nil
	}
	err := n.logs.Change(func(now logs.Levels) (logs.Levels, error) {
		if subsystem == EverySubsystem {
			return now.Only().With(logs.Usual, level)
		}
		return now.With(subsystem, level)
	})
	if err != nil {
		return &InvalidError{Err: err}
	}
	return nil
}

// LogLevels implements [Logging].
func (n *Offline) LogLevels(context.Context) ([]logs.Subsystem, error) { return nil, ErrNotRunning }

// SetLogLevel implements [Logging].
func (n *Offline) SetLogLevel(context.Context, string, string) error { return ErrNotRunning }

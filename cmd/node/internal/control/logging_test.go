package control

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// loggingNode has levels.
type loggingNode struct {
	*fakeNode
	levels logs.Levels
}

func (n *loggingNode) LogLevels(context.Context) ([]logs.Subsystem, error) {
	return n.levels.Subsystems(), nil
}

func (n *loggingNode) SetLogLevel(_ context.Context, subsystem, level string) (err error) {
	if n.levels, err = n.levels.With(subsystem, level); err != nil {
		return &node.InvalidError{Err: err}
	}
	return nil
}

func TestLevelsOfTheLogAreReadAndSet(t *testing.T) {
	n := &loggingNode{fakeNode: newFakeNode()}
	c := connect(t, n)
	require.NoError(t, c.SetLogLevel(t.Context(), "network", "debug"))
	all, err := c.LogLevels(t.Context())
	require.NoError(t, err)
	require.Equal(t, n.levels.Subsystems(), all)

	err = c.SetLogLevel(t.Context(), "netwrok", "debug")
	require.ErrorContains(t, err, `is it "network"?`)
	var failure *Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, CodeBadRequest, failure.Code)
}

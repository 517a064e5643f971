package program

import (
	"errors"
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExitCodesTellFailuresFromHelp(t *testing.T) {
	require.Equal(t, 0, code("p", nil))
	require.Equal(t, 1, code("p", errors.New("broken")))
	require.Equal(t, 2, code("p", fmt.Errorf("parse: %w", flag.ErrHelp)))
}

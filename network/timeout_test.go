package network

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// silence is what QUIC says of a connection that it has closed because nothing was heard
// of the peer.
type silence struct{}

func (silence) Error() string { return "timeout: no recent network activity" }
func (silence) Timeout() bool { return true }
func (silence) Unwrap() error { return net.ErrClosed }

// A reader that took it for a deadline that came too early read on for ever.
func TestAConnectionThatIsClosedForSilenceIsNoDeadline(t *testing.T) {
	require.True(t, isTimeout(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)))
	require.False(t, isTimeout(fmt.Errorf("read: %w", silence{})))
}

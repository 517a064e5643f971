package network

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/message"
)

func TestWrongLengthsOfRequestsAreFaults(t *testing.T) {
	for name, length := range map[string][]byte{
		"not minimal": {0x81, 0x00},
		"over 2^63":   append(bytes.Repeat([]byte{0xff}, 9), 1),
		"endless":     bytes.Repeat([]byte{0xff}, 20),
		"too large":   {0x81, 0x80, 0x80, 0x02},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := frames.Read(bufio.NewReader(bytes.NewReader(length)), 1<<20, nil)
			var frame *message.FrameError
			require.ErrorAs(t, frameFault(err), &frame)
			require.Equal(t, message.FaultFrameLength, frame.Fault)
		})
	}
}

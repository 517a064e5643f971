package network

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// Whatever comes, the reader of a frame of another protocol holds no more than it
// received allows, and what it accepts is what its sender wrote.
func FuzzReadFrame(f *testing.F) {
	const limit = 1 << 16
	for _, seed := range [][]byte{
		{}, {0}, {0x80}, {0x80, 0}, {0x81, 0}, {5, 1, 2}, {3, 1, 2, 3, 4},
		{0x81, 0x80, 0x80, 0x02}, bytes.Repeat([]byte{0xff}, 10), append(bytes.Repeat([]byte{0xff}, 8), 0x7f),
		appendFrame(nil, make([]byte, limit)), appendFrame(nil, make([]byte, limit+1)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		taken := 0
		body, err := readFrame(bufio.NewReader(bytes.NewReader(stream)), limit, func(n int) error {
			taken += n
			return nil
		})
		require.LessOrEqual(t, taken, 2*len(stream)+firstPiece)
		if err != nil {
			require.Nil(t, body)
			return
		}
		frame := appendFrame(nil, body)
		require.Equal(t, stream[:len(frame)], frame)
		require.LessOrEqual(t, len(body), limit)
		require.GreaterOrEqual(t, taken, len(body))
	})
}

func TestWrongLengthsOfRequestsAreFaults(t *testing.T) {
	for name, length := range map[string][]byte{
		"not minimal": {0x81, 0x00},
		"over 2^63":   append(bytes.Repeat([]byte{0xff}, 9), 1),
		"endless":     bytes.Repeat([]byte{0xff}, 20),
		"too large":   {0x81, 0x80, 0x80, 0x02},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readFrame(bufio.NewReader(bytes.NewReader(length)), 1<<20, nil)
			var frame *message.FrameError
			require.ErrorAs(t, frameFault(err), &frame)
			require.Equal(t, message.FaultFrameLength, frame.Fault)
		})
	}
}

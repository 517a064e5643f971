package frames

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// Whatever comes, the reader of a frame holds no more than it received allows, and
// what it accepts is what its sender wrote.
func FuzzReadFrame(f *testing.F) {
	const limit = 1 << 16
	for _, seed := range [][]byte{
		{}, {0}, {0x80}, {0x80, 0}, {0x81, 0}, {5, 1, 2}, {3, 1, 2, 3, 4},
		{0x81, 0x80, 0x80, 0x02}, bytes.Repeat([]byte{0xff}, 10), append(bytes.Repeat([]byte{0xff}, 8), 0x7f),
		Append(nil, make([]byte, limit)), Append(nil, make([]byte, limit+1)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		taken := 0
		body, err := Read(bufio.NewReader(bytes.NewReader(stream)), limit, func(n int) error {
			taken += n
			return nil
		})
		require.LessOrEqual(t, taken, 2*len(stream)+FirstPiece)
		if err != nil {
			require.Nil(t, body)
			return
		}
		frame := Append(nil, body)
		require.Equal(t, stream[:len(frame)], frame)
		require.LessOrEqual(t, len(body), limit)
		require.Equal(t, taken, len(body))
	})
}

func TestAnErrorSaysWhetherAFrameHadBegun(t *testing.T) {
	broken := errors.New("reset")
	for name, tc := range map[string]struct {
		stream io.Reader
		want   error
		begun  bool
		length bool
	}{
		"the end":                   {bytes.NewReader(nil), io.EOF, false, false},
		"the end within a length":   {bytes.NewReader([]byte{0x80}), io.ErrUnexpectedEOF, true, false},
		"the end before a body":     {bytes.NewReader([]byte{3}), io.ErrUnexpectedEOF, true, false},
		"the end within a body":     {bytes.NewReader([]byte{3, 1}), io.ErrUnexpectedEOF, true, false},
		"an error":                  {iotest.ErrReader(broken), broken, false, false},
		"an error within a frame":   {io.MultiReader(bytes.NewReader([]byte{3, 1}), iotest.ErrReader(broken)), broken, true, false},
		"a length over the limit":   {bytes.NewReader([]byte{9}), ErrTooLarge, true, true},
		"a length that has no end":  {bytes.NewReader(bytes.Repeat([]byte{0x80}, 20)), ErrTooLarge, true, true},
		"a length with a last zero": {bytes.NewReader([]byte{0x83, 0}), ErrNotMinimal, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(bufio.NewReader(tc.stream), 8, nil)
			require.ErrorIs(t, err, tc.want)
			var wrong *Error
			require.Equal(t, tc.begun, errors.As(err, &wrong))
			require.Equal(t, tc.length, tc.begun && wrong.Length())
		})
	}
}

func TestWhatMayNotBeTakenIsNotRead(t *testing.T) {
	full := errors.New("no room")
	body := bytes.Repeat([]byte{1}, 3*FirstPiece)
	r := bufio.NewReader(bytes.NewReader(Append(nil, body)))
	left := FirstPiece
	_, err := Read(r, len(body), func(n int) error {
		if left -= n; left < 0 {
			return full
		}
		return nil
	})
	require.Equal(t, full, err)
}

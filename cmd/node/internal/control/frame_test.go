package control

import (
	"bytes"
	"errors"
	"io"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFramesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 8).Draw(t, "data")
		var body bytes.Buffer
		w := newFrameWriter(&body)
		for _, d := range data {
			require.NoError(t, w.block(blocks.NewBlock(d)))
		}
		require.NoError(t, w.end(nil))
		r := newFrameReader(&body)
		for _, d := range data {
			b, err := r.next()
			require.NoError(t, err)
			require.Equal(t, blocks.NewBlock(d).Cid(), b.Cid())
			require.True(t, bytes.Equal(d, b.RawData()))
		}
		_, err := r.next()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestABodyThatIsCutAnywhereIsAnError(t *testing.T) {
	var body bytes.Buffer
	w := newFrameWriter(&body)
	require.NoError(t, w.block(blocks.NewBlock([]byte("some data"))))
	require.NoError(t, w.end(nil))
	for n := range body.Len() {
		r := newFrameReader(bytes.NewReader(body.Bytes()[:n]))
		var err error
		for err == nil {
			_, err = r.next()
		}
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "after %d bytes", n)
	}
}

func TestTheEndCarriesTheError(t *testing.T) {
	var body bytes.Buffer
	require.NoError(t, newFrameWriter(&body).end(errors.New("broken")))
	_, err := newFrameReader(&body).next()
	var failure *Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, &Error{Code: CodeInternal, Message: "broken"}, failure)
}

func TestWhatFollowsTheEndIsAnError(t *testing.T) {
	_, err := newFrameReader(bytes.NewReader([]byte("e\x02{}b"))).next()
	require.ErrorContains(t, err, "follows the end")
	_, err = newFrameReader(bytes.NewReader([]byte("x"))).next()
	require.ErrorContains(t, err, "unknown frame")
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("e\x02{}"))
	f.Add([]byte("b\x04\x01\x55\x00\x00\x01xe\x02{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newFrameReader(bytes.NewReader(body))
		for {
			if _, err := r.next(); err != nil {
				return
			}
		}
	})
}

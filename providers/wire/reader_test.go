package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestStreamsEndBetweenFramesOnly(t *testing.T) {
	frame, err := AppendFrame(nil, &Subscribe{ID: 1, About: About{Namespace: "photos"}})
	require.NoError(t, err)
	for n := range len(frame) {
		r := NewReader(bytes.NewReader(frame[:n]), Client)
		_, err := r.Next()
		if n == 0 {
			require.Equal(t, io.EOF, err)
			continue
		}
		requireFrameError(t, FaultCut, err)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

func requireFrameError(t *testing.T, fault Fault, err error) {
	t.Helper()
	var e *FrameError
	require.ErrorAs(t, err, &e)
	require.Equal(t, fault, FrameFault(e), "%v", err)
}

func TestLengthsAreMinimalAndWithinTheLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		head  []byte
		fault Fault
	}{
		"not minimal":       {[]byte{0x83, 0x00}, FaultLength},
		"not minimal zero":  {[]byte{0x80, 0x80, 0x00}, FaultLength},
		"one above":         {protowire.AppendVarint(nil, MaxRequest+1), FaultLength},
		"2^31":              {protowire.AppendVarint(nil, 1<<31), FaultLength},
		"2^64-1":            {protowire.AppendVarint(nil, 1<<64-1), FaultLength},
		"without an end":    {bytes.Repeat([]byte{0xff}, 64), FaultLength},
		"zeros without end": {bytes.Repeat([]byte{0x80}, 64), FaultLength},
		"the limit itself":  {protowire.AppendVarint(nil, MaxRequest), FaultCut},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(bytes.NewReader(tc.head), Client).Next()
			requireFrameError(t, tc.fault, err)
		})
	}
	_, err := NewReader(bytes.NewReader(protowire.AppendVarint(nil, MaxReply)), Tracker).Next()
	requireFrameError(t, FaultCut, err)
	_, err = NewReader(bytes.NewReader(protowire.AppendVarint(nil, MaxReply+1)), Tracker).Next()
	requireFrameError(t, FaultLength, err)
}

func TestAMessageAgainstTheRulesDoesNotEndTheStream(t *testing.T) {
	var stream []byte
	for _, b := range []body{
		numbered().as(KindQuery), nil, numbered().as(60), numbered().as(KindReply), {0xff}, about().as(KindQuery),
	} {
		stream = protowire.AppendBytes(stream, b)
	}
	r := NewReader(iotest.OneByteReader(bytes.NewReader(stream)), Client)
	for _, fault := range []Fault{FaultNamespace, FaultUnknown, FaultUnknown, FaultDirection, FaultEncoding} {
		_, err := r.Next()
		var e *MessageError
		require.ErrorAs(t, err, &e)
		require.Equal(t, fault, e.Fault)
	}
	m, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, &Query{ID: 9, About: About{Namespace: "photos"}}, m)
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
}

func TestAFullReplyIsRead(t *testing.T) {
	want := &Reply{ID: 1, Rows: FitRows(longRows(MaxRows))}
	for i := range want.Rows {
		want.Rows[i].Unverified = 0
	}
	frame, err := AppendFrame(nil, want)
	require.NoError(t, err)
	got, err := NewReader(iotest.HalfReader(bytes.NewReader(frame)), Tracker).Next()
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestErrorsOfTheStreamComeThrough(t *testing.T) {
	broken := errors.New("reset")
	_, err := NewReader(iotest.ErrReader(broken), Client).Next()
	require.Equal(t, broken, err)
	_, err = NewReader(io.MultiReader(bytes.NewReader([]byte{5, 1}), iotest.ErrReader(broken)), Client).Next()
	requireFrameError(t, FaultCut, err)
	require.ErrorIs(t, err, broken)
}

// Who says that much is to come and sends little costs little.
func TestMemoryFollowsWhatArrived(t *testing.T) {
	head := append(protowire.AppendVarint(nil, MaxReply), make([]byte, 100)...)
	const streams = 64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range streams {
		_, err := NewReader(bytes.NewReader(head), Tracker).Next()
		require.Error(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/streams, uint64(MaxReply/8))
}

func TestMessagesDoNotShareTheReadersMemory(t *testing.T) {
	var stream []byte
	for id := range RequestID(3) {
		var err error
		stream, err = AppendFrame(stream, &Announce{ID: id + 1, Record: bytes.Repeat([]byte{byte(id)}, 100)})
		require.NoError(t, err)
	}
	r := NewReader(bytes.NewReader(stream), Client)
	first, err := r.Next()
	require.NoError(t, err)
	for range 2 {
		_, err = r.Next()
		require.NoError(t, err)
	}
	require.Equal(t, make([]byte, 100), first.(*Announce).Record)
}

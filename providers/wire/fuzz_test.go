package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzDecodeClient(f *testing.F)  { fuzzDecode(f, Client) }
func FuzzDecodeTracker(f *testing.F) { fuzzDecode(f, Tracker) }

// fuzzDecode reads whatever comes: a message that is read is within the rules,
// can be written, and says the same after that.
func fuzzDecode(f *testing.F, from Side) {
	for _, v := range vectors {
		if sideOf(v.message.Kind()) == from {
			f.Add(unhex(f, v.frame)[1:])
		}
	}
	if from == Client {
		b := body(nil).bytes(fieldJudgementPeer, []byte(testPeer(1))).uint(fieldJudgementOutcome, 3)
		b = b.many(2, fieldJudgementSamples, testCID(1).Bytes())
		f.Add([]byte(body(nil).bytes(fieldFeedbackPeers, b).as(KindFeedback)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b, from)
		if err != nil {
			require.Nil(t, m)
			require.ErrorAs(t, err, new(*MessageError))
			return
		}
		frame, err := AppendFrame(nil, m)
		if err != nil {
			require.Greater(t, len(b), from.maxFrame())
			return
		}
		again, err := NewReader(bytes.NewReader(frame), from).Next()
		require.NoError(t, err)
		second, err := AppendFrame(nil, again)
		require.NoError(t, err)
		require.Equal(t, frame, second)
		require.Equal(t, m, again)
	})
}

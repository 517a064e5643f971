package wire

import (
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func TestMessagesAgainstTheRulesAreNotWritten(t *testing.T) {
	full := Judgement{Peer: testPeer(1), Outcome: OutcomeServed}
	for name, tc := range map[string]struct {
		fault   Fault
		message Message
	}{
		"no number":        {FaultID, &Unsubscribe{}},
		"no namespace":     {FaultNamespace, &Subscribe{ID: 1}},
		"65 touches":       {FaultTooMany, &Touch{ID: 1, Rows: make([]Touched, MaxTouches+1)}},
		"65 rows":          {FaultTooMany, &Reply{ID: 1, Rows: make([]Row, MaxRows+1)}},
		"65 rows to watch": {FaultTooMany, &Notify{ID: 1, Rows: make([]Row, MaxRows+1)}},
		"65 refusals":      {FaultTooMany, &Receipt{ID: 1, Refusals: make([]Refusal, MaxRefusals+1)}},
		"item 64":          {FaultTooMany, &Receipt{ID: 1, Refusals: []Refusal{{Item: MaxTouches}}}},
		"65 judgements":    {FaultTooMany, &Feedback{Peers: make([]Judgement, MaxJudgements+1)}},
		"no peer":          {FaultPeer, &Feedback{Peers: make([]Judgement, 1)}},
		"no CID":           {FaultCID, &Feedback{Peers: []Judgement{{Peer: testPeer(1), Samples: []cid.Cid{cid.Undef}}}}},
		"nine samples":     {FaultTooMany, &Feedback{Peers: []Judgement{full, {Peer: testPeer(1), Samples: make([]cid.Cid, MaxSamples+1)}}}},
		"a long record":    {FaultTooLong, &Announce{ID: 1, Record: make([]byte, record.MaxSigned+1)}},
		"a long row":       {FaultTooLong, &Reply{ID: 1, Rows: []Row{{Record: make([]byte, record.MaxSigned+1)}}}},
		"a long list":      {FaultTooLong, &Trackers{ID: 1, Signed: make([]byte, record.MaxSignedTrackers+1)}},
		"a long token":     {FaultTooLong, &Reply{ID: 1, Token: make([]byte, MaxToken+1)}},
		"a long key":       {FaultTooLong, &Query{ID: 1, About: About{Namespace: "a", Key: make([]byte, record.MaxKey+1)}}},
		"a long frame":     {FaultTooLong, &Reply{ID: 1, Rows: longRows(MaxRows)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AppendFrame([]byte("before"), tc.message)
			var e *MessageError
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.fault, e.Fault, "%v", err)
			require.Equal(t, tc.message.Kind(), e.Kind)
			require.Equal(t, []byte("before"), got)
		})
	}
}

func longRows(n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Record: make([]byte, record.MaxSigned), Verified: 0xffff, Unverified: 0xffff, Age: record.MaxAge, Score: ScorePoor}
	}
	return rows
}

// As many rows are left as a frame holds, and one more would not fit.
func TestRowsAreFittedIntoAFrame(t *testing.T) {
	rows := FitRows(longRows(MaxRows))
	require.Less(t, len(rows), MaxRows)
	_, err := AppendFrame(nil, &Reply{ID: 1<<64 - 1, Rows: rows, Token: make([]byte, MaxToken), Refusal: &Refusal{Stored: 1<<64 - 1}})
	require.NoError(t, err)
	_, err = AppendFrame(nil, &Reply{ID: 1<<64 - 1, Rows: longRows(len(rows) + 1)})
	require.Error(t, err)
	require.Len(t, FitRows(make([]Row, MaxRows+1)), MaxRows)
	for size := MaxReply/MaxRows - 100; size < MaxReply/MaxRows; size++ {
		rows := longRows(MaxRows)
		for i := range rows {
			rows[i].Record = rows[i].Record[:size]
		}
		_, err = AppendFrame(nil, &Reply{ID: 1<<64 - 1, Rows: FitRows(rows), Token: make([]byte, MaxToken), Refusal: &Refusal{Stored: 1<<64 - 1}})
		require.NoError(t, err, "records of %d bytes", size)
	}
	require.Len(t, FitRows(make([]Row, 3)), 3)
	require.Empty(t, FitRows(nil))
}

func TestUsualFeedbackFitsIntoAFrame(t *testing.T) {
	var m Feedback
	for i := range byte(MaxJudgements) {
		j := Judgement{Peer: testPeer(i), Outcome: OutcomeServed}
		for s := range byte(MaxSamples) {
			j.Samples = append(j.Samples, testCID(s))
		}
		m.Peers = append(m.Peers, j)
	}
	_, err := AppendFrame(nil, &m)
	require.NoError(t, err)
}

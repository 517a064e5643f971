package wire

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
	"github.com/souk-p2p/souk/providers/record"
)

// body is the body of a frame that is put together by hand.
type body []byte

// uint, bytes and many append fields of a message.
func (b body) uint(num protowire.Number, v uint64) body {
	return fields.AppendPresentUint(b, num, v)
}

func (b body) bytes(num protowire.Number, v []byte) body {
	return fields.AppendPresentBytes(b, num, v)
}

func (b body) many(n int, num protowire.Number, v []byte) body {
	for range n {
		b = b.bytes(num, v)
	}
	return b
}

// as returns the frame's body with b as a message of kind k.
func (b body) as(k Kind) body { return body(nil).bytes(protowire.Number(k), b) }

// numbered is a message with the number 9.
func numbered() body { return body(nil).uint(fieldID, 9) }

// about is a message with the number 9 about a namespace.
func about() body { return numbered().bytes(fieldAboutNamespace, []byte("photos")) }

func TestMessagesAgainstTheRulesAreRefused(t *testing.T) {
	identity, err := multihash.Sum([]byte("inline"), multihash.IDENTITY, -1)
	require.NoError(t, err)
	judgement := func(b body) body {
		return b.bytes(fieldJudgementPeer, []byte(testPeer(1))).uint(fieldJudgementOutcome, 1)
	}
	feedback := func(b body) body { return body(nil).bytes(fieldFeedbackPeers, b).as(KindFeedback) }
	for name, tc := range map[string]struct {
		fault Fault
		id    RequestID
		body  body
	}{
		"nothing":                    {FaultUnknown, 0, nil},
		"a kind of a newer version":  {FaultUnknown, 0, numbered().as(40)},
		"a number instead of a kind": {FaultEncoding, 0, body(nil).uint(3, 1)},
		"two messages":               {FaultEncoding, 9, append(about().as(KindQuery), about().as(KindQuery)...)},
		"two kinds":                  {FaultEncoding, 9, append(about().as(KindQuery), numbered().as(KindUnsubscribe)...)},
		"not protobuf":               {FaultEncoding, 0, body{0xff, 0xff}},
		"a cut message":              {FaultEncoding, 0, body{byte(KindQuery)<<3 | 2, 5, 8}},
		"a group":                    {FaultEncoding, 9, append(numbered(), 0x13).as(KindQuery)},
		"a broken field":             {FaultEncoding, 9, append(numbered(), 0x12, 50).as(KindQuery)},
		"the other side's message":   {FaultDirection, 9, numbered().as(KindReply)},
		"no number":                  {FaultID, 0, body(nil).bytes(fieldAboutNamespace, []byte("a")).as(KindQuery)},
		"the number zero":            {FaultID, 0, body(nil).uint(fieldID, 0).as(KindUnsubscribe)},
		"a number that is bytes":     {FaultEncoding, 0, body(nil).bytes(fieldID, []byte{1}).as(KindQuery)},

		"a query of no namespace":       {FaultNamespace, 9, numbered().as(KindQuery)},
		"a query of an empty namespace": {FaultNamespace, 9, numbered().bytes(fieldAboutNamespace, nil).as(KindQuery)},
		"a query of a long namespace":   {FaultNamespace, 9, numbered().bytes(fieldAboutNamespace, bytes.Repeat([]byte("n"), 129)).as(KindQuery)},
		"a query of 60,000 bytes":       {FaultNamespace, 9, numbered().bytes(fieldAboutNamespace, bytes.Repeat([]byte("n"), 60_000)).as(KindQuery)},
		"its number behind the fault":   {FaultNamespace, 7, about().bytes(fieldAboutNamespace, nil).uint(fieldID, 7).as(KindQuery)},
		"a control character":           {FaultNamespace, 9, numbered().bytes(fieldAboutNamespace, []byte{0}).as(KindSubscribe)},
		"a point of 17 bits":            {FaultPoint, 9, about().uint(fieldAboutPoint, 1<<16).as(KindQuery)},
		"a point below zero":            {FaultPoint, 9, about().uint(fieldAboutPoint, math.MaxUint64).as(KindQuery)},
		"a point and a key":             {FaultPoint, 9, about().uint(fieldAboutPoint, 0).bytes(fieldAboutKey, []byte("k")).as(KindQuery)},
		"a key of 65 bytes":             {FaultTooLong, 9, about().bytes(fieldAboutKey, make([]byte, record.MaxKey+1)).as(KindSubscribe)},

		"a record over the limit": {FaultTooLong, 9, numbered().bytes(fieldAnnounceRecord, make([]byte, record.MaxSigned+1)).as(KindAnnounce)},
		"65 touches":              {FaultTooMany, 9, numbered().many(65, fieldTouchRows, body(nil).bytes(fieldTouchedNamespace, []byte("a"))).as(KindTouch)},
		"20,000 touches":          {FaultTooMany, 9, numbered().many(20_000, fieldTouchRows, nil).as(KindTouch)},
		"a touch of no namespace": {FaultNamespace, 9, numbered().bytes(fieldTouchRows, nil).as(KindTouch)},

		"a token of 65 bytes":      {FaultTooLong, 0, body(nil).bytes(fieldFeedbackToken, make([]byte, MaxToken+1)).as(KindFeedback)},
		"65 judgements":            {FaultTooMany, 0, body(nil).many(65, fieldFeedbackPeers, judgement(nil)).as(KindFeedback)},
		"a judgement of nobody":    {FaultPeer, 0, feedback(body(nil).uint(fieldJudgementOutcome, 1))},
		"of a peer that is none":   {FaultPeer, 0, feedback(judgement(nil).bytes(fieldJudgementPeer, []byte("nobody")))},
		"of a peer of 1,000 bytes": {FaultPeer, 0, feedback(judgement(nil).bytes(fieldJudgementPeer, make([]byte, 1000)))},
		"nine samples":             {FaultTooMany, 0, feedback(judgement(nil).many(9, fieldJudgementSamples, testCID(1).Bytes()))},
		"a sample that is none":    {FaultCID, 0, feedback(judgement(nil).bytes(fieldJudgementSamples, []byte("cid")))},
		"a sample of 1,000 bytes":  {FaultTooLong, 0, feedback(judgement(nil).bytes(fieldJudgementSamples, make([]byte, 1000)))},
		"an identity sample":       {FaultCID, 0, feedback(judgement(nil).bytes(fieldJudgementSamples, cid.NewCidV1(cid.Raw, identity).Bytes()))},
	} {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(tc.body), MaxRequest+60_000)
			requireRefused(t, tc.fault, tc.id, tc.body, Client)
		})
	}
}

func requireRefused(t *testing.T, fault Fault, id RequestID, b body, from Side) {
	t.Helper()
	m, err := Decode(b, from)
	require.Nil(t, m)
	var e *MessageError
	require.ErrorAs(t, err, &e)
	require.Equal(t, fault, e.Fault, "%v", err)
	require.Equal(t, id, e.ID)
}

func TestAnswersAgainstTheRulesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		fault Fault
		body  body
	}{
		"65 rows":            {FaultTooMany, numbered().many(65, fieldReplyRows, nil).as(KindReply)},
		"100,000 rows":       {FaultTooMany, numbered().many(100_000, fieldReplyRows, nil).as(KindReply)},
		"65 rows of a watch": {FaultTooMany, numbered().many(65, fieldNotifyRows, nil).as(KindNotify)},
		"a long record":      {FaultTooLong, numbered().bytes(fieldReplyRows, body(nil).bytes(fieldRowRecord, make([]byte, record.MaxSigned+1))).as(KindReply)},
		"a long token":       {FaultTooLong, numbered().bytes(fieldReplyToken, make([]byte, MaxToken+1)).as(KindReply)},
		"a row's wrong type": {FaultEncoding, numbered().bytes(fieldReplyRows, body(nil).bytes(fieldRowAge, nil)).as(KindReply)},
		"65 refusals":        {FaultTooMany, numbered().many(65, fieldReceiptRefusals, nil).as(KindReceipt)},
		"an item beyond":     {FaultTooMany, numbered().bytes(fieldReceiptRefusals, body(nil).uint(fieldRefusalItem, math.MaxUint64)).as(KindReceipt)},
		"a long list":        {FaultTooLong, numbered().bytes(fieldTrackersSigned, make([]byte, record.MaxSignedTrackers+1)).as(KindTrackers)},
		"a client's message": {FaultDirection, about().as(KindQuery)},
	} {
		t.Run(name, func(t *testing.T) { requireRefused(t, tc.fault, 9, tc.body, Tracker) })
	}
}

func TestNumbersThatAreTooLargeAreClamped(t *testing.T) {
	for give, want := range map[uint64]int{0: 0, 1: 1, 64: 64, 65: 64, 1 << 31: 64, 1 << 63: 64, math.MaxUint64: 64} {
		m, err := Decode(about().uint(fieldQueryK, give).as(KindQuery), Client)
		require.NoError(t, err)
		require.Equal(t, want, m.(*Query).K, "K = %d", give)
	}
	row := body(nil).uint(fieldRowVerified, math.MaxUint64).uint(fieldRowUnverified, 1<<20|5).
		uint(fieldRowAge, math.MaxUint64).uint(fieldRowScore, math.MaxUint64)
	m, err := Decode(numbered().bytes(fieldReplyRows, row).as(KindReply), Tracker)
	require.NoError(t, err)
	require.Equal(t, []Row{{Verified: 0xffff, Age: record.MaxAge}}, m.(*Reply).Rows, "verified beats unverified")

	refusal := body(nil).uint(fieldRefusalCode, 1<<40|uint64(codes)).uint(fieldRefusalRetry, math.MaxUint64)
	m, err = Decode(numbered().bytes(fieldReceiptRefusals, refusal).as(KindReceipt), Tracker)
	require.NoError(t, err)
	require.Equal(t, []Refusal{{Code: CodeOther, RetryAfter: maxRetry}}, m.(*Receipt).Refusals)
}

func TestFieldsOfANewerVersionArePassedOver(t *testing.T) {
	newer := func(b body) body {
		b = b.uint(90, 1).bytes(91, []byte("new"))
		return protowire.AppendFixed64(protowire.AppendTag(b, 92, protowire.Fixed64Type), 1)
	}
	m, err := Decode(newer(newer(about()).as(KindQuery)), Client)
	require.NoError(t, err)
	require.Equal(t, &Query{ID: 9, About: About{Namespace: "photos"}}, m)
	m, err = Decode(numbered().bytes(fieldReplyRows, newer(nil)).bytes(fieldReplyRefusal, newer(nil)).as(KindReply), Tracker)
	require.NoError(t, err)
	require.Equal(t, &Reply{ID: 9, Rows: []Row{{}}, Refusal: &Refusal{}}, m)
}

func TestFeedbackWithAnUnknownOutcomeIsPassedOver(t *testing.T) {
	judged := func(p byte, outcome uint64) []byte {
		return body(nil).bytes(fieldJudgementPeer, []byte(testPeer(p))).uint(fieldJudgementOutcome, outcome)
	}
	m, err := Decode(body(nil).bytes(fieldFeedbackPeers, judged(1, 99)).bytes(fieldFeedbackPeers, judged(2, 2)).
		bytes(fieldFeedbackPeers, judged(3, 0)).bytes(fieldFeedbackPeers, judged(4, math.MaxUint64)).as(KindFeedback), Client)
	require.NoError(t, err)
	require.Equal(t, []Judgement{{Peer: testPeer(2), Outcome: OutcomeEmpty}}, m.(*Feedback).Peers)
}

// A message that is refused for its elements costs no more than as many as may be.
func TestElementsAreCountedBeforeTheyAreKept(t *testing.T) {
	judgement := body(nil).bytes(fieldJudgementPeer, []byte(testPeer(1))).many(25_000, fieldJudgementSamples, testCID(1).Bytes())
	for name, tc := range map[string]struct {
		from Side
		body body
	}{
		"touches": {Client, numbered().many(500_000, fieldTouchRows, nil).as(KindTouch)},
		"rows":    {Tracker, numbered().many(500_000, fieldReplyRows, nil).as(KindReply)},
		"samples": {Client, body(nil).bytes(fieldFeedbackPeers, judgement).as(KindFeedback)},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode(tc.body, tc.from)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<10))
		})
	}
}

package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers/record"
)

// testPeer returns a peer with an identity of the usual length.
func testPeer(i byte) peer.ID {
	digest := sha256.Sum256([]byte{i})
	mh, err := multihash.Encode(digest[:], multihash.SHA2_256)
	if err != nil {
		panic(err) // 32 bytes are a digest
	}
	return peer.ID(mh)
}

func testCID(i byte) cid.Cid {
	digest := sha256.Sum256([]byte{i})
	mh, err := multihash.Encode(digest[:], multihash.SHA2_256)
	if err != nil {
		panic(err) // 32 bytes are a digest
	}
	return cid.NewCidV1(cid.Raw, mh)
}

func point(p record.Point) *record.Point { return &p }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// vectors are messages with their frames in hexadecimal digits.
var vectors = map[string]struct {
	message Message
	frame   string
}{
	"announce":           {&Announce{ID: 1, Record: []byte{0xaa, 0xbb}}, "08 0a06 0801 1202aabb"},
	"touch":              {&Touch{ID: 2, Rows: []Touched{{"a", 300}, {"b", 0}}}, "11 120f 0802 1206 0a0161 10ac02 1203 0a0162"},
	"query":              {&Query{ID: 3, About: About{Namespace: "a", Point: point(0), Roles: record.Blocks}, K: 8, Seed: 5}, "0f 1a0d 0803 120161 1800 2801 3008 3805"},
	"query for a key":    {&Query{ID: 3, About: About{Namespace: "a", Key: []byte("k")}}, "0a 1a08 0803 120161 22016b"},
	"subscribe":          {&Subscribe{ID: 4, About: About{Namespace: "a", Point: point(0xffff)}}, "0b 2a09 0804 120161 18ffff03"},
	"unsubscribe":        {&Unsubscribe{ID: 4}, "04 3202 0804"},
	"get trackers":       {&GetTrackers{ID: 5, Known: 9}, "06 3a04 0805 1009"},
	"reply":              {&Reply{ID: 3, Rows: []Row{{Record: []byte{0xaa}, Verified: 1, Unverified: 6, Age: time.Minute, Score: ScoreFair}}, Token: []byte{7}}, "14 4212 0803 120b 0a01aa 1001 1806 203c 2802 1a0107"},
	"refused reply":      {&Reply{ID: 3, Refusal: &Refusal{Code: CodeRate, RetryAfter: 2 * time.Second}}, "0b 4209 0803 2205 0808 18d00f"},
	"refused, no why":    {&Reply{ID: 3, Refusal: &Refusal{}}, "06 4204 0803 2200"},
	"receipt":            {&Receipt{ID: 2, Refusals: []Refusal{{Code: CodeSequence, Item: 1, Stored: 300}}}, "0d 4a0b 0802 1207 0805 1001 20ac02"},
	"notify":             {&Notify{ID: 4, Rows: []Row{{}}, More: true}, "08 5206 0804 1200 1801"},
	"trackers":           {&Trackers{ID: 5, Signed: []byte{1, 2}}, "08 5a06 0805 12020102"},
	"no trackers":        {&Trackers{ID: 5, Refusal: &Refusal{Code: CodeNotServed}}, "08 5a06 0805 1a02 080b"},
	"feedback on nobody": {&Feedback{Token: []byte{7}}, "05 2203 120107"},
}

func TestFramesAreAsWritten(t *testing.T) {
	for name, tc := range vectors {
		t.Run(name, func(t *testing.T) {
			want := unhex(t, tc.frame)
			got, err := AppendFrame(nil, tc.message)
			require.NoError(t, err)
			require.Equal(t, want, got, "%x", got)
			m, err := Decode(want[1:], sideOf(tc.message.Kind()))
			require.NoError(t, err)
			require.Equal(t, tc.message, m)
		})
	}
}

func TestFeedbackIsAsWritten(t *testing.T) {
	m := &Feedback{Peers: []Judgement{{Peer: testPeer(1), Outcome: OutcomeServed, Samples: []cid.Cid{testCID(1)}}}}
	digest := sha256.Sum256([]byte{1})
	want := append(unhex(t, "50 224e 1a4c 0a22 1220"), digest[:]...)
	want = append(append(want, unhex(t, "1003 1a24 01551220")...), digest[:]...)
	got, err := AppendFrame(nil, m)
	require.NoError(t, err)
	require.Equal(t, want, got, "%x", got)
}

func TestEveryKindHasANameAndASide(t *testing.T) {
	for k := KindAnnounce; k <= KindTrackers; k++ {
		require.Equal(t, k, newMessage(k).Kind())
		require.NotEqual(t, "unknown", k.String())
		require.Equal(t, k > KindGetTrackers, k.FromTracker())
	}
	for f := Fault(1); int(f) < NumFaults; f++ {
		require.NotEmpty(t, f.String())
	}
	for c := range Code(NumCodes) {
		require.NotEmpty(t, c.String())
	}
	require.Equal(t, "unknown", Kind(200).String())
	require.Equal(t, "unknown", Fault(200).String())
	require.Equal(t, "other", Code(200).String())
}

func TestEveryFaultOfARecordHasACode(t *testing.T) {
	for f := record.Fault(1); int(f) < record.NumFaults; f++ {
		require.NotEqual(t, CodeOther, CodeFor(f))
	}
	require.Equal(t, CodeSequence, CodeFor(record.FaultSequence))
	require.Equal(t, CodeSender, CodeFor(record.FaultSender))
	require.Equal(t, CodeSignature, CodeFor(record.FaultSigner))
	require.Equal(t, CodeInvalid, CodeFor(record.FaultNamespace))
}

// What is drawn are messages that follow the rules.

func drawID(t *rapid.T) RequestID { return RequestID(rapid.Uint64Min(1).Draw(t, "id")) }

func drawNamespace(t *rapid.T) record.Namespace {
	return record.Namespace(rapid.StringMatching(`[a-zäß/]{1,40}`).Draw(t, "namespace"))
}

// drawBytes returns nil for none, as a decoder does.
func drawBytes(t *rapid.T, most int) []byte {
	b := rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, "bytes")
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawList[T any](t *rapid.T, most int, draw func(*rapid.T) T) []T {
	list := rapid.SliceOfN(rapid.Custom(draw), 0, most).Draw(t, "list")
	if len(list) == 0 {
		return nil
	}
	return list
}

func drawAbout(t *rapid.T) About {
	a := About{Namespace: drawNamespace(t), Roles: record.Roles(rapid.Uint64().Draw(t, "roles"))}
	switch rapid.IntRange(0, 2).Draw(t, "part") {
	case 0:
		a.Point = point(record.Point(rapid.Uint16().Draw(t, "point")))
	case 1:
		a.Key = drawBytes(t, record.MaxKey)
	}
	return a
}

func drawRow(t *rapid.T) Row {
	r := Row{
		Record:     drawBytes(t, 100),
		Verified:   record.AddrSet(rapid.Uint16().Draw(t, "verified")),
		Unverified: record.AddrSet(rapid.Uint16().Draw(t, "unverified")),
		Age:        time.Duration(rapid.IntRange(0, 86400).Draw(t, "age")) * time.Second,
		Score:      Score(rapid.IntRange(0, int(scores)-1).Draw(t, "score")),
	}
	r.Unverified &^= r.Verified
	return r
}

func drawRefusal(t *rapid.T) Refusal {
	return Refusal{
		Code:       Code(rapid.IntRange(0, int(codes)-1).Draw(t, "code")),
		Item:       rapid.IntRange(0, MaxTouches-1).Draw(t, "item"),
		RetryAfter: time.Duration(rapid.IntRange(0, 7200_000).Draw(t, "retry")) * time.Millisecond,
		Stored:     rapid.Uint64().Draw(t, "stored"),
	}
}

func drawMaybe(t *rapid.T) *Refusal {
	if rapid.Bool().Draw(t, "answered") {
		return nil
	}
	r := drawRefusal(t)
	return &r
}

func drawJudgement(t *rapid.T) Judgement {
	return Judgement{
		Peer:    testPeer(rapid.Byte().Draw(t, "peer")),
		Outcome: Outcome(rapid.IntRange(1, int(outcomes)-1).Draw(t, "outcome")),
		Samples: drawList(t, MaxSamples, func(t *rapid.T) cid.Cid { return testCID(rapid.Byte().Draw(t, "cid")) }),
	}
}

func drawMessage(t *rapid.T) Message {
	switch k := Kind(rapid.IntRange(int(KindAnnounce), int(KindTrackers)).Draw(t, "kind")); k {
	case KindAnnounce:
		return &Announce{ID: drawID(t), Record: drawBytes(t, 300)}
	case KindTouch:
		return &Touch{ID: drawID(t), Rows: drawList(t, MaxTouches, func(t *rapid.T) Touched {
			return Touched{drawNamespace(t), rapid.Uint64().Draw(t, "sequence")}
		})}
	case KindQuery:
		return &Query{ID: drawID(t), About: drawAbout(t), K: rapid.IntRange(0, MaxRows).Draw(t, "k"), Seed: rapid.Uint64().Draw(t, "seed")}
	case KindFeedback:
		return &Feedback{Token: drawBytes(t, MaxToken), Peers: drawList(t, MaxJudgements, drawJudgement)}
	case KindSubscribe:
		return &Subscribe{ID: drawID(t), About: drawAbout(t)}
	case KindUnsubscribe:
		return &Unsubscribe{ID: drawID(t)}
	case KindGetTrackers:
		return &GetTrackers{ID: drawID(t), Known: rapid.Uint64().Draw(t, "known")}
	case KindReply:
		return &Reply{ID: drawID(t), Rows: drawList(t, MaxRows, drawRow), Token: drawBytes(t, MaxToken), Refusal: drawMaybe(t)}
	case KindReceipt:
		return &Receipt{ID: drawID(t), Refusals: drawList(t, MaxRefusals, drawRefusal)}
	case KindNotify:
		return &Notify{ID: drawID(t), Rows: drawList(t, MaxRows, drawRow), More: rapid.Bool().Draw(t, "more")}
	default:
		return &Trackers{ID: drawID(t), Signed: drawBytes(t, 300), Refusal: drawMaybe(t)}
	}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		frame, err := AppendFrame([]byte("before"), m)
		require.NoError(t, err)
		r := NewReader(strings.NewReader(string(frame[len("before"):])), sideOf(m.Kind()))
		got, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}

func TestWritingClampsNumbers(t *testing.T) {
	for name, tc := range map[string]struct{ give, want Message }{
		"K below zero": {&Query{ID: 1, About: About{Namespace: "a"}, K: -1}, &Query{ID: 1, About: About{Namespace: "a"}}},
		"K above 64":   {&Query{ID: 1, About: About{Namespace: "a"}, K: math.MaxInt}, &Query{ID: 1, About: About{Namespace: "a"}, K: MaxRows}},
		"an old row": {
			&Notify{ID: 1, Rows: []Row{{Age: math.MaxInt64, Verified: 3, Unverified: 6}, {Age: -1}}},
			&Notify{ID: 1, Rows: []Row{{Age: record.MaxAge, Verified: 3, Unverified: 4}, {}}},
		},
		"a long pause": {
			&Receipt{ID: 1, Refusals: []Refusal{{RetryAfter: math.MaxInt64}, {RetryAfter: -1, Item: -1}}},
			&Receipt{ID: 1, Refusals: []Refusal{{RetryAfter: maxRetry}, {}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			frame, err := AppendFrame(nil, tc.give)
			require.NoError(t, err)
			got, err := NewReader(strings.NewReader(string(frame)), sideOf(tc.give.Kind())).Next()
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/internal/heaptest"
)

func TestFramesAreTheseBytes(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			frame, err := AppendFrame([]byte("before"), v.message)
			require.NoError(t, err)
			require.Equal(t, append([]byte("before"), unhex(t, v.frame)...), frame)
			requireRead(t, unhex(t, v.frame), v.message)
		})
	}
}

func TestTheLargestMessagesFitIntoTheirFrames(t *testing.T) {
	full := bytes.Repeat([]byte{0xff}, MaxParts*HashSize)
	for limit, m := range map[int]Message{
		MaxRequest: &Request{ID: math.MaxUint64, Key: strings.Repeat("k", MaxKey), Part: MaxParts - 1, List: List(full[:HashSize])},
		MaxAnswer:  &Response{ID: math.MaxUint64, Data: make([]byte, PartSize), Parts: Parts{Size: MaxValue, Hashes: full}},
	} {
		frame, err := AppendFrame(nil, m)
		require.NoError(t, err)
		require.LessOrEqual(t, len(frame), limit)
		requireRead(t, frame, m)
	}
}

func TestAFrameGrowsOnce(t *testing.T) {
	frame, err := AppendFrame(nil, &Response{ID: 1, Data: large[:PartSize], Parts: Split(large)})
	require.NoError(t, err)
	require.Less(t, cap(frame), len(frame)+len(frame)/8, "append leaves a quarter when it does not know")
}

func TestMessagesAgainstTheRulesAreRefused(t *testing.T) {
	hashes := make([]byte, 3*HashSize)
	parts := func(size uint64, hashes, data []byte) body {
		b := body(nil).bytes(fieldResponseData, data).uint(fieldResponseSize, size)
		return response(b.bytes(fieldResponseHashes, hashes))
	}
	first := large[:PartSize]
	for name, tc := range map[string]struct {
		fault Fault
		id    ID
		body  body
	}{
		"nothing":                     {FaultUnknown, 0, nil},
		"a kind of a newer version":   {FaultUnknown, 9, numbered().bytes(40, nil)},
		"a number instead of a kind":  {FaultEncoding, 9, numbered().uint(kindRequest, 1)},
		"two messages":                {FaultEncoding, 9, append(request(keyed()), body(nil).bytes(kindRequest, keyed())...)},
		"two kinds":                   {FaultEncoding, 9, append(request(keyed()), body(nil).bytes(kindFailure, nil)...)},
		"not protobuf":                {FaultEncoding, 0, body{0xff, 0xff}},
		"a cut message":               {FaultEncoding, 9, append(numbered(), byte(kindRequest)<<3|2, 5, 8)},
		"a group":                     {FaultEncoding, 9, request(append(keyed(), 0x13))},
		"a broken field":              {FaultEncoding, 9, request(append(keyed(), 0x12, 50))},
		"no number":                   {FaultID, 0, body(nil).bytes(kindRequest, keyed())},
		"the number zero":             {FaultID, 0, body(nil).uint(fieldID, 0).bytes(kindRequest, keyed())},
		"a number that is bytes":      {FaultEncoding, 0, body(nil).bytes(fieldID, []byte{1}).bytes(kindRequest, keyed())},
		"its number behind the fault": {FaultKey, 7, body(nil).bytes(kindRequest, nil).uint(fieldID, 7)},

		"no key":                    {FaultKey, 9, request(nil)},
		"an empty key":              {FaultKey, 9, request(body(nil).bytes(fieldRequestKey, nil))},
		"a long key":                {FaultKey, 9, request(body(nil).bytes(fieldRequestKey, make([]byte, MaxKey+1)))},
		"a key that is a number":    {FaultEncoding, 9, request(body(nil).uint(fieldRequestKey, 1))},
		"a part without a list":     {FaultPart, 9, request(keyed().uint(fieldRequestPart, 1))},
		"a part that no value has":  {FaultPart, 9, request(keyed().uint(fieldRequestPart, MaxParts).bytes(fieldRequestList, hashes[:HashSize]))},
		"a part below zero":         {FaultPart, 9, request(keyed().uint(fieldRequestPart, math.MaxUint64))},
		"a part that is bytes":      {FaultEncoding, 9, request(keyed().bytes(fieldRequestPart, nil))},
		"a short list":              {FaultList, 9, request(keyed().bytes(fieldRequestList, hashes[:HashSize-1]))},
		"a long list":               {FaultList, 9, request(keyed().bytes(fieldRequestList, hashes[:HashSize+1]))},
		"a list that is a number":   {FaultEncoding, 9, request(keyed().uint(fieldRequestList, 1))},
		"data that is a number":     {FaultEncoding, 9, response(body(nil).uint(fieldResponseData, 1))},
		"too much data":             {FaultSize, 9, response(body(nil).bytes(fieldResponseData, large[:PartSize+1]))},
		"hashes without a size":     {FaultParts, 9, parts(0, hashes, first)},
		"a size of one part":        {FaultSize, 9, parts(PartSize, hashes[:HashSize], first)},
		"a size that nothing has":   {FaultSize, 9, parts(MaxValue+1, hashes, first)},
		"a size below zero":         {FaultSize, 9, parts(math.MaxUint64, hashes, first)},
		"too few hashes":            {FaultParts, 9, parts(2*PartSize+1, hashes[:2*HashSize], first)},
		"too many hashes":           {FaultParts, 9, parts(2*PartSize, hashes, first)},
		"half a hash":               {FaultParts, 9, parts(2*PartSize+1, hashes[:3*HashSize-1], first)},
		"a size without hashes":     {FaultParts, 9, parts(2*PartSize+1, nil, first)},
		"a short first part":        {FaultParts, 9, parts(2*PartSize+1, hashes, first[1:])},
		"no first part":             {FaultParts, 9, parts(2*PartSize+1, hashes, nil)},
		"a code that is bytes":      {FaultEncoding, 9, numbered().bytes(kindFailure, body(nil).bytes(fieldFailureCode, nil))},
		"a failure that is no more": {FaultEncoding, 9, numbered().uint(kindFailure, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := decode(tc.body)
			require.Nil(t, m)
			var e *MessageError
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.fault, e.Fault, "%v", err)
			require.Equal(t, tc.id, e.ID)
		})
	}
}

func TestMessagesAgainstTheRulesAreNotWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   Fault
		message Message
	}{
		"no number":           {FaultID, &Request{Key: "k"}},
		"no key":              {FaultKey, &Request{ID: 1}},
		"a long key":          {FaultKey, &Request{ID: 1, Key: strings.Repeat("k", MaxKey+1)}},
		"a part below zero":   {FaultPart, &Request{ID: 1, Key: "k", Part: -1, List: List{1}}},
		"no list":             {FaultPart, &Request{ID: 1, Key: "k", Part: 1}},
		"too much data":       {FaultSize, &Response{ID: 1, Data: make([]byte, PartSize+1)}},
		"a size below zero":   {FaultSize, &Response{ID: 1, Parts: Parts{Size: -1}}},
		"a size and no parts": {FaultParts, &Response{ID: 1, Parts: Parts{Size: PartSize + 1}}},
		"no code":             {FaultEncoding, &Failure{ID: 1}},
		"an unknown code":     {FaultEncoding, &Failure{ID: 1, Code: codes}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AppendFrame([]byte("before"), tc.message)
			require.Equal(t, tc.fault, FaultOf(err), "%v", err)
			require.Equal(t, []byte("before"), got)
		})
	}
}

func TestWhatANewerPeerAddsIsPassedOver(t *testing.T) {
	more := func(b body) body { return b.uint(30, 1).bytes(31, []byte("new")) }
	for name, tc := range map[string]struct {
		body body
		want Message
	}{
		"fields":            {more(request(more(keyed()))), &Request{ID: 9, Key: "key"}},
		"a code":            {numbered().bytes(kindFailure, body(nil).uint(fieldFailureCode, 77)), &Failure{ID: 9, Code: CodeNone}},
		"a huge code":       {numbered().bytes(kindFailure, body(nil).uint(fieldFailureCode, 258)), &Failure{ID: 9, Code: CodeNone}},
		"no code":           {numbered().bytes(kindFailure, nil), &Failure{ID: 9, Code: CodeNone}},
		"a list of nothing": {request(keyed().bytes(fieldRequestList, nil)), &Request{ID: 9, Key: "key"}},
		"a list of zeros":   {request(keyed().bytes(fieldRequestList, make([]byte, HashSize))), &Request{ID: 9, Key: "key"}},
	} {
		t.Run(name, func(t *testing.T) { requireRead(t, frames.Append(nil, tc.body), tc.want) })
	}
}

func TestAMessageAgainstTheRulesDoesNotEndTheStream(t *testing.T) {
	var stream []byte
	for _, b := range []body{request(nil), nil, numbered().bytes(60, nil), response(nil), {0xff}, request(keyed())} {
		stream = frames.Append(stream, b)
	}
	r := NewRequests(iotest.OneByteReader(bytes.NewReader(stream)))
	for _, fault := range []Fault{FaultKey, FaultUnknown, FaultUnknown, FaultDirection, FaultEncoding} {
		_, err := r.Next()
		require.ErrorAs(t, err, new(*MessageError))
		require.Equal(t, fault, FaultOf(err), "%v", err)
	}
	m, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, &Request{ID: 9, Key: "key"}, m)
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
}

func TestWhoAsksIsNotSentRequests(t *testing.T) {
	_, err := NewAnswers(bytes.NewReader(frames.Append(nil, request(keyed())))).Next()
	require.Equal(t, FaultDirection, FaultOf(err), "%v", err)
}

func TestAFrameThatIsNotOneEndsTheStream(t *testing.T) {
	broken := errors.New("reset")
	for name, tc := range map[string]struct {
		stream io.Reader
		fault  Fault
	}{
		"over the limit": {bytes.NewReader(protowire.AppendVarint(nil, MaxRequest+1)), FaultLength},
		"not minimal":    {bytes.NewReader([]byte{0x83, 0}), FaultLength},
		"cut":            {bytes.NewReader(unhex(t, vectors[0].frame)[:5]), FaultCut},
		"reset":          {io.MultiReader(bytes.NewReader([]byte{5, 1}), iotest.ErrReader(broken)), FaultCut},
		"the end":        {bytes.NewReader(nil), 0},
		"an error":       {iotest.ErrReader(broken), 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewRequests(tc.stream).Next()
			require.Error(t, err)
			require.Equal(t, tc.fault, FaultOf(err), "%v", err)
			require.Equal(t, tc.fault != 0, errors.As(err, new(*FrameError)))
		})
	}
}

// Who says that much is to come and sends little costs little: neither the length
// of a frame nor the size of a value makes room.
func TestMemoryFollowsWhatArrived(t *testing.T) {
	head := append(protowire.AppendVarint(nil, MaxAnswer), response(body(nil).uint(fieldResponseSize, MaxValue))...)
	const streams = 64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range streams {
		_, err := NewAnswers(bytes.NewReader(head)).Next()
		require.Equal(t, FaultCut, FaultOf(err))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/streams, uint64(MaxAnswer/16))
}

// A small value in a large frame does not keep the frame: what values count for is their
// length.
func TestAValueKeepsNothingElseOfItsFrame(t *testing.T) {
	const large, small, many = 128 << 10, 10, 32
	data := func(n int) body { return body(nil).bytes(fieldResponseData, make([]byte, n)) }
	for name, b := range map[string]body{
		"a field of nobody":     response(data(small)).bytes(1000, make([]byte, large)),
		"one inside":            response(data(small).bytes(1000, make([]byte, large))),
		"data that came before": response(append(data(large), data(small)...)),
	} {
		t.Run(name, func(t *testing.T) {
			var kept [many][]byte
			before := heaptest.Held()
			for i := range kept {
				m, err := NewAnswers(bytes.NewReader(frames.Append(nil, b))).Next()
				require.NoError(t, err)
				kept[i] = m.(*Response).Data
				require.Len(t, kept[i], small)
			}
			require.Less(t, heaptest.Held(), before+many*large/4)
			runtime.KeepAlive(&kept)
		})
	}
}

func TestMessagesDoNotShareTheReadersMemory(t *testing.T) {
	var stream []byte
	for id := range ID(3) {
		var err error
		stream, err = AppendFrame(stream, &Response{ID: id + 1, Data: bytes.Repeat([]byte{byte(id)}, 100)})
		require.NoError(t, err)
	}
	r := NewAnswers(bytes.NewReader(stream))
	first, err := r.Next()
	require.NoError(t, err)
	for range 2 {
		_, err = r.Next()
		require.NoError(t, err)
	}
	require.Equal(t, make([]byte, 100), first.(*Response).Data)
}

func TestASuffixNamesAProtocolOfItsOwn(t *testing.T) {
	for suffix, want := range map[string]protocol.ID{
		"":                      Protocol,
		"log":                   Protocol + "/log",
		"a.b_c-9":               Protocol + "/a.b_c-9",
		strings.Repeat("x", 64): Protocol + "/" + protocol.ID(strings.Repeat("x", 64)),
	} {
		got, err := ProtocolOf(suffix)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, suffix := range []string{"Log", "a/b", "a b", "ä", "\x00", strings.Repeat("x", 65)} {
		_, err := ProtocolOf(suffix)
		require.Error(t, err, "%q", suffix)
	}
}

func TestFaultsAndCodesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for f := Fault(1); int(f) < NumFaults; f++ {
		require.NotEmpty(t, f.String())
		require.False(t, seen[f.String()], "%s twice", f)
		seen[f.String()] = true
	}
	require.Equal(t, "unknown", Fault(NumFaults).String())
	for c := Code(1); int(c) < NumCodes; c++ {
		require.NotEmpty(t, c.String())
		require.False(t, seen[c.String()], "%s twice", c)
		seen[c.String()] = true
	}
	require.Equal(t, "none", Code(NumCodes).String())
}

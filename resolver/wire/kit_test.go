package wire

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// body is the body of a frame, or of a message in it, that is put together by hand.
type body []byte

func (b body) uint(num protowire.Number, v uint64) body { return fields.AppendPresentUint(b, num, v) }

func (b body) bytes(num protowire.Number, v []byte) body {
	return fields.AppendPresentBytes(b, num, v)
}

// numbered is the body of a frame with the number 9.
func numbered() body { return body(nil).uint(fieldID, 9) }

// request is the body of a frame with a request that has the number 9 and content.
func request(content body) body { return numbered().bytes(kindRequest, content) }

func response(content body) body { return numbered().bytes(kindResponse, content) }

// keyed is the content of a request for a key.
func keyed() body { return body(nil).bytes(fieldRequestKey, []byte("key")) }

// large is a value of 3 parts, the last of one byte.
var large = bytes.Repeat([]byte("0123456789abcdef"), 2*PartSize/16+1)[:2*PartSize+1]

// vectors are messages with the frames that they are, in hexadecimal digits.
var vectors = []struct {
	name    string
	message Message
	frame   string
}{
	{"request", &Request{ID: 1, Key: "key"}, "09" + "0801" + "1205" + "0a03" + "6b6579"},
	{"request of a part", &Request{ID: 2, Key: "key", Part: 2, List: List(bytes.Repeat([]byte{0xab}, HashSize))},
		"2d" + "0802" + "1229" + "0a03" + "6b6579" + "1002" + "1a20" + hex.EncodeToString(bytes.Repeat([]byte{0xab}, HashSize))},
	{"request of the first part", &Request{ID: 300, Key: "k", List: List{0: 1}},
		"2a" + "08ac02" + "1225" + "0a01" + "6b" + "1a20" + hex.EncodeToString(append([]byte{1}, make([]byte, HashSize-1)...))},
	{"response", &Response{ID: 1, Data: []byte("value")}, "0b" + "0801" + "1a07" + "0a05" + "76616c7565"},
	{"empty response", &Response{ID: 1}, "04" + "0801" + "1a00"},
	{"failure", &Failure{ID: 1, Code: CodeNone}, "06" + "0801" + "2202" + "0801"},
	{"malformed", &Failure{ID: 1<<64 - 1, Code: CodeMalformed}, "0f" + "08ffffffffffffffffff01" + "2202" + "0805"},
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	require.NoError(t, err)
	return b
}

// requireRead reads one message of whichever side from the stream.
func requireRead(t testing.TB, stream []byte, want Message) {
	t.Helper()
	var got Message
	var err error
	if _, ok := want.(*Request); ok {
		got, err = NewRequests(bytes.NewReader(stream)).Next()
	} else {
		got, err = NewAnswers(bytes.NewReader(stream)).Next()
	}
	require.NoError(t, err)
	require.Equal(t, want, got)
}

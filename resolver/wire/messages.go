package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/internal/fields"
)

// ID is the number of a request on its stream. Who asks chooses it: above zero,
// and above all that it chose on the stream before.
type ID uint64

// Message is what a frame holds: a *Request, a *Response or a *Failure.
type Message interface {
	// Number returns the number of the request that this is, or is an answer to.
	Number() ID

	kind() protowire.Number
	// check returns an error with a fault if the message is against the rules.
	check() error
	// field takes in a field as it was read.
	field(fields.Field) error
	// size returns how many bytes appendContent appends.
	size() int
	// appendContent appends the message without its number as protobuf.
	appendContent([]byte) []byte
}

// Answer is what is said to a request: a *Response or a *Failure.
type Answer interface {
	Message
	answers()
}

// Request asks for a value, or for a part of one.
type Request struct {
	ID  ID
	Key string // 1 to MaxKey bytes

	// Part and List say which part of which value is asked for. With the zero List
	// it is the value, and Part is zero.
	Part int
	List List
}

// Response has a value, or a part of one.
type Response struct {
	ID ID
	// Data is the value, its first part, or the part that was asked for: at most
	// PartSize bytes.
	Data []byte
	// Parts are those of a value larger than PartSize, in the answer to a request
	// for the value. Else they are zero.
	Parts Parts
}

// Failure says that a request has no other answer, and why.
type Failure struct {
	ID   ID
	Code Code
}

// Code is why a request has no value for an answer. It is a small closed set.
type Code uint8

// The codes. Their numbers are those on the wire.
const (
	CodeNone      Code = iota + 1 // who is asked has not got it
	CodeRefused                   // who asks may not have anything
	CodeBusy                      // not now: too much is asked
	CodeChanged                   // the list is not that of the value as it is now
	CodeMalformed                 // the request is against the rules
	codes
)

// NumCodes is one more than the highest Code.
const NumCodes = int(codes)

var codeNames = [codes]string{
	CodeNone: "none", CodeRefused: "refused", CodeBusy: "busy", CodeChanged: "changed", CodeMalformed: "malformed",
}

// String returns a lower-case word, which metrics use as a label.
func (c Code) String() string {
	if c == 0 || c >= codes {
		return codeNames[CodeNone]
	}
	return codeNames[c]
}

// Number returns the number of the request.
func (m *Request) Number() ID { return m.ID }

// Number returns the number of the request that this answers.
func (m *Response) Number() ID { return m.ID }

// Number returns the number of the request that this answers.
func (m *Failure) Number() ID { return m.ID }

func (*Response) answers() {}
func (*Failure) answers()  {}

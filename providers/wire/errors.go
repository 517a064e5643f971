package wire

import (
	"errors"
	"fmt"

	"github.com/souk-p2p/souk/internal/frames"
)

// Fault is a reason for which a frame or a message is refused. It is a small
// closed set, which trackers and clients count by.
type Fault uint8

// The faults. The first two end the stream.
const (
	FaultLength    Fault = iota + 1 // the length of a frame is not a minimal varint or is above the limit
	FaultCut                        // the stream ended inside of a frame
	FaultEncoding                   // not a well-formed protobuf message of the schema's types, or two messages in a frame
	FaultUnknown                    // a message of a kind that is not known here: no fault of an honest newer peer
	FaultDirection                  // a message that only the other side may send
	FaultID                         // a request without a number
	FaultTooMany                    // more elements than the limit
	FaultTooLong                    // an element with more bytes than the limit
	FaultNamespace                  // against the rules for namespaces
	FaultPeer                       // a peer that does not parse
	FaultCID                        // a CID that does not parse or proves nothing
	FaultPoint                      // a point of more than 16 bits, or a point and a key
	faults
)

// NumFaults is one more than the highest Fault.
const NumFaults = int(faults)

var faultNames = [faults]string{
	FaultLength:    "length",
	FaultCut:       "cut",
	FaultEncoding:  "encoding",
	FaultUnknown:   "unknown-kind",
	FaultDirection: "direction",
	FaultID:        "id",
	FaultTooMany:   "too-many",
	FaultTooLong:   "too-long",
	FaultNamespace: "namespace",
	FaultPeer:      "peer",
	FaultCID:       "cid",
	FaultPoint:     "point",
}

// String returns lower-case words joined by hyphens, which metrics use as a
// label.
func (f Fault) String() string {
	if f == 0 || f >= faults {
		return "unknown"
	}
	return faultNames[f]
}

// FrameError says that what follows on a stream has no meaning: reset it.
type FrameError = frames.Error

// FrameFault returns the fault of a frame.
func FrameFault(e *FrameError) Fault {
	if e.Length() {
		return FaultLength
	}
	return FaultCut
}

// MessageError says that a message is against the rules. The stream goes on
// behind it.
type MessageError struct {
	Fault Fault
	Kind  Kind      // of the message; zero when it did not get that far
	ID    RequestID // of the request or the answer, as far as it was read; else zero
	Err   error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("wire: %s %d: %s: %v", e.Kind, e.ID, e.Fault, e.Err)
}

// Unwrap returns what went wrong.
func (e *MessageError) Unwrap() error { return e.Err }

var (
	errTwoMessages = errors.New("two messages in a frame")
	errUnknown     = errors.New("no message of a known kind")
	errDirection   = errors.New("this side may not send it")
	errNoID        = errors.New("a number above zero is right")
	errPointAndKey = errors.New("a point and a key: one of them is right")
)

// faultError is an error whose fault is known.
type faultError = frames.Refusal[Fault]

func refuse(f Fault, format string, args ...any) error { return frames.Refuse(f, format, args...) }

func tooMany(what string, most int) error {
	return refuse(FaultTooMany, "more %s than %d", what, most)
}

func tooLong(what string, n, most int) error {
	return refuse(FaultTooLong, "%s of %d bytes: at most %d are right", what, n, most)
}

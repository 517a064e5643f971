package wire

import (
	"errors"
	"fmt"

	"github.com/souk-p2p/souk/internal/frames"
)

// Fault is a reason for which a frame or a message is refused. It is a small
// closed set, which both sides count by.
type Fault uint8

// The faults. The first two end the stream.
const (
	FaultLength    Fault = iota + 1 // the length of a frame is not a minimal varint or is above the limit
	FaultCut                        // the stream ended inside of a frame
	FaultEncoding                   // not a well-formed protobuf message of the schema's types, or two messages in a frame
	FaultUnknown                    // a message of a kind that is not known here: no fault of an honest newer peer
	FaultDirection                  // a message that only the other side may send
	FaultID                         // no number
	FaultKey                        // no key, or one with more bytes than the limit
	FaultPart                       // a part that no value has, or one without a list
	FaultList                       // a list that is not a hash
	FaultSize                       // a value, or a part of one, with more bytes than the limit
	FaultParts                      // size, number of hashes and first part do not agree
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
	FaultKey:       "key",
	FaultPart:      "part",
	FaultList:      "list",
	FaultSize:      "size",
	FaultParts:     "parts",
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

// MessageError says that a message is against the rules. The stream goes on
// behind it.
type MessageError struct {
	Fault Fault
	ID    ID // of the request or the answer, as far as it was read; else zero
	Err   error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("wire: message %d: %s: %v", e.ID, e.Fault, e.Err)
}

// Unwrap returns what went wrong.
func (e *MessageError) Unwrap() error { return e.Err }

func refuse(f Fault, format string, args ...any) error { return frames.Refuse(f, format, args...) }

// messageError gives err a number. What has no fault yet is one of the encoding.
func messageError(id ID, err error) error {
	fault, err := frames.FaultOf(err, FaultEncoding)
	return &MessageError{Fault: fault, ID: id, Err: err}
}

// FaultOf returns the fault that an error of this package is, and zero for errors
// of the stream.
func FaultOf(err error) Fault {
	var message *MessageError
	var frame *FrameError
	switch {
	case errors.As(err, &message):
		return message.Fault
	case !errors.As(err, &frame):
		return 0
	case frame.Length():
		return FaultLength
	}
	return FaultCut
}

package message

import (
	"errors"
	"fmt"
	"io"
)

// ErrClosed is what [Decoder.Next] returns after [Decoder.Close].
var ErrClosed = errors.New("message: decoder is closed")

// FrameError says that a frame cannot be read to its end through the fault of
// the peer. What follows on the stream has no meaning: reset it.
type FrameError struct {
	Fault Fault
	Err   error
}

func (e *FrameError) Error() string { return fmt.Sprintf("message: %s: %v", e.Fault, e.Err) }

// Unwrap returns what went wrong.
func (e *FrameError) Unwrap() error { return e.Err }

// BudgetError says that a frame was given up because its [Budget] refused
// memory. It is no fault of the peer, but the stream must be reset.
type BudgetError struct {
	Bytes int // what was asked for
	Err   error
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("message: no memory for %d bytes: %v", e.Bytes, e.Err)
}

// Unwrap returns the error of the budget.
func (e *BudgetError) Unwrap() error { return e.Err }

// What is wrong with a frame, inside a FrameError.
var (
	errLengthNotMinimal = errors.New("length is not a minimal varint")
	errTag              = errors.New("invalid field number")
	errGroup            = errors.New("group or unknown wire type")
	errWireType         = errors.New("field has the wrong wire type")
	errVarint           = errors.New("varint of more than 64 bits")
	errTruncated        = errors.New("field reaches beyond its message")
	errLengthLimit      = errors.New("length is above the limit")
	errElements         = errors.New("more elements than the limit")
)

func protobufError(err error) error { return &FrameError{Fault: FaultProtobuf, Err: err} }

// inFrame turns what ended the reading of a begun frame into the error that
// Next returns.
func inFrame(err error) error {
	var frame *FrameError
	var budget *BudgetError
	if errors.As(err, &frame) || errors.As(err, &budget) {
		return err
	}
	if isTimeout(err) {
		return &FrameError{Fault: FaultFrameSlow, Err: err}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &FrameError{Fault: FaultFrameCut, Err: err}
}

// isTimeout reports whether err is an expired deadline, of whatever transport.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

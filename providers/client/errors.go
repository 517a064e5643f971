package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/wire"
)

// What can become of a call. They come in a [*CallError]; compare with
// [errors.Is].
var (
	ErrClosed   = errors.New("client is stopped")
	ErrUnknown  = errors.New("no tracker of the set")
	ErrTooMany  = fmt.Errorf("more than %d trackers were added", maxAdded)
	ErrNoAnswer = errors.New("no answer in time")
	ErrEnded    = errors.New("tracker ended the stream without an answer")
	errIdle     = errors.New("nothing to say")
)

// CallError says that a tracker has not answered a call, or not as it may. It may
// have done what it was told.
type CallError struct {
	Tracker peer.ID
	Err     error
}

func (e *CallError) Error() string { return fmt.Sprintf("tracker %s: %v", e.Tracker, e.Err) }

// Unwrap returns what went wrong.
func (e *CallError) Unwrap() error { return e.Err }

// DownError says that a tracker was not asked because it is down.
type DownError struct{ Until time.Time }

func (e *DownError) Error() string {
	return "down until " + e.Until.UTC().Format(time.RFC3339)
}

// FaultError says that a tracker broke the rules.
type FaultError struct{ Err error }

func (e *FaultError) Error() string { return "broke the rules: " + e.Err.Error() }

// Unwrap returns what it did.
func (e *FaultError) Unwrap() error { return e.Err }

func faultf(format string, args ...any) *FaultError { return &FaultError{fmt.Errorf(format, args...)} }

// RefusedError is the refusal of a subscription.
type RefusedError struct{ wire.Refusal }

func (e *RefusedError) Error() string { return "refused: " + e.Code.String() }

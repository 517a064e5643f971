package resolver

import (
	"errors"
	"fmt"
)

// Why a fetch has ended without a value.
var (
	ErrCancelled = errors.New("the fetch was cancelled")
	ErrDeadline  = errors.New("the deadline of the fetch has passed")
	ErrAttempts  = errors.New("as many peers were asked as the fetch allows")
)

// FetchError says why a fetch has ended without a value by itself: Err is [ErrDeadline]
// or [ErrAttempts].
type FetchError struct {
	Key      Key
	Attempts int // how often a peer was asked for the value
	Err      error
}

func (e *FetchError) Error() string {
	return fmt.Sprintf("fetch %s: %v, after %d requests", e.Key, e.Err, e.Attempts)
}

func (e *FetchError) Unwrap() error { return e.Err }

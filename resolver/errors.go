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

// What is returned at once, without a fetch.
var (
	ErrClosed = errors.New("the resolver is closed")

	errUnbound = errors.New("the source belongs to no resolver")
)

// KeyError says that a key has another length than the protocol's keys.
type KeyError struct {
	Key  Key
	Size int // that is right
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("key %s has %d bytes: %d are right", shortened(e.Key), len(e.Key), e.Size)
}

// shortened is a key as errors show it, which may be of any length.
func shortened(k Key) string {
	if len(k) > MostKey {
		return k[:MostKey].String() + "..."
	}
	return k.String()
}

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

package routingv1

import (
	"errors"
	"fmt"
	"time"
)

// What is wrong with an answer of a router.
var (
	ErrContentType = errors.New("routing v1: neither JSON nor NDJSON")
	ErrEncoding    = errors.New("routing v1: not well-formed")
	ErrSize        = errors.New("routing v1: more bytes or records than the limit")
	ErrRedirect    = errors.New("routing v1: redirected too often, or to another scheme")
)

// StatusError says that a router refused a question.
type StatusError struct {
	Status int
	// After is how long the router asks to be left alone, which [Client] heeds;
	// zero when it has not said so.
	After time.Duration
	Text  string // what the router says, cut
}

func (e *StatusError) Error() string {
	if e.After > 0 {
		return fmt.Sprintf("routing v1: status %d, to be asked again after %s: %q", e.Status, e.After, e.Text)
	}
	return fmt.Sprintf("routing v1: status %d: %q", e.Status, e.Text)
}

// Postponed is an error of a [Source] that passes: who asked has asked too much
// lately and may do so again after a while.
type Postponed interface {
	error
	RetryAfter() time.Duration
}

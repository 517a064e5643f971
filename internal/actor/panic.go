package actor

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was recovered. It wraps nothing: what a broken
// thing says about itself is not to be believed.
type PanicError struct {
	Where string // the actor, or what works for one; a word for metrics
	Value any    // what it panicked with
	Stack []byte // of the goroutine at that moment
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.Where, e.Value) }

// Guard runs f and returns its error. A panic in f is recovered and becomes a
// [*PanicError], which told gets as well; told may be nil.
func Guard(where string, told func(error), f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Where: where, Value: r, Stack: debug.Stack()}
			if told != nil {
				told(err)
			}
		}
	}()
	return f()
}

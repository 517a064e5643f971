package frames

import (
	"errors"
	"fmt"
)

// Refusal is an error about the contents of a frame whose fault is known: one of the
// closed set F by which a protocol counts them.
type Refusal[F any] struct {
	Fault F
	Err   error
}

func (e *Refusal[F]) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *Refusal[F]) Unwrap() error { return e.Err }

// Refuse returns a [*Refusal] with the text that fmt.Errorf makes.
func Refuse[F any](fault F, format string, args ...any) error {
	return &Refusal[F]{fault, fmt.Errorf(format, args...)}
}

// FaultOf returns the fault of the refusal that is in err, and what is wrong; for what
// has no fault yet, the one that is given and err itself.
func FaultOf[F any](err error, otherwise F) (F, error) {
	var e *Refusal[F]
	if errors.As(err, &e) {
		return e.Fault, e.Err
	}
	return otherwise, err
}

package actor

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuardReturnsWhatItsFunctionDoes(t *testing.T) {
	refused := errors.New("refused")
	require.Same(t, refused, Guard("test", nil, func() error { return refused }))
	require.NoError(t, Guard("test", nil, func() error { return nil }))
}

func TestGuardTurnsAPanicIntoAnErrorWithItsStack(t *testing.T) {
	var told []error
	err := Guard("store", func(err error) { told = append(told, err) }, func() error { panic("nil map") })
	var broken *PanicError
	require.ErrorAs(t, err, &broken)
	require.EqualError(t, err, "store panicked: nil map")
	require.Contains(t, string(broken.Stack), "panic_test.go")
	require.Equal(t, []error{err}, told)
	require.Error(t, Guard("store", nil, func() error { panic("and nobody is told") }))
}

// A store that panics with "not found" has not said that something is absent.
func TestAPanicIsNotTheErrorThatItPanickedWith(t *testing.T) {
	absent := errors.New("absent")
	require.NotErrorIs(t, Guard("store", nil, func() error { panic(absent) }), absent)
}

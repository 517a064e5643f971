//go:build simulation

package actor

import "time"

// Step is one kind of thing that an actor takes in. A simulation that owns the
// time runs actors without their goroutines: it asks which steps are ready,
// chooses one, and lets the actor take in one thing of that kind, with all that
// follows from it.
type Step struct {
	Name  string
	Ready func() bool
	Do    func()
}

// Receiving is the step of an actor that takes in what waits in a channel with a
// buffer. A closed channel is never ready.
func Receiving[T any](name string, ch <-chan T, take func(T)) Step {
	return Step{Name: name, Ready: func() bool { return len(ch) > 0 }, Do: func() { take(<-ch) }}
}

// Waking is the step of an actor whose time has come. Wake is when that is, or
// the zero time.
func Waking(wake func() time.Time, tick func()) Step {
	due := func() bool {
		at := wake()
		return !at.IsZero() && !at.After(time.Now())
	}
	return Step{Name: "tick", Ready: due, Do: tick}
}

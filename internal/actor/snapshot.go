package actor

import "sync/atomic"

// Snapshot is an immutable value that one owner replaces and anybody reads.
// The zero Snapshot holds nil.
type Snapshot[T any] struct {
	current atomic.Pointer[T]
}

// Set replaces the value. The owner must not change *v afterwards.
func (s *Snapshot[T]) Set(v *T) { s.current.Store(v) }

// Get returns the value last set, or nil.
func (s *Snapshot[T]) Get() *T { return s.current.Load() }

// Package actor holds what every actor of Souk shares: the loop that owns
// state, the inbox that feeds it, the slot that carries news from one actor to
// another without blocking, and the snapshot through which others look.
//
// An actor is one goroutine that owns plain state and a handful of channels:
//
//   - An [Inbox] takes requests from many senders. Sending may block until the
//     actor has room, so only senders whom nobody waits for may use it: readers
//     of streams, callers of the public API, workers that return a result.
//   - A [Slot] carries a batch from exactly one producer to one consumer.
//     Publishing never blocks: what was not yet read is taken back, merged with
//     the new and put again. Every edge between actors on one floor, and every
//     edge upward, is a slot.
//   - A [Snapshot] is an immutable value that its owner replaces and anybody
//     reads without asking.
//
// [Loop] starts the goroutine, recovers it, holds its one timer, measures how busy it
// is and ends it.
// [Guard] recovers what others do for an actor: their panic is an error of what
// was asked of them.
package actor

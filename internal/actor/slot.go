package actor

// Slot carries batches from one producer to one consumer and never blocks the
// producer. It holds at most one batch: publishing takes back a batch that was
// not yet read, merges it with the new one and puts the result.
//
// Only the producer calls [Slot.Publish] and [Slot.Close], and never at the
// same time. The consumer receives from [Slot.C] until it is closed.
type Slot[T any] struct {
	ch chan T
}

// NewSlot returns an empty slot.
func NewSlot[T any]() *Slot[T] { return &Slot[T]{ch: make(chan T, 1)} }

// Publish offers batch to the consumer. When an earlier batch is still unread,
// merge combines the two (older first) and its result is offered instead. What
// a merge returns should be bounded by what the consumer asked for, or a slow
// consumer grows it.
func (s *Slot[T]) Publish(batch T, merge func(older, newer T) T) {
	for {
		select {
		case s.ch <- batch:
			return
		default:
		}
		select {
		case older := <-s.ch:
			batch = merge(older, batch)
		default: // The consumer was faster: there is room now.
		}
	}
}

// C is where the consumer receives. It is closed by [Slot.Close].
func (s *Slot[T]) C() <-chan T { return s.ch }

// Drain receives from the channel of a slot until it is closed. A consumer that has
// told its producer to end does that, and loses nothing of the producer's time.
func Drain[T any](c <-chan T) {
	for range c {
	}
}

// Close tells the consumer that no batch follows. An unread batch is still
// delivered first.
func (s *Slot[T]) Close() { close(s.ch) }

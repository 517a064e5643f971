package actor

import (
	"context"
	"errors"
)

// ErrClosed is what a request gets when the actor it was sent to has ended.
var ErrClosed = errors.New("closed")

// Inbox is the request channel of an actor: many senders, one receiver, order
// kept per sender. It is never closed; the end of the actor is its done channel.
type Inbox[T any] struct {
	ch   chan T
	done <-chan struct{}
}

// NewInbox returns an inbox with room for depth requests whose receiver has
// ended once done is closed.
func NewInbox[T any](depth int, done <-chan struct{}) *Inbox[T] {
	return &Inbox[T]{ch: make(chan T, depth), done: done}
}

// Send puts a request into the inbox and blocks while it is full. It returns
// [ErrClosed] when the actor has ended and the context's error when that ends
// first. A nil error says that the request is in the inbox, not that it was
// handled.
func (in *Inbox[T]) Send(ctx context.Context, request T) error {
	select {
	case <-in.done: // A buffered send would succeed and be lost.
		return ErrClosed
	default:
	}
	select {
	case in.ch <- request:
		return nil
	case <-in.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// C is where the actor receives its requests.
func (in *Inbox[T]) C() <-chan T { return in.ch }

// Depth is the number of requests that wait.
func (in *Inbox[T]) Depth() int { return len(in.ch) }

// Ask sends the request that build makes around a reply channel and waits for
// the reply. It returns [ErrClosed] when the actor ended without answering, and
// the context's error when that ends first.
func Ask[T, R any](ctx context.Context, in *Inbox[T], build func(reply chan<- R) T) (R, error) {
	reply := make(chan R, 1)
	var none R
	if err := in.Send(ctx, build(reply)); err != nil {
		return none, err
	}
	select {
	case r := <-reply:
		return r, nil
	case <-in.done:
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	select { // The reply may have come in the same moment as the end.
	case r := <-reply:
		return r, nil
	default:
		return none, ErrClosed
	}
}

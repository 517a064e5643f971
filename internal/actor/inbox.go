package actor

import (
	"context"
	"errors"
	"iter"
)

// ErrClosed is what a request gets when the actor it was sent to has ended.
var ErrClosed = errors.New("closed")

// Inbox is the request channel of an actor: many senders, one receiver, order
// kept per sender. It is never closed; the end of the actor is its done channel.
type Inbox[T any] struct {
	ch   chan T
	done <-chan struct{}
}

// NewInbox returns an inbox with room for depth requests, which refuses what is
// sent once done is closed: [Loop.Ending] for an actor that takes nothing more
// when it is asked to end, [Loop.Done] for one that answers until its end.
func NewInbox[T any](depth int, done <-chan struct{}) *Inbox[T] {
	return &Inbox[T]{ch: make(chan T, depth), done: done}
}

// InboxOf returns an inbox with room for depth requests which l measures, and which
// refuses what is sent once l is asked to end. It must be called before [Loop.Start].
func InboxOf[T any](l *Loop, depth int) *Inbox[T] {
	in := NewInbox[T](depth, l.Ending())
	l.Watch(in)
	return in
}

// Send puts a request into the inbox and blocks while it is full. It returns
// [ErrClosed] when the inbox refuses and the context's error when that ends
// first. A nil error says that the request was in the inbox before the inbox
// began to refuse, so that the receiver finds it, if need be among the
// [Inbox.Rest]; it does not say that the request was handled. With [ErrClosed]
// the receiver may have got it all the same.
func (in *Inbox[T]) Send(ctx context.Context, request T) error {
	if in.refuses() { // A buffered send would succeed.
		return ErrClosed
	}
	select {
	case in.ch <- request:
	case <-in.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if in.refuses() { // It may have come behind the receiver's last look.
		return ErrClosed
	}
	return nil
}

func (in *Inbox[T]) refuses() bool {
	select {
	case <-in.done:
		return true
	default:
		return false
	}
}

// C is where the actor receives its requests.
func (in *Inbox[T]) C() <-chan T { return in.ch }

// Rest receives what is in the inbox and does not wait for more. Used once the
// inbox refuses, it leaves nothing behind that was sent without an error.
func (in *Inbox[T]) Rest() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			select {
			case request := <-in.ch:
				if !yield(request) {
					return
				}
			default:
				return
			}
		}
	}
}

// Depth is the number of requests that wait.
func (in *Inbox[T]) Depth() int { return len(in.ch) }

// Capacity is the number of requests for which there is room.
func (in *Inbox[T]) Capacity() int { return cap(in.ch) }

// Ask sends the request that build makes around a reply channel and waits for
// the reply. It returns [ErrClosed] when the actor ended without answering, and
// the context's error when that ends first. A reply that is there is returned in
// either case.
func Ask[T, R any](ctx context.Context, in *Inbox[T], build func(reply chan<- R) T) (R, error) {
	reply := make(chan R, 1)
	err := in.Send(ctx, build(reply))
	if err == nil {
		select {
		case r := <-reply:
			return r, nil
		case <-in.done:
			err = ErrClosed
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	select { // The reply may have come in the same moment as the end.
	case r := <-reply:
		return r, nil
	default:
		var none R
		return none, err
	}
}

// Await is [Ask] for a reply that may take long: when ctx ends before it comes, the
// actor is sent what dismiss makes of the reply channel, so that it remembers nobody
// who has left.
func Await[T, R any](ctx context.Context, in *Inbox[T], build, dismiss func(reply chan<- R) T) (R, error) {
	var mine chan<- R
	r, err := Ask(ctx, in, func(reply chan<- R) T {
		mine = reply
		return build(reply)
	})
	if err != nil {
		_ = in.Send(context.WithoutCancel(ctx), dismiss(mine)) // Fails only when the actor has ended.
	}
	return r, err
}

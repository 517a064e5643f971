package actor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestWantAndCancelOnOneChannelKeepTheirOrder(t *testing.T) {
	type request struct{ sender, n int }
	const senders, each = 8, 500
	in := NewInbox[request](4, nil)
	for sender := range senders {
		go func() {
			for n := range each {
				if in.Send(context.Background(), request{sender, n}) != nil {
					panic("an inbox without an end refused")
				}
			}
		}()
	}
	var next [senders]int
	for range senders * each {
		r := <-in.C()
		require.Equal(t, next[r.sender], r.n, "sender %d", r.sender)
		next[r.sender]++
	}
}

func TestSendBlocksWhileTheInboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewInbox[int](1, nil)
		require.NoError(t, in.Send(t.Context(), 1))
		sent := make(chan error, 1)
		go func() { sent <- in.Send(t.Context(), 2) }()
		synctest.Wait()
		require.Empty(t, sent)
		require.Equal(t, 1, in.Depth())
		require.Equal(t, 1, <-in.C())
		require.NoError(t, <-sent)
		require.Equal(t, 2, <-in.C())
	})
}

func TestSendToAFullInboxEndsWithItsContextOrTheActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		in := NewInbox[int](0, done)
		tired := errors.New("tired")
		ctx, cancel := context.WithCancelCause(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- in.Send(ctx, 1) }()
		go func() { second <- in.Send(t.Context(), 2) }()
		synctest.Wait()
		cancel(tired)
		require.ErrorIs(t, <-first, tired)
		close(done)
		require.ErrorIs(t, <-second, ErrClosed)
	})
}

func TestSendAfterTheEndIsRefusedThoughThereIsRoom(t *testing.T) {
	done := make(chan struct{})
	close(done)
	in := NewInbox[int](1000, done)
	for range 1000 {
		require.ErrorIs(t, in.Send(t.Context(), 1), ErrClosed)
	}
	require.Zero(t, in.Depth())
}

// What was sent without an error was received, if need be with the rest, however
// close the end was.
func TestNothingThatWasAcceptedIsLost(t *testing.T) {
	for range 3000 {
		done := make(chan struct{})
		in := NewInbox[int](8, done)
		accepted := make(chan int)
		for range 2 {
			go func() {
				n := 0
				for in.Send(context.Background(), 1) == nil {
					n++
				}
				accepted <- n
			}()
		}
		received := 0
		for range 20 {
			received += <-in.C()
		}
		close(done)
		for n := range in.Rest() {
			received += n
		}
		require.GreaterOrEqual(t, received, <-accepted+<-accepted)
	}
}

func TestRestCanBeLeft(t *testing.T) {
	in := NewInbox[int](3, nil)
	for n := range 3 {
		require.NoError(t, in.Send(t.Context(), n))
	}
	for n := range in.Rest() {
		require.Zero(t, n)
		break
	}
	require.Equal(t, []int{1, 2}, slices.Collect(in.Rest()))
}

type question struct {
	n     int
	reply chan<- int
}

func asking(n int) func(chan<- int) question {
	return func(reply chan<- int) question { return question{n, reply} }
}

func TestAskReturnsTheReply(t *testing.T) {
	in := NewInbox[question](1, nil)
	go func() {
		q := <-in.C()
		q.reply <- 2 * q.n
	}()
	got, err := Ask(t.Context(), in, asking(21))
	require.NoError(t, err)
	require.Equal(t, 42, got)
}

// An actor that answers and ends at once has answered.
func TestReplyWaitingBesideClosedDoneIsReturned(t *testing.T) {
	for n := range 10_000 {
		done := make(chan struct{})
		in := NewInbox[question](1, done)
		go func() {
			q := <-in.C()
			q.reply <- q.n
			close(done)
		}()
		got, err := Ask(t.Context(), in, asking(n))
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
}

func TestReplyWaitingBesideAnEndedContextIsReturned(t *testing.T) {
	for n := range 10_000 {
		in := NewInbox[question](1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			q := <-in.C()
			q.reply <- q.n
			cancel()
		}()
		got, err := Ask(ctx, in, asking(n))
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
}

func TestAskOfAnActorThatEndsWithoutAnsweringIsClosed(t *testing.T) {
	done := make(chan struct{})
	in := NewInbox[question](1, done)
	go func() {
		<-in.C()
		close(done)
	}()
	_, err := Ask(t.Context(), in, asking(1))
	require.ErrorIs(t, err, ErrClosed)
	_, err = Ask(t.Context(), in, asking(2))
	require.ErrorIs(t, err, ErrClosed)
}

func TestAskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewInbox[question](1, nil)
		tired := errors.New("tired")
		ctx, cancel := context.WithCancelCause(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := Ask(ctx, in, asking(1))
			failed <- err
		}()
		synctest.Wait()
		cancel(tired)
		require.ErrorIs(t, <-failed, tired)
	})
}

func TestAwaitTellsTheActorOfWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewInbox[question](1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := Await(ctx, in, asking(1), func(reply chan<- int) question { return question{-1, reply} })
			failed <- err
		}()
		asked := <-in.C()
		cancel()
		left := <-in.C()
		require.Equal(t, question{-1, asked.reply}, left)
		require.ErrorIs(t, <-failed, context.Canceled)
		require.Zero(t, in.Depth(), "it is told once")
	})
}

func TestAwaitReturnsTheReplyAndTellsNobody(t *testing.T) {
	in := NewInbox[question](1, nil)
	go func() {
		q := <-in.C()
		q.reply <- 2 * q.n
	}()
	got, err := Await(t.Context(), in, asking(21), func(chan<- int) question { panic("nobody has left") })
	require.NoError(t, err)
	require.Equal(t, 42, got)
}

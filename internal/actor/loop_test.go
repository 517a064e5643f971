package actor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func untilStopped(ctx context.Context) { <-ctx.Done() }

func TestStopWaitsForTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop("test", nil)
		ended := false
		l.Start(func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			ended = true
		})
		require.NoError(t, l.Stop(t.Context()))
		require.True(t, ended)
		require.NoError(t, l.Stop(t.Context()), "a second time")
	})
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop("stuck", nil)
		let := make(chan struct{})
		l.Start(func(context.Context) { <-let })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := l.Stop(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "stuck")
		close(let)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestLoopThatWasStoppedDoesNotStart(t *testing.T) {
	l := NewLoop("test", nil)
	require.NoError(t, l.Stop(t.Context()))
	l.Start(func(context.Context) { panic("started") })
	<-l.Done()
}

func TestLoopStartsOnce(t *testing.T) {
	l := NewLoop("test", nil)
	l.Start(untilStopped)
	l.Start(func(context.Context) { panic("started twice") })
	require.NoError(t, l.Stop(t.Context()))
}

func TestEndingComesBeforeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop("test", nil)
		let := make(chan struct{})
		l.Start(func(ctx context.Context) {
			<-ctx.Done()
			<-let
		})
		synctest.Wait()
		require.False(t, closed(l.Ending()))
		l.End()
		synctest.Wait()
		require.True(t, closed(l.Ending()))
		require.False(t, closed(l.Done()))
		close(let)
		<-l.Done()
	})
}

func TestPanicEndsTheLoopAndIsReported(t *testing.T) {
	failed := make(chan error, 1)
	var l *Loop
	l = NewLoop("test", func(err error) {
		if !closed(l.Done()) || !closed(l.Ending()) {
			panic("reported before the end")
		}
		failed <- err
	})
	l.Start(func(context.Context) { panic("out of range") })
	require.NoError(t, l.Stop(t.Context()))
	err := <-failed
	require.EqualError(t, err, "test panicked: out of range")
	var broken *PanicError
	require.ErrorAs(t, err, &broken)
	require.Contains(t, string(broken.Stack), "loop_test.go")
}

func TestPanicThatNobodyIsToldOfEndsTheLoop(t *testing.T) {
	l := NewLoop("test", nil)
	l.Start(func(context.Context) { panic("out of range") })
	<-l.Done()
}

func TestBusyIsTheTimeBetweenWorkingAndWaiting(t *testing.T) {
	l := NewLoop("test", nil)
	at := time.Unix(1000, 0)
	l.Waiting(at)
	l.Working(at.Add(time.Second))
	require.Zero(t, l.Busy())
	l.Waiting(at.Add(3 * time.Second))
	l.Waiting(at.Add(9 * time.Second))
	require.Equal(t, 2*time.Second, l.Busy())
	require.Equal(t, "test", l.Name())
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestATurnLastsAsLongAsTheWork(t *testing.T) {
	l, now := NewLoop("test", nil), time.Unix(1000, 0)
	require.Zero(t, l.Turn(now))
	l.Working(now)
	require.Equal(t, time.Second, l.Turn(now.Add(time.Second)))
	l.Waiting(now.Add(2 * time.Second))
	require.Zero(t, l.Turn(now.Add(3*time.Second)))
}

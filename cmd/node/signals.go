package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// stopError is why a context has ended that a signal has ended.
type stopError struct{ signal syscall.Signal }

func (e *stopError) Error() string { return e.signal.String() }

// Is makes it a context.Canceled, which is what it does to a command.
func (e *stopError) Is(target error) bool { return target == context.Canceled }

// code is the exit status, as shells have it.
func (e *stopError) code() int { return 128 + int(e.signal) }

// stoppable returns a context that ends with the first SIGINT or SIGTERM, for the
// command to end in order. With a second one the process exits at once: whatever was
// acknowledged is on disk, and the next run puts the rest in order, as after a crash.
func stoppable() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2) // One each, should they come together.
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		obey(signals, cancel, os.Exit)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
		cancel(nil)
	}
}

// obey cancels with the first signal and exits with the second. It returns when
// there are no more.
func obey(signals <-chan os.Signal, cancel context.CancelCauseFunc, exit func(code int)) {
	first := true
	for s := range signals {
		stop := &stopError{signal: s.(syscall.Signal)}
		if first {
			cancel(stop)
			first = false
			continue
		}
		fmt.Fprintf(os.Stderr, "souk: %v again: stopped at once\n", stop)
		exit(stop.code())
	}
}

// stopped returns the signal that is behind an error, if it is one and there is one.
func stopped(ctx context.Context, err error) error {
	var stop *stopError
	if errors.As(context.Cause(ctx), &stop) && errors.Is(err, context.Canceled) {
		return stop
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// What the process exits with; see exitCodes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitTimeout     = 4
	exitDenied      = 5
	exitLocked      = 6
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
	exitTerminated  = 143 // 128 + SIGTERM
)

// usageError says that the command line is wrong.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// timeoutError says that a verb was not done in the time that it was given.
type timeoutError struct {
	after time.Duration
	error
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("not done after %v: %v (what came is kept and the same command goes on from there: give it a longer --timeout, or a --peer that has the data)", e.after, e.error)
}

func (e *timeoutError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var usage *usageError
	var missing interface{ NotFound() bool }
	var late *timeoutError
	var stop *stopError
	var unreachable *node.UnreachableError
	var denied interface{ Denied() bool }
	var locked *repo.LockedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &late):
		return exitTimeout
	case errors.As(err, &stop):
		return stop.code()
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &unreachable): // its dial may have timed out, the command has not
		return exitFailed
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.As(err, &missing) && missing.NotFound():
		return exitNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.As(err, &denied) && denied.Denied():
		return exitDenied
	case errors.As(err, &locked):
		return exitLocked
	default:
		return exitFailed
	}
}

// failure is what standard error says as JSON.
type failure struct {
	Error string `json:"error"`
	Exit  int    `json:"exit"`
}

// report tells the user what went wrong, on standard error.
func (a *app) report(err error) {
	code := exitCode(err)
	if a.json {
		printJSON(a.err, failure{err.Error(), code})
		return
	}
	switch code {
	case exitInterrupted:
		fmt.Fprintln(a.err, "souk: interrupted")
	case exitUsage:
		fmt.Fprintf(a.err, "souk: %v\nRun \"souk help\" for what there is.\n", err)
	default:
		fmt.Fprintf(a.err, "souk: %v\n", err)
	}
}

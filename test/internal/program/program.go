// Package program starts and ends the commands of this tree.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// The exit codes beside 0.
const (
	failed = 1
	usage  = 2
)

// Main runs a command with the arguments of the process, until an interrupt ends its
// context, and exits: with 1 when it has failed, and 2 when it was asked for help,
// which [flag] has printed.
func Main(name string, run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	os.Exit(code(name, err))
}

// code says what went wrong and returns what to exit with.
func code(name string, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return usage
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return failed
}

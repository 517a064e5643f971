package main

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheFirstSignalEndsTheContextAndTheSecondTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGTERM
	close(signals)
	obey(signals, cancel, func(int) { require.Fail(t, "the first signal is no reason to exit") })
	require.ErrorIs(t, context.Cause(ctx), context.Canceled)

	signals = make(chan os.Signal, 2)
	signals <- syscall.SIGTERM
	signals <- syscall.SIGINT
	close(signals)
	var codes []int
	obey(signals, cancel, func(code int) { codes = append(codes, code) })
	require.Equal(t, []int{130}, codes)
}

func TestACommandThatIsStoppedExitsAsShellsExpect(t *testing.T) {
	for s, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(&stopError{signal: s})
		var errors bytes.Buffer
		a := newApp(nil, nil, &errors)
		require.Equal(t, code, execute(ctx, a, []string{"--repo", t.TempDir(), "cat", helloCID}))
		require.Contains(t, errors.String(), "souk: "+s.String())
	}
}

func TestAnErrorThatNoSignalCausedStaysWhatItIs(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&stopError{signal: syscall.SIGINT})
	err := usagef("wrong")
	require.Equal(t, err, stopped(ctx, err))
}

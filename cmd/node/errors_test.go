package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func TestEachKindOfErrorHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		want int
		err  error
	}{
		{exitFailed, errors.New("broken")},
		{exitUsage, usagef("--x")},
		{exitUsage, errors.Join(errors.New("a"), usagef("--x"))},
		{exitNotFound, &node.NoPeersError{}},
		{exitNotFound, &control.Error{Code: control.CodeNotFound}},
		{exitTimeout, &timeoutError{error: context.DeadlineExceeded}},
		{exitTimeout, &control.Error{Code: control.CodeTimeout}},
		{exitFailed, &node.UnreachableError{Err: context.DeadlineExceeded}},
		{exitDenied, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}},
		{exitDenied, &fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}},
		{exitDenied, &repo.WriteError{Dir: "x", Err: syscall.EACCES}},
		{exitDenied, &control.Error{Code: control.CodeDenied}},
		{exitLocked, &repo.LockedError{PID: 7}},
		{exitInterrupted, context.Canceled},
	} {
		require.Equal(t, c.want, exitCode(fmt.Errorf("wrapped: %w", c.err)), "%v", c.err)
	}
}

func TestARepositoryThatIsLockedNamesWhoHasIt(t *testing.T) {
	dir := t.TempDir()
	r, err := repo.Open(dir)
	require.NoError(t, err)
	defer r.Close()
	o := command(t, dir, "ledger")
	require.Equal(t, exitLocked, o.code, o.err)
	require.Contains(t, o.err, fmt.Sprintf("in use by process %d", os.Getpid()))
}

func TestTheHelpHasEveryExitCode(t *testing.T) {
	topic, root := must(t, t.TempDir(), "help", "exit-codes"), must(t, t.TempDir(), "help")
	for _, e := range exitCodes {
		require.Contains(t, topic, fmt.Sprintf("  %-4d %-18s %s\n", e.code, e.short, e.long))
		require.Contains(t, root, fmt.Sprintf("%d %s", e.code, e.short))
	}
}

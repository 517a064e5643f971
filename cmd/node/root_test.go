package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func TestMain(m *testing.M) {
	captureLibp2p()
	goleak.VerifyTestMain(m)
}

func TestAWrongCommandLineIsAUsageError(t *testing.T) {
	for _, args := range [][]string{{"fly"}, {"add", "--wings", "x"}, {"get"}, {"ls", "a", "b"}, {"id", "x"}} {
		requireUsageError(t, "souk help", t.TempDir(), args...)
	}
}

func TestAnInterruptIsNoFailure(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var err bytes.Buffer
	peer := "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	code := execute(ctx, newApp(nil, io.Discard, &err), []string{"--repo", t.TempDir(), "cat", helloCID, "--peer", peer})
	require.Equal(t, exitInterrupted, code)
	require.Equal(t, "souk: interrupted\n", err.String())
}

func TestErrorsInJSON(t *testing.T) {
	o := command(t, t.TempDir(), "--json", "cat", helloCID)
	var failure struct {
		Error string
		Exit  int
	}
	require.NoError(t, json.Unmarshal([]byte(o.err), &failure))
	require.Equal(t, exitNotFound, failure.Exit)
	require.Contains(t, failure.Error, helloCID)
}

func TestALockedRepositoryThatTakesNoCommandsIsNamed(t *testing.T) {
	dir := t.TempDir()
	r, err := repo.Open(dir)
	require.NoError(t, err)
	defer r.Close()
	_, _, err = tryOpen(t.Context(), dir, repo.OpenForCommand)
	require.ErrorContains(t, err, "wait until it ends")
	var locked *repo.LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, os.Getpid(), locked.PID)
}

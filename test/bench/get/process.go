package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// commands are how the processes of a make are started.
type commands struct {
	// seed serves the file, and prints a line of JSON with its addresses.
	seed func(ctx context.Context, b *bench, listen string) *exec.Cmd
	// get fetches it into an empty repository and writes it to output.
	get func(ctx context.Context, b *bench, address, repo, output string) *exec.Cmd
}

var makes = map[string]commands{
	"souk": {
		seed: func(ctx context.Context, b *bench, listen string) *exec.Cmd {
			return exec.CommandContext(ctx, b.souk, "--json", "--repo", b.repo, "run", "--debug=off", "--listen", listen)
		},
		get: func(ctx context.Context, b *bench, address, repo, output string) *exec.Cmd {
			return exec.CommandContext(ctx, b.souk, "--repo", repo, "get", b.root, "--peer", address, "-o", output)
		},
	},
	"boxo": {
		seed: func(ctx context.Context, b *bench, listen string) *exec.Cmd {
			return b.child(ctx, "serve-boxo", listen, filepath.Join(b.repo, "blocks"))
		},
		get: func(ctx context.Context, b *bench, address, repo, output string) *exec.Cmd {
			return b.child(ctx, "get-boxo", address, b.root, repo, output)
		},
	},
	"bare": {
		seed: func(ctx context.Context, b *bench, listen string) *exec.Cmd {
			return b.child(ctx, "serve-bare", listen, b.file)
		},
		get: func(ctx context.Context, b *bench, address, _, output string) *exec.Cmd {
			return b.child(ctx, "get-bare", address, output)
		},
	},
}

func (b *bench) child(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, b.self, append([]string{childArg}, args...)...)
}

// finished is a process that has ended well.
type finished struct {
	out       string
	took, cpu time.Duration
}

// finish runs a process to its end.
func finish(cmd *exec.Cmd) (f finished, err error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return f, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, errs.String())
	}
	return finished{out: out.String(), took: time.Since(begin), cpu: cpuOf(cmd)}, nil
}

func cpuOf(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// seed is a process that serves.
type seed struct {
	cmd     *exec.Cmd
	out     io.Reader
	errs    bytes.Buffer
	address string
}

// listening is what a process prints when it serves. The command prints more.
type listening struct {
	Addresses []string `json:"addresses"`
}

// start starts a process and waits until it serves.
func start(cmd *exec.Cmd) (*seed, error) {
	s := &seed{cmd: cmd}
	cmd.Stderr = &s.errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ready listening
	if err := json.NewDecoder(out).Decode(&ready); err != nil || len(ready.Addresses) == 0 {
		_, stopped := s.stop()
		return nil, errors.Join(fmt.Errorf("%s does not serve: %w", filepath.Base(cmd.Path), err), stopped)
	}
	s.address = ready.Addresses[0]
	return s, nil
}

// stop ends the process and returns how much CPU time it took in all.
func (s *seed) stop() (time.Duration, error) {
	interrupted := s.cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, s.out) // to its end, before which Wait must not close it
	if err := s.cmd.Wait(); err != nil {
		return 0, errors.Join(interrupted, fmt.Errorf("%s: %w: %s", filepath.Base(s.cmd.Path), err, s.errs.String()))
	}
	return cpuOf(s.cmd), nil
}

func sumOf(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

const (
	// Another command may have the repository open for a moment, and a node that
	// just started opens its socket after it took the lock.
	openPatience = 3 * time.Second
	openPause    = 50 * time.Millisecond
)

// open returns the node that a verb works with: the repository itself, or the
// running node that has it open.
func (a *app) open(ctx context.Context) (node.Node, error) {
	r, running, err := a.claim(ctx, repo.OpenForCommand)
	switch {
	case err != nil:
		return nil, err
	case running != nil:
		return running, nil
	default:
		setGC(commandGC)
		return node.NewOffline(r, node.Config{Agent: agent()}), nil
	}
}

// withNode opens the node, as open does, for as long as do runs.
func (a *app) withNode(ctx context.Context, do func(node.Node) error) (err error) {
	n, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	return do(n)
}

// commandGC is the GOGC of a command that ends. What it holds is bounded by the
// budgets of a fetch, and most garbage is blocks, of which collecting often only
// takes time: with 100, a quarter of the CPU time of a get.
const commandGC = 400

// setGC sets how often the memory is cleared, unless the user has said that.
func setGC(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// claim opens the repository, which is then this process's alone, or returns the
// running node that has it open.
func (a *app) claim(ctx context.Context, open func(dir string) (*repo.Repo, error)) (*repo.Repo, *control.Client, error) {
	dir, err := a.repoDir()
	if err != nil {
		return nil, nil, err
	}
	for end := time.Now().Add(openPatience); ; {
		r, n, err := tryOpen(ctx, dir, open)
		var locked *repo.LockedError
		if !errors.As(err, &locked) || time.Now().After(end) {
			return r, n, err
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// tryOpen returns a [*repo.LockedError] when another process has the repository
// open and does not answer on its control socket.
func tryOpen(ctx context.Context, dir string, open func(dir string) (*repo.Repo, error)) (*repo.Repo, *control.Client, error) {
	r, err := open(dir)
	var locked *repo.LockedError
	if !errors.As(err, &locked) {
		return r, nil, err
	}
	n, dialErr := dialNode(ctx, dir)
	var unreachable *net.OpError
	if errors.As(dialErr, &unreachable) {
		return nil, nil, fmt.Errorf("%w and takes no commands: wait until it ends, or name another with --repo", err)
	}
	return nil, n, dialErr
}

func dialNode(ctx context.Context, dir string) (*control.Client, error) {
	return control.Dial(ctx, func(ctx context.Context) (net.Conn, error) { return repo.Dial(ctx, dir) })
}

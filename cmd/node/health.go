package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/health"
)

// healthTime is how long the node may take to answer: less than the 3 s that a health
// check of Docker is usually given.
const healthTime = 2 * time.Second

// healthInfo is what is printed: all is well, or what is not.
type healthInfo struct {
	Healthy bool           `json:"healthy"`
	Checks  []health.Check `json:"checks"`
}

func newHealth(a *app) *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say whether the running node is ready, with the exit status",
		Long: `Exits with 0 when a node runs on the repository and is ready: its actors work, its
store answers, it takes commands and it is not about to end. Exits with 1 otherwise
and says why. With --live it only has to be alive, which it also is while it drains.
A node shows the same at /readyz and /livez beside its debug page.`,
		Example: `  souk health
  souk health --live --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.health(cmd.Context(), live) },
	}
	cmd.Flags().BoolVar(&live, "live", false, "it is enough that the node is alive")
	return cmd
}

func (a *app) health(ctx context.Context, live bool) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	all, err := a.askHealth(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // Not a timeout of this command: that is the answer.
		return fmt.Errorf("the node has not answered within %v", healthTime)
	}
	if err != nil {
		return err
	}
	h := healthInfo{Checks: all.Ready}
	if live {
		h.Checks = all.Live
	}
	failed := health.Failures(h.Checks)
	h.Healthy = failed == ""
	if a.json {
		err = printJSON(a.out, h)
	} else if h.Healthy {
		_, err = fmt.Fprintln(a.out, "healthy")
	}
	if h.Healthy || err != nil {
		return err
	}
	return errors.New("not healthy: " + failed)
}

// askHealth asks the node that runs on the repository, which is not opened.
func (a *app) askHealth(ctx context.Context) (control.Health, error) {
	dir, err := a.repoDir()
	if err != nil {
		return control.Health{}, err
	}
	n, err := dialNode(ctx, dir)
	var unreachable *net.OpError
	if errors.As(err, &unreachable) && ctx.Err() == nil {
		return control.Health{}, fmt.Errorf("no node runs on %s: start one with souk run", dir)
	}
	if err != nil {
		return control.Health{}, err
	}
	defer n.Close()
	return n.Health(ctx)
}

package node

import (
	"context"
	"errors"

	"github.com/souk-p2p/souk/health"
)

var _ health.Source = (*Online)(nil)

var (
	errDraining = errors.New("the node is ending and takes no more wants")
	errDeaf     = errors.New("the socket is not open")
)

// TakesCommands notes whether the control socket is open.
func (n *Online) TakesCommands(open bool) { n.commands.Store(open) }

// Live implements [health.Source].
func (n *Online) Live(context.Context) []health.Check {
	return []health.Check{health.Passed("actors", n.Exchange.Live())}
}

// Ready implements [health.Source].
func (n *Online) Ready(ctx context.Context) []health.Check {
	return append(n.Live(ctx),
		health.Passed("serving", failing(n.Exchange.Draining(), errDraining)),
		health.Passed("store", n.Exchange.StoreAnswers(ctx)),
		health.Passed("control", failing(!n.commands.Load(), errDeaf)),
	)
}

func failing(fails bool, err error) error {
	if fails {
		return err
	}
	return nil
}

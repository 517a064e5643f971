package sim

import (
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Over adds a node with Souk's exchange over a store, which may fail: what the
// exchange logs about that is no failure of the world.
func (w *World) Over(store blockstore.Blockstore, l Link) *Node {
	n := w.Host(l)
	w.do(func() (err error) {
		n.Exchange, err = exchanges.NewSoukSilent(n.Host, store)
		return err
	})
	return n
}

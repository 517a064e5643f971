package node

import (
	"context"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/debug/kubo"
)

// Kubo is what Kubo's commands tell of the node.
func (n *Online) Kubo() kubo.Node { return kuboNode{n.Exchange, n.Host.ID()} }

type kuboNode struct {
	*souk.Exchange
	self peer.ID
}

func (n kuboNode) Self() peer.ID { return n.self }

// Partners implements [kubo.Node].
func (n kuboNode) Partners() []peer.ID {
	var connected []peer.ID
	for _, r := range n.Ledgers() {
		if r.Connected {
			connected = append(connected, r.Peer)
		}
	}
	return connected
}

// Wantlist implements [kubo.Node].
func (n kuboNode) Wantlist() []cid.Cid { return wanted(n.WantsSent, "") }

// WantlistOf implements [kubo.Node].
func (n kuboNode) WantlistOf(p peer.ID) []cid.Cid { return wanted(n.WantsReceived, p) }

const (
	// A command of Kubo's answers with the whole list. Who wants more than that is
	// told of the first.
	mostWanted = 100_000
	// It is made of pages, for each of which an actor is asked.
	wantedPatience = 5 * time.Second
)

// wanted lists what is wanted by or of a peer, or all peers, each CID once.
func wanted(list func(context.Context, souk.WantQuery) (souk.WantPage, error), p peer.ID) []cid.Cid {
	ctx, cancel := context.WithTimeout(context.Background(), wantedPatience)
	defer cancel()
	var cids []cid.Cid
	seen := map[cid.Cid]bool{}
	for q := (souk.WantQuery{Peer: p, Limit: souk.MostWants}); len(seen) < mostWanted; {
		page, err := list(ctx, q)
		if err != nil {
			return cids // The node is closing, or too busy to tell more.
		}
		for _, w := range page.Wants {
			if !seen[w.CID] {
				seen[w.CID] = true
				cids = append(cids, w.CID)
			}
		}
		if q.After = page.Next; q.After == (souk.WantCursor{}) {
			break
		}
	}
	return slices.Clip(cids)
}

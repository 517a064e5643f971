package probe

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/wantmanager"
)

// question is one probe with its lines to the actors, those that are open.
type question struct {
	about  blockrouter.PeerCID
	blocks *blockrouter.Link
	peers  *peerrouter.Link
	wants  *wantmanager.Link
}

// open listens for the answer before there can be one, and asks for the peer.
func (q *question) open(ctx context.Context, cfg Config, who peer.AddrInfo) (err error) {
	if q.blocks, err = cfg.Blocks.Open(ctx); err != nil {
		return err
	}
	if err := q.blocks.Listen(ctx, q.about); err != nil {
		return err
	}
	if q.wants, err = cfg.Wants.Open(ctx); err != nil {
		return err
	}
	if q.peers, err = cfg.Peers.Open(ctx); err != nil {
		return err
	}
	return q.peers.Interest(ctx, who)
}

// await asks as soon as the peer is there, and waits for the answer.
func (q *question) await(ctx context.Context) (bool, error) {
	for {
		select {
		case info, open := <-q.blocks.C():
			if has, said := info.Presences[q.about]; said {
				return has, nil
			}
			if !open {
				return false, actor.ErrClosed
			}
		case info, open := <-q.peers.C():
			if !open {
				return false, actor.ErrClosed
			}
			if err := q.heard(ctx, info[q.about.Peer]); err != nil {
				return false, err
			}
		case _, open := <-q.wants.C():
			if !open {
				return false, actor.ErrClosed
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// heard takes news about the peer.
func (q *question) heard(ctx context.Context, n peerrouter.News) error {
	switch n.Status {
	case peerrouter.Available:
		ask := wantmanager.Ask{CID: q.about.CID, Type: message.WantHave}
		return q.wants.Send(ctx, map[peer.ID][]wantmanager.Ask{q.about.Peer: {ask}})
	case peerrouter.Gone:
		return ErrLeft
	case peerrouter.Unreachable:
		return n.Err
	case peerrouter.Denied:
		return ErrDenied
	}
	return nil
}

// leave withdraws the question and waits until the actors have let go of it.
func (q *question) leave() {
	ctx := context.Background() // Ends with the actors, which wait for nobody.
	if q.wants != nil && q.wants.CancelAll(ctx) == nil {
		actor.Drain(q.wants.C())
	}
	if q.peers != nil && q.peers.CancelAll(ctx) == nil {
		actor.Drain(q.peers.C())
	}
	if q.blocks != nil && q.blocks.CancelAll(ctx) == nil {
		actor.Drain(q.blocks.C())
	}
}

package resolver

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk"
)

const (
	// findEvery is how often a namespace is asked for anew: who has it changes by the
	// hour, and who comes is told of in between.
	findEvery = time.Minute
	// findAgain is after how long it is asked for again that nobody was found in: it may
	// be that trackers are not reached yet.
	findAgain = 5 * time.Second
	// findTime bounds one search, and is what the directory takes when nobody answers.
	findTime = 10 * time.Second
	// mostFound is how many peers a search returns at most.
	mostFound = 32
)

// InNamespace is the source of peers that hold a namespace: the k best, from 1 to 32,
// as [souk.Exchange.Find] names them, asked for again each minute, and up to k of those
// that are announced in between.
func InNamespace(namespace string, k int) Source {
	return inNamespace{namespace, min(max(k, 1), mostFound)}
}

type inNamespace struct {
	namespace string
	k         int
}

// Follow implements [Source]. It is not called: the resolver binds it to its exchange.
func (inNamespace) Follow(context.Context, func([]peer.AddrInfo)) error { return errUnbound }

func (n inNamespace) bind(s *souk.Service, _ protocol.ID) Source {
	return follow(func(ctx context.Context, set func([]peer.AddrInfo)) error {
		came, err := s.Exchange().Watch(ctx, n.namespace)
		if err != nil {
			return err
		}
		return n.follow(ctx, s.Exchange(), came, set)
	})
}

// finder finds who holds a namespace; a *souk.Exchange does.
type finder interface {
	Find(ctx context.Context, namespace string, k int) ([]peer.AddrInfo, error)
}

func (n inNamespace) follow(ctx context.Context, in finder, came <-chan peer.AddrInfo, set func([]peer.AddrInfo)) error {
	again := time.NewTimer(0)
	defer again.Stop()
	found := make(map[peer.ID]peer.AddrInfo)
	room := n.k // for those that are announced
	for {
		select {
		case <-again.C:
			peers := n.find(ctx, in)
			if len(peers) == 0 { // Those of before may be there still.
				again.Reset(findAgain)
				continue
			}
			clear(found)
			for _, p := range peers {
				found[p.ID] = p
			}
			room = n.k
			again.Reset(findEvery)
		case p, open := <-came:
			if !open {
				return souk.ErrClosed
			}
			if _, known := found[p.ID]; !known {
				if room == 0 {
					continue
				}
				room--
			}
			found[p.ID] = p
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		set(inOrder(found))
	}
}

// find searches once. Why nobody was found is the directory's to tell.
func (n inNamespace) find(ctx context.Context, in finder) []peer.AddrInfo {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	peers, _ := in.Find(ctx, n.namespace, n.k)
	return peers
}

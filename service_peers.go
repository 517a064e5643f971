package souk

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/peerrouter"
)

// identified is how many events of libp2p wait for a follower, which takes them in
// microseconds: as many as connections may come at once.
const identified = 256

// Connected calls set with the connected peers that may speak a protocol, by id, at
// first and after each change, until ctx or the service ends, which it returns. Peers
// that have not said yet what they speak are among them; those that the rules deny
// are not, and those that are connected and speak no Bitswap are not heard of. Set
// must not block; it may keep what it is given.
func (s *Service) Connected(ctx context.Context, id protocol.ID, set func([]peer.ID)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })()
	protocols, err := s.x.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted), new(event.EvtPeerProtocolsUpdated),
	}, eventbus.BufSize(identified), eventbus.Name("souk/"+s.name))
	if err != nil {
		return err
	}
	defer protocols.Close()
	link, err := s.x.peers.Open(ctx)
	if err != nil {
		return ended(err)
	}
	defer leave(ctx, link)
	if err := link.Watch(ctx); err != nil {
		return ended(err)
	}
	f := follower{service: s, protocol: id, connected: make(map[peer.ID]bool)}
	set(nil) // Nobody may be connected, of which there is no news.
	return f.run(ctx, link, protocols, set)
}

// follower is who follows the connected peers for one protocol.
type follower struct {
	service   *Service
	protocol  protocol.ID
	connected map[peer.ID]bool // whether it may speak the protocol
}

func (f *follower) run(ctx context.Context, link *peerrouter.Link, protocols event.Subscription, set func([]peer.ID)) error {
	for {
		var changed bool
		select {
		case info, open := <-link.C():
			if !open {
				return ErrClosed
			}
			changed = f.hear(info)
		case e, open := <-protocols.Out():
			if !open {
				return ErrClosed
			}
			changed = f.identified(e)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if changed {
			set(f.speakers())
		}
	}
}

// hear takes news of who is connected.
func (f *follower) hear(info peerrouter.Info) (changed bool) {
	for p, news := range info {
		if news.Status != peerrouter.Available {
			changed = changed || f.connected[p]
			delete(f.connected, p)
			continue
		}
		changed = f.note(p) || changed
	}
	return changed
}

// identified takes news of what a peer speaks.
func (f *follower) identified(e any) (changed bool) {
	var p peer.ID
	switch e := e.(type) {
	case event.EvtPeerIdentificationCompleted:
		p = e.Peer
	case event.EvtPeerProtocolsUpdated:
		p = e.Peer
	}
	_, connected := f.connected[p]
	return connected && f.note(p)
}

// note notes whether a connected peer may speak the protocol.
func (f *follower) note(p peer.ID) (changed bool) {
	before := f.connected[p]
	f.connected[p] = f.speaks(p)
	return f.connected[p] != before
}

// speaks reports whether a peer may speak the protocol: it says so, or has not said
// what it speaks.
func (f *follower) speaks(p peer.ID) bool {
	ids, err := f.service.x.host.Peerstore().GetProtocols(p)
	return err != nil || len(ids) == 0 || slices.Contains(ids, f.protocol)
}

func (f *follower) speakers() []peer.ID {
	var all []peer.ID
	for p, speaks := range f.connected {
		if speaks {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// ErrLost is why [Service.Keep] ends when a peer was connected and no longer is.
var ErrLost = errors.New("the connection was lost")

// Keep connects to a peer, at addresses that are given or known already, holds the
// connection and calls connected when it is there, which is at once for a peer that
// is connected. It returns why the peer cannot be reached, [ErrDenied] for one that
// the rules deny, [ErrLost] when it has left, or the end of ctx or of the service.
// Connected must not block.
func (s *Service) Keep(ctx context.Context, to peer.AddrInfo, connected func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })()
	link, err := s.x.peers.Open(ctx)
	if err != nil {
		return ended(err)
	}
	defer leave(ctx, link)
	if err := link.Interest(ctx, to); err != nil {
		return ended(err)
	}
	s.Hold(to.ID)
	defer s.Release(to.ID)
	return kept(ctx, link, to.ID, connected)
}

// leave ends a link. That fails when the router has ended, and the link with it.
func leave(ctx context.Context, link *peerrouter.Link) {
	_ = link.CancelAll(context.WithoutCancel(ctx))
	actor.Drain(link.C())
}

// kept follows one peer until it is not connected.
func kept(ctx context.Context, link *peerrouter.Link, p peer.ID, connected func()) error {
	for was := false; ; {
		select {
		case info, open := <-link.C():
			news, heard := info[p]
			switch {
			case !open:
				return ErrClosed
			case !heard:
			case news.Status == peerrouter.Denied:
				return ErrDenied
			case news.Status == peerrouter.Unreachable:
				return cmp.Or(news.Err, ErrLost)
			case news.Status == peerrouter.Gone:
				return ErrLost
			case !was:
				was = true
				connected()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

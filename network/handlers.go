package network

import (
	"context"
	"fmt"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// handler is who takes the streams that peers open on a protocol.
type handler struct {
	serve p2pnet.StreamHandler
	life  *life // that of its streams; nil for those that last as long as the network
}

// handle registers who reads the streams of another protocol.
func (n *Network) handle(id protocol.ID, read func(in *inbound) error) error {
	streams := newLife(n.panicked)
	h := handler{life: streams, serve: func(st p2pnet.Stream) {
		if !streams.enter() {
			_ = st.Reset()
			return
		}
		defer streams.leave()
		n.serve(st, func(in *inbound) error {
			defer context.AfterFunc(streams.ctx, in.end)()
			return read(in)
		})
	}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life.over() {
		return ErrClosed
	}
	if _, taken := n.handlers[id]; taken {
		return fmt.Errorf("%s: %w", id, ErrHandled)
	}
	n.handlers[id] = h
	if n.started {
		n.cfg.Host.SetStreamHandler(id, h.serve)
	}
	return nil
}

// Unhandle takes back a protocol that [Network.Handle] or [Network.HandleDuplex] has
// registered: connected peers are told that it is not spoken any more, its streams
// are reset, and it waits for those who serve them, or until ctx ends. It does nothing
// for a protocol that nobody handles.
func (n *Network) Unhandle(ctx context.Context, id protocol.ID) error {
	n.mu.Lock()
	h := n.handlers[id]
	if h.life != nil {
		delete(n.handlers, id)
		if n.started && !n.life.over() {
			_ = n.life.guard("host", func() { n.cfg.Host.RemoveStreamHandler(id) })
		}
	}
	n.mu.Unlock()
	if h.life == nil {
		return nil
	}
	h.life.end()
	if err := h.life.wait(ctx); err != nil {
		return fmt.Errorf("streams of %s have not ended: %w", id, err)
	}
	return nil
}

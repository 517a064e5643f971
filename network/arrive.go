package network

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Arrive closes the streams on which blocks were sent, and waits until the peers have
// read them to the end, or until ctx ends, whose error it then returns. What a stream
// has accepted is otherwise lost with the connection.
//
// It is for the end of a node that sends no more: streams that are being written are
// left alone.
func (n *Network) Arrive(ctx context.Context) error {
	var reading sync.WaitGroup
	for _, s := range n.peers.lines(lineData) {
		reading.Add(1)
		n.life.always("close", func() { // Closing takes as long as the connection does.
			defer reading.Done()
			s.arrive(ctx)
		})
	}
	arrived := make(chan struct{})
	n.life.always("close", func() {
		defer close(arrived)
		reading.Wait()
	})
	select {
	case <-arrived:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// arrive closes the stream unless it is being written, and waits until the peer has
// ended those that were closed.
func (s *sender) arrive(ctx context.Context) {
	s.closeIdle()
	s.mu.Lock()
	leaving := slices.Collect(maps.Keys(s.leaving))
	s.mu.Unlock()
	for _, o := range leaving {
		select {
		case <-o.over:
		case <-ctx.Done():
			return
		}
	}
}

// lines are the senders of all peers for one of their streams.
func (r *roster) lines(l line) []*sender {
	r.mu.Lock()
	defer r.mu.Unlock()
	var senders []*sender
	for _, p := range slices.Sorted(maps.Keys(r.byID)) {
		if s := r.byID[p].senders[l]; s != nil {
			senders = append(senders, s)
		}
	}
	return senders
}

package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/wantmanager"
)

// ErrLeft is in the error of a probe whose peer has disconnected before it
// answered.
var ErrLeft = errors.New("the peer has disconnected")

// ErrDenied is in the error of a probe whose peer is not to be asked for anything.
var ErrDenied = errors.New("a rule lets the peer have nothing, so nothing is asked of it")

// Config is what a prober needs. Zero numbers mean the defaults.
type Config struct {
	Blocks *blockrouter.Router
	Peers  *peerrouter.Router
	Wants  *wantmanager.Manager

	AtOnce int // probes; default 8, as many as PeerRouter dials at once
}

// Prober asks peers whether they have blocks. Make it with [New]; its methods are
// safe for concurrent use.
type Prober struct {
	cfg   Config
	turns chan struct{} // holds one for each probe under way
}

// New returns a prober.
func New(cfg Config) *Prober {
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 8
	}
	return &Prober{cfg: cfg, turns: make(chan struct{}, cfg.AtOnce)}
}

// Has asks one peer whether it has a block, and connects to it if need be. It
// blocks until the peer has answered, cannot be reached or has left, or until
// ctx ends: a peer may stay silent, so ctx should have a deadline. Errors are
// about the peer or the way there and say nothing about what it has.
func (p *Prober) Has(ctx context.Context, who peer.AddrInfo, c cid.Cid) (bool, error) {
	if err := message.CheckCID(c); err != nil {
		return false, err
	}
	has, err := p.ask(ctx, who, c)
	if err != nil {
		return false, fmt.Errorf("ask %s whether it has %s: %w", who.ID, c, err)
	}
	return has, nil
}

func (p *Prober) ask(ctx context.Context, who peer.AddrInfo, c cid.Cid) (bool, error) {
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); err != nil {
		return false, err // The turn may have come in the same moment.
	}
	q := question{about: blockrouter.PeerCID{Peer: who.ID, CID: c}}
	defer q.leave()
	if err := q.open(ctx, p.cfg, who); err != nil {
		return false, err
	}
	return q.await(ctx)
}

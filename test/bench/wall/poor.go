package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/message"
)

// poor is a peer that has nothing. It keeps nothing of what it is asked either,
// so that all that grows is the node that asks.
type poor struct {
	host.Host
	silent bool
	heard  *atomic.Int64 // Unix nanoseconds of the last message
}

func newPoor(t transport, silent bool, heard *atomic.Int64) (*poor, error) {
	h, err := t.host()
	if err != nil {
		return nil, err
	}
	p := &poor{Host: h, silent: silent, heard: heard}
	h.SetStreamHandler(bitswap, p.serve)
	return p, nil
}

const bitswap protocol.ID = "/ipfs/bitswap/1.2.0"

func (p *poor) serve(s network.Stream) {
	defer s.Close()
	in := message.NewDecoder(s, message.V120, message.Limits{}, nil, nil)
	for {
		part, err := in.Next()
		if err != nil {
			return
		}
		p.heard.Store(time.Now().UnixNano())
		if p.silent {
			continue
		}
		if err := p.deny(s.Conn(), part.Wantlist); err != nil {
			return
		}
	}
}

// deny answers a wantlist, on a stream of its own as boxo does.
func (p *poor) deny(c network.Conn, list []message.Entry) error {
	var answer message.Message
	for _, e := range list {
		if !e.Cancel && e.SendDontHave {
			answer.Presences = append(answer.Presences, message.Presence{CID: e.CID})
		}
	}
	if answer.Empty() {
		return nil
	}
	s, err := p.NewStream(context.Background(), c.RemotePeer(), bitswap)
	if err != nil {
		return err
	}
	if _, err := answer.WriteFrame(s, message.V120); err != nil {
		return errors.Join(err, s.Reset())
	}
	return s.Close()
}

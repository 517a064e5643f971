package network

import (
	"errors"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// reader hands on the messages of one stream. What is complete is handed on
// before the reader waits for more, and in as few calls as that allows.
type reader struct {
	in      *inbound
	n       *Network
	decoder *message.Decoder
	readAt  time.Time // of the last bytes
	empty   rate
	said    bool // the frame that is being read has said something
	hads    int  // HAVEs in it
	arrival *arrival
	part    int // bytes of the frame since its last block was handed on

	generation uint64 // of the connection

	// What is complete and not yet handed on.
	blocks    []blocks.Block
	haves     []cid.Cid
	dontHaves []cid.Cid
	taken     int // budget bytes of it
}

func newReader(in *inbound, m *remote, v message.Version, generation uint64) *reader {
	r := &reader{
		in: in, n: in.n, generation: generation, empty: rate{limit: in.n.cfg.EmptyFrames}, arrival: &m.arrival,
	}
	in.wire.idle = r.handOn
	in.wire.arrived = func(n int, at time.Time) {
		r.readAt = at
		r.part += n
		r.arrival.add(n, at)
		r.n.bursts.add(n, at)
		r.n.count.bytesReceived.Add(uint64(n))
	}
	r.decoder = message.NewDecoder(&in.wire, v, r.n.cfg.Limits, r, &in.wire)
	return r
}

// Take takes budget for the decoder. Before it waits, what is complete is
// handed on: it might be what the others wait for.
func (r *reader) Take(bytes int) error {
	if r.in.share.try(bytes) {
		return nil
	}
	if err := r.handOn(); err != nil {
		return err
	}
	return r.in.share.take(bytes)
}

// Give returns what the decoder took and did not use.
func (r *reader) Give(bytes int) { r.in.share.give(bytes) }

// run returns io.EOF at the end of the stream.
func (r *reader) run() error {
	defer r.decoder.Close()
	defer r.whole()
	for {
		part, err := r.decoder.Next()
		if err := r.take(&part); err != nil {
			return err
		}
		if err == nil && part.Last {
			err = r.frameEnds()
		}
		if err != nil {
			return errors.Join(r.handOn(), err)
		}
	}
}

func (r *reader) frameEnds() error {
	said, haves := r.said, r.hads
	r.said, r.hads = false, 0
	r.whole()
	r.n.count.messagesReceived.Add(1)
	r.n.cfg.Observer.Received(r.in.wire.size, haves)
	if said || !r.empty.exceeded(r.readAt) {
		return nil
	}
	r.n.fault(r.in.peer, message.FaultFlood, r.empty.count)
	return errEmptyFrames
}

// take adds a part to what is complete. Wants go on at once.
func (r *reader) take(p *message.Part) error {
	r.taken += p.Taken
	r.said = r.said || !p.Empty() || p.Faults.Total() > 0
	for f, times := range p.Faults.All() {
		r.n.fault(r.in.peer, f, times)
	}
	r.blocks = append(r.blocks, p.Blocks...)
	for _, presence := range p.Presences {
		if presence.Have {
			r.haves = append(r.haves, presence.CID)
			r.hads++
		} else {
			r.dontHaves = append(r.dontHaves, presence.CID)
		}
	}
	if len(p.Wantlist) == 0 && !p.Full {
		return nil
	}
	err := r.n.sinks.Wants(r.in.ctx, Wants{
		From: r.in.peer, Entries: p.Wantlist, Full: p.Full, Generation: r.generation,
	})
	if err != nil {
		return fmt.Errorf("hand on wants: %w", err)
	}
	return nil
}

// handOn gives what is complete to the sinks. An error ends the stream, without
// blame for the peer.
func (r *reader) handOn() error {
	err := r.handOnAnswers()
	if err != nil {
		r.in.cancel()
	}
	return err
}

func (r *reader) handOnAnswers() error {
	if len(r.blocks)+len(r.haves)+len(r.dontHaves) == 0 {
		r.giveBack()
		return r.tellProgress()
	}
	if len(r.blocks) > 0 {
		r.whole()
	}
	if err := r.n.sinks.Heard(r.in.ctx, r.heard()); err != nil {
		return fmt.Errorf("hand on what was heard: %w", err)
	}
	a := Answers{From: r.in.peer, Blocks: r.blocks, Haves: r.haves, DontHaves: r.dontHaves, Began: r.in.wire.began, At: r.readAt}
	if len(a.Blocks) > 0 {
		a.credit = r.in.share.handOn(r.taken)
		r.taken = 0
	}
	r.blocks, r.haves, r.dontHaves = nil, nil, nil
	if err := r.n.sinks.Answers(r.in.ctx, a); err != nil {
		a.Release()
		return fmt.Errorf("hand on answers: %w", err)
	}
	r.giveBack()
	return nil
}

// tellProgress says how much has come while nothing is complete.
func (r *reader) tellProgress() error {
	if !r.in.wire.inFrame || !r.arrival.worthTelling(r.readAt) {
		return nil
	}
	if err := r.n.sinks.Heard(r.in.ctx, r.progress()); err != nil {
		return fmt.Errorf("hand on progress: %w", err)
	}
	return nil
}

func (r *reader) progress() Heard {
	h := Heard{From: r.in.peer, At: r.readAt, Began: r.in.wire.began}
	h.Read, h.Part = r.arrival.tell(r.readAt)
	h.Burst = r.n.bursts.take()
	return h
}

// whole notes that what was read of the frame is complete.
func (r *reader) whole() {
	r.arrival.whole(r.part)
	r.part = 0
}

func (r *reader) heard() Heard {
	h := r.progress()
	h.Haves, h.DontHaves = r.haves, r.dontHaves
	if len(r.blocks) > 0 {
		h.Blocks = make([]Sized, len(r.blocks))
	}
	for i, b := range r.blocks {
		h.Blocks[i] = Sized{CID: b.Cid(), Size: len(b.RawData())}
	}
	return h
}

// giveBack returns the budget of what needs no memory any more.
func (r *reader) giveBack() {
	if r.taken > 0 {
		r.in.share.give(r.taken)
		r.taken = 0
	}
}

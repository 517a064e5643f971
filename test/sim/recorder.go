package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/proto"
)

// Recorder is a peer that speaks Bitswap by hand. It writes down everything that
// it hears, in order and with the time, and says only what the scenario or its
// script says.
type Recorder struct {
	*Node
	world    *World
	protocol protocol.ID
	script   Script // nil answers nothing

	mu      sync.Mutex // streams are read side by side
	heard   []Frame
	taken   int // frames that [Recorder.Take] has returned
	streams int
	ended   []error // how each stream ended that did, in their order
}

// Frame is one message as it was on the wire.
type Frame struct {
	At      time.Time
	From    peer.ID
	Stream  int // in the order in which the streams came, from 1
	Bytes   []byte
	Message *pb.Message
}

// Kind is what an element of a message says.
type Kind string

// The kinds.
const (
	WantBlock Kind = "want-block"
	WantHave  Kind = "want-have"
	Cancel    Kind = "cancel"
	Block     Kind = "block"
	Have      Kind = "HAVE"
	DontHave  Kind = "DONT_HAVE"
)

// Element is one element of a message.
type Element struct {
	At     time.Time
	Stream int
	Kind   Kind
	CID    cid.Cid // undefined for a block whose prefix cannot be used

	Priority     int32 // of a want
	SendDontHave bool  // likewise
	Data         []byte
}

// Recorder adds a peer that speaks the given protocol, or Bitswap 1.2.0 when
// there is none, and answers by the script, each message on a stream of its own,
// or not at all when that is nil.
func (w *World) Recorder(l Link, script Script, speaks ...protocol.ID) *Recorder {
	r := &Recorder{Node: w.Host(l), world: w, protocol: bitswap, script: script}
	if len(speaks) > 0 {
		r.protocol = speaks[0]
	}
	w.do(func() error {
		r.SetStreamHandler(r.protocol, r.listen)
		return nil
	})
	return r
}

// listen reads a stream until its end.
func (r *Recorder) listen(s network.Stream) {
	r.mu.Lock()
	r.streams++
	nth := r.streams
	r.mu.Unlock()
	in := msgio.NewVarintReaderSize(s, 4<<20)
	for {
		frame, err := in.ReadMsg()
		if err == nil {
			err = r.write(s, nth, frame)
		}
		if err != nil {
			r.mu.Lock()
			r.ended = append(r.ended, err)
			r.mu.Unlock()
			_ = s.Close()
			return
		}
	}
}

// write writes a frame down and answers it.
func (r *Recorder) write(s network.Stream, stream int, frame []byte) error {
	f := Frame{At: time.Now(), From: s.Conn().RemotePeer(), Stream: stream, Bytes: slices.Clone(frame), Message: new(pb.Message)}
	if err := proto.Unmarshal(frame, f.Message); err != nil {
		return err
	}
	r.mu.Lock()
	r.heard = append(r.heard, f)
	answer := r.answer(f)
	r.mu.Unlock()
	if answer == nil || answer.Empty() {
		return nil
	}
	return r.Say(f.From, answer)
}

// answer runs the script, one message at a time.
func (r *Recorder) answer(f Frame) message.BitSwapMessage {
	if r.script == nil {
		return nil
	}
	answer := message.New(false)
	for _, e := range f.Message.GetWantlist().GetEntries() {
		c, err := cid.Cast(e.GetBlock())
		if err != nil || e.GetCancel() {
			continue
		}
		entry := message.Entry{SendDontHave: e.GetSendDontHave()}
		entry.Cid, entry.Priority, entry.WantType = c, e.GetPriority(), e.GetWantType()
		r.script(entry, answer)
	}
	return answer
}

// Say sends one message on a stream of its own.
func (r *Recorder) Say(to peer.ID, m message.BitSwapMessage) error {
	v, err := r.open(to)
	if err != nil {
		return err
	}
	return errors.Join(v.say(m), v.stream.Close())
}

// Tell sends messages, each on a stream of its own.
func (r *Recorder) Tell(to *Node, ms ...message.BitSwapMessage) {
	for _, m := range ms {
		r.world.do(func() error { return r.Say(to.ID(), m) })
	}
}

// Voice is a stream that a recorder has opened.
type Voice struct {
	world    *World
	stream   network.Stream
	protocol protocol.ID
}

// Open opens a stream.
func (r *Recorder) Open(to *Node) *Voice {
	v := &Voice{world: r.world}
	r.world.do(func() error {
		opened, err := r.open(to.ID())
		if err == nil {
			*v = *opened
		}
		return err
	})
	return v
}

func (r *Recorder) open(to peer.ID) (*Voice, error) {
	ctx, cancel := context.WithTimeout(r.world.ctx, time.Minute)
	defer cancel()
	s, err := r.NewStream(ctx, to, r.protocol)
	if err != nil {
		return nil, err
	}
	return &Voice{world: r.world, stream: s, protocol: r.protocol}, nil
}

// Say writes messages.
func (v *Voice) Say(ms ...message.BitSwapMessage) {
	for _, m := range ms {
		v.world.do(func() error { return v.say(m) })
	}
}

// say writes a message in the form that the protocol has.
func (v *Voice) say(m message.BitSwapMessage) error {
	if v.protocol == "/ipfs/bitswap/1.0.0" {
		return m.ToNetV0(v.stream)
	}
	return m.ToNetV1(v.stream)
}

// Write writes bytes as they are.
func (v *Voice) Write(b ...byte) {
	v.world.do(func() error {
		_, err := v.stream.Write(b)
		return err
	})
}

// Close says that nothing follows.
func (v *Voice) Close() { v.world.do(v.stream.CloseWrite) }

// Reset ends the stream as a failure does.
func (v *Voice) Reset() { v.world.do(v.stream.Reset) }

// Answered reports whether the other side has written anything on the stream
// until now.
func (v *Voice) Answered() bool {
	var n int
	v.world.do(func() error {
		if err := v.stream.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
		n, _ = v.stream.Read(make([]byte, 1)) // The deadline or the end, when there is nothing.
		return nil
	})
	return n > 0
}

// Frames returns all that was heard.
func (r *Recorder) Frames() []Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// Heard returns the elements of all that was heard.
func (r *Recorder) Heard() []Element { return elements(r.Frames()) }

// Take returns the elements of what was heard since the last call.
func (r *Recorder) Take() []Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := elements(r.heard[r.taken:])
	r.taken = len(r.heard)
	return fresh
}

// Streams returns how many streams others have opened.
func (r *Recorder) Streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.streams
}

// Ended returns how the streams ended that others have opened: io.EOF for those
// that were closed.
func (r *Recorder) Ended() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ended)
}

func elements(frames []Frame) []Element {
	var all []Element
	for _, f := range frames {
		from := len(all)
		for _, e := range f.Message.GetWantlist().GetEntries() {
			all = append(all, want(e))
		}
		for _, p := range f.Message.GetBlockPresences() {
			all = append(all, presence(p))
		}
		for _, data := range f.Message.GetBlocks() {
			all = append(all, block(cid.NewPrefixV0(multihash.SHA2_256), data))
		}
		for _, b := range f.Message.GetPayload() {
			p, err := cid.PrefixFromBytes(b.GetPrefix())
			if err != nil {
				p = cid.Prefix{}
			}
			all = append(all, block(p, b.GetData()))
		}
		for i := range all[from:] {
			all[from+i].At, all[from+i].Stream = f.At, f.Stream
		}
	}
	return all
}

func want(e *pb.Message_Wantlist_Entry) Element {
	kind := WantBlock
	switch {
	case e.GetCancel():
		kind = Cancel
	case e.GetWantType() == pb.Message_Wantlist_Have:
		kind = WantHave
	}
	return Element{Kind: kind, CID: parse(e.GetBlock()), Priority: e.GetPriority(), SendDontHave: e.GetSendDontHave()}
}

func presence(p *pb.Message_BlockPresence) Element {
	if p.GetType() == pb.Message_Have {
		return Element{Kind: Have, CID: parse(p.GetCid())}
	}
	return Element{Kind: DontHave, CID: parse(p.GetCid())}
}

func block(p cid.Prefix, data []byte) Element {
	c, err := p.Sum(data)
	if err != nil {
		c = cid.Undef
	}
	return Element{Kind: Block, CID: c, Data: data}
}

func parse(b []byte) cid.Cid {
	c, err := cid.Cast(b)
	if err != nil {
		return cid.Undef
	}
	return c
}

// String is for failures.
func (e Element) String() string { return fmt.Sprintf("%s %s", e.Kind, e.CID) }

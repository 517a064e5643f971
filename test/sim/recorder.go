package sim

import (
	"context"
	"errors"
	"maps"
	"os"
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
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// Recorder is a peer that speaks Bitswap by hand. It writes down everything that
// it hears and says, in order and with the time, and says only what the scenario
// or its script says.
type Recorder struct {
	*Node
	world    *World
	protocol protocol.ID
	script   Script               // nil answers nothing
	accept   func(network.Stream) // called with each stream that comes; may be nil

	mu      sync.Mutex // streams are read side by side
	log     []Frame
	taken   int // of log, that [Recorder.Take] has passed
	streams int
	live    map[network.Stream]struct{}
	ended   []error // how each stream ended that did, in their order
}

// Frame is one message as it was on the wire.
type Frame struct {
	At      time.Time
	Said    bool    // by the recorder
	Peer    peer.ID // the other side
	Stream  int     // of a frame that was heard: in the order in which the streams came, from 1
	Bytes   []byte  // likewise
	Message *pb.Message
}

// Recorder adds a peer that speaks the given protocol, or Bitswap 1.2.0 when
// there is none, and answers by the script, each message on a stream of its own,
// or not at all when that is nil.
func (w *World) Recorder(l Link, script Script, speaks ...protocol.ID) *Recorder {
	r := &Recorder{Node: w.Host(l), world: w, protocol: bitswap, script: script, live: make(map[network.Stream]struct{})}
	if len(speaks) > 0 {
		r.protocol = speaks[0]
	}
	w.do(func() error {
		r.SetStreamHandler(r.protocol, r.listen)
		return nil
	})
	return r
}

// Accepting calls f with each stream that comes from now on, before it is read.
func (r *Recorder) Accepting(f func(network.Stream)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accept = f
}

// listen reads a stream until its end.
func (r *Recorder) listen(s network.Stream) {
	r.mu.Lock()
	r.streams++
	nth := r.streams
	r.live[s] = struct{}{}
	accept := r.accept
	r.mu.Unlock()
	if accept != nil {
		accept(s)
	}
	err := r.read(s, nth)
	_ = s.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, s)
	r.ended = append(r.ended, err)
}

func (r *Recorder) read(s network.Stream, nth int) error {
	in := msgio.NewVarintReaderSize(s, 4<<20)
	for {
		frame, err := in.ReadMsg()
		if err == nil {
			err = r.write(s, nth, frame)
		}
		if err != nil {
			return err
		}
	}
}

// write writes a frame down and answers it.
func (r *Recorder) write(s network.Stream, stream int, frame []byte) error {
	f := Frame{
		At: time.Now(), Peer: s.Conn().RemotePeer(), Stream: stream, Bytes: slices.Clone(frame), Message: new(pb.Message),
	}
	if err := proto.Unmarshal(frame, f.Message); err != nil {
		return err
	}
	r.mu.Lock()
	r.log = append(r.log, f)
	answer := r.answer(f)
	r.mu.Unlock()
	if answer == nil || answer.Empty() {
		return nil
	}
	return r.Say(f.Peer, answer)
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

// Say sends one message on a stream of its own. It does not wait for the end of
// the stream, which takes a round trip.
func (r *Recorder) Say(to peer.ID, m message.BitSwapMessage) error {
	v, err := r.open(to)
	if err != nil {
		return err
	}
	err = v.say(m)
	go v.stream.Close()
	return err
}

// Tell sends messages, each on a stream of its own.
func (r *Recorder) Tell(to *Node, ms ...message.BitSwapMessage) {
	for _, m := range ms {
		r.world.do(func() error { return r.Say(to.ID(), m) })
	}
}

// Burst sends messages at the same time, each on a stream of its own.
func (r *Recorder) Burst(to *Node, ms ...message.BitSwapMessage) {
	r.world.do(func() error {
		var all errgroup.Group
		for _, m := range ms {
			all.Go(func() error { return r.Say(to.ID(), m) })
		}
		return all.Wait()
	})
}

// Voice is a stream that a recorder has opened.
type Voice struct {
	world  *World
	stream network.Stream
	of     *Recorder
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
	return &Voice{world: r.world, stream: s, of: r}, nil
}

// Say writes messages.
func (v *Voice) Say(ms ...message.BitSwapMessage) {
	for _, m := range ms {
		v.world.do(func() error { return v.say(m) })
	}
}

// say writes a message in the form that the protocol has.
func (v *Voice) say(m message.BitSwapMessage) error {
	r := v.of
	r.mu.Lock()
	r.log = append(r.log, Frame{At: time.Now(), Said: true, Peer: v.stream.Conn().RemotePeer(), Message: m.ToProtoV1()})
	r.mu.Unlock()
	if r.protocol == "/ipfs/bitswap/1.0.0" || r.protocol == "/ipfs/bitswap" {
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
	n, _ := v.read()
	return n > 0
}

// Failure returns why the stream has ended, and nil while it has not.
func (v *Voice) Failure() error {
	_, err := v.read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func (v *Voice) read() (n int, err error) {
	v.world.do(func() error {
		if err := v.stream.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
		n, err = v.stream.Read(make([]byte, 1))
		return nil
	})
	return n, err
}

// Frames returns all that was heard.
func (r *Recorder) Frames() []Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	return heard(r.log)
}

// Log returns the elements of all that was heard and said.
func (r *Recorder) Log() []Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	return elements(r.log)
}

// Heard returns the elements of all that was heard.
func (r *Recorder) Heard() []Element { return elements(r.Frames()) }

// Take returns the elements of what was heard since the last call.
func (r *Recorder) Take() []Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := heard(r.log[r.taken:])
	r.taken = len(r.log)
	return elements(fresh)
}

func heard(log []Frame) []Frame {
	return slices.DeleteFunc(slices.Clone(log), func(f Frame) bool { return f.Said })
}

// Wants returns what others want of the recorder now, as a server counts it: not
// withdrawn, and not answered by the block, or by HAVE where that was asked.
func (r *Recorder) Wants() map[cid.Cid]Kind {
	wants := make(map[cid.Cid]Kind)
	for _, e := range r.Log() {
		switch {
		case e.Said && e.Kind == Block, e.Said && e.Kind == Have && wants[e.CID] == WantHave, !e.Said && e.Kind == Cancel:
			delete(wants, e.CID)
		case !e.Said && (e.Kind == WantBlock || e.Kind == WantHave && wants[e.CID] == ""):
			wants[e.CID] = e.Kind
		}
	}
	return wants
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

// Cut resets the streams that others have opened and that are still open.
func (r *Recorder) Cut() {
	r.mu.Lock()
	open := slices.Collect(maps.Keys(r.live))
	r.mu.Unlock()
	for _, s := range open {
		_ = s.Reset()
	}
}

// Leave ends the peer as if its process ended.
func (r *Recorder) Leave() { r.world.do(r.Host.Close) }

// Deafen makes the peer speak Bitswap no longer, and says so to its peers.
func (r *Recorder) Deafen() {
	r.RemoveStreamHandler(r.protocol)
	r.Cut()
}

// Listen makes it speak Bitswap again.
func (r *Recorder) Listen() { r.SetStreamHandler(r.protocol, r.listen) }

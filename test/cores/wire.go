//go:build simulation

package cores

import (
	"bytes"
	"errors"
	"io"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

// wire is the connection of two nodes, when there is one. Each side writes on
// streams of its own, one for each line; frames of a stream keep their order, and
// streams do not wait for each other.
type wire struct {
	w       *World
	version message.Version
	latency time.Duration
	up      bool
	ends    [2]*end
}

// end is one side of a wire.
type end struct {
	wire       *wire
	n, other   *node
	life       int  // of the node
	told       bool // knows that it is connected
	generation uint64
	streams    [2]*stream // that it writes, by line
	inbound    []*stream  // that it reads
	inHand     int        // messages that are being written
	doubts     int        // streams that were reset, of which the node does not know yet
	lossy      bool       // answers that it wrote may be lost, or wants that it read
	late       bool       // wants that it read may have come after their cancels
	ending     time.Time  // when the connection was lost
	progress   time.Time
}

// stream is one direction of one line.
type stream struct {
	from, to *end
	line     int
	life     int // of the node that reads
	broken   bool
	last     time.Time // when the last frame arrives
	flying   int       // frames that have not arrived
	reading  bool      // a frame waits to be taken in
	cut      bool      // nothing more is taken in
	arrived  [][]byte
}

const (
	control = iota
	data
)

func lineOf(l network.Lane) int {
	if l == network.LaneBlocks {
		return data
	}
	return control
}

// wire returns what is between two nodes.
func (w *World) wire(a, b *node) *wire {
	if a.i > b.i {
		a, b = b, a
	}
	at := [2]int{a.i, b.i}
	x := w.wires[at]
	if x == nil {
		x = &wire{w: w, version: w.script.version(w), latency: w.latency(a, b)}
		w.wires[at] = x
	}
	return x
}

func (w *World) latency(a, b *node) time.Duration {
	if w.plan != nil {
		return w.plan.Latency(a.id, b.id)
	}
	return w.between(time.Millisecond, 100*time.Millisecond)
}

// end returns the side of a node of its last connection to a peer, or nil.
func (n *node) end(p peer.ID) *end {
	other := n.w.node(p)
	if other == nil || other == n {
		return nil
	}
	for _, e := range n.w.wire(n, other).ends {
		if e != nil && e.n == n {
			return e
		}
	}
	return nil
}

// connect makes a connection. Each side learns of it in its own time.
func (w *World) connect(a, b *node) {
	x := w.wire(a, b)
	if x.up || !a.alive || !b.alive || a == b {
		return
	}
	w.tell("%s and %s connect", a, b)
	x.up = true
	x.ends = [2]*end{x.newEnd(a, b), x.newEnd(b, a)}
	for _, e := range x.ends {
		w.after(w.between(0, w.script.learning), e.learn)
	}
}

func (x *wire) newEnd(n, other *node) *end {
	n.epoch++
	return &end{wire: x, n: n, other: other, life: n.life, generation: n.epoch}
}

// learn tells the node that it is connected, which a message may have done
// before.
func (e *end) learn() {
	if e.told || !e.alive() {
		return
	}
	e.told = true
	e.n.note(e.state(true, e.generation))
}

// alive reports whether this is the present connection.
func (e *end) alive() bool {
	return e.n.alive && e.n.life == e.life && e.wire.up && (e.wire.ends[0] == e || e.wire.ends[1] == e)
}

func (e *end) state(connected bool, epoch uint64) network.PeerState {
	return network.PeerState{Peer: e.other.id, Connected: connected, Version: e.wire.version, Epoch: epoch, Generation: e.generation}
}

// disconnect ends a connection. What is under way is lost; what has arrived is
// still taken in, and then the side learns that the peer is gone.
func (w *World) disconnect(x *wire) {
	if !x.up {
		return
	}
	w.tell("%s and %s disconnect", x.ends[0].n, x.ends[1].n)
	x.up = false
	for _, e := range x.ends {
		for _, s := range e.streams {
			if s != nil {
				s.broken = true
			}
		}
		e.ending = time.Now()
		w.after(w.between(0, w.script.learning), e.leave)
	}
}

// goneAfter is how long the readers of a lost connection may take.
const goneAfter = 5 * time.Second

// leave tells the node that the peer is gone, once its readers have ended. A
// connection that was made meanwhile makes the notice obsolete.
func (e *end) leave() {
	for _, s := range e.inbound {
		if s.reading && time.Since(e.ending) < goneAfter {
			e.wire.w.after(time.Millisecond, e.leave)
			return
		}
		s.cut = true
	}
	if now := e.n.end(e.other.id); e.n.alive && e.n.life == e.life && e.told && (now == e || !now.told) {
		e.n.note(e.state(false, e.generation))
	}
	e.told = false
}

// breakStream resets a stream. Who wrote it learns of it later.
func (w *World) breakStream(s *stream) {
	if s.broken {
		return
	}
	w.tell("a stream from %s to %s is reset", s.from.n, s.to.n)
	s.broken = true
	e := s.from
	e.lossy = e.lossy || s.line == data && s.flying > 0
	if e.streams[s.line] == s {
		e.streams[s.line] = nil
	}
	if s.line == control {
		e.doubts++
		w.after(w.between(0, 100*time.Millisecond), e.doubt)
	}
}

// doubt says that what was written may be lost.
func (e *end) doubt() {
	e.doubts--
	if !e.alive() || !e.told {
		return
	}
	e.n.epoch++
	e.n.note(e.state(true, e.n.epoch))
}

var (
	errNotConnected = errors.New("not connected")
	errReset        = errors.New("stream reset")
)

// Hand is part of wantmanager.Sender and engine.Sender.
func (n *node) Hand(p peer.ID, lane network.Lane, m *message.Message, report func(network.Sent)) {
	if n.w.plan != nil {
		n.w.meet(n, p, m)
	}
	e := n.end(p)
	if n.w.trace != nil {
		n.w.tell("%s to %s, %s: %s", n, string(p), lane, describe(m))
	}
	if e == nil || !e.alive() || !e.told {
		n.report(p, lane, errNotConnected, report)
		return
	}
	s := e.stream(lineOf(lane))
	e.inHand++
	n.w.after(n.w.between(0, n.w.script.sending), func() { s.write(lane, m, report) })
}

// stream returns the stream for one line, which is opened if it is not.
func (e *end) stream(line int) *stream {
	s := e.streams[line]
	if s == nil {
		to := e.wire.opposite(e)
		s = &stream{from: e, to: to, line: line, life: to.n.life}
		e.streams[line] = s
		to.inbound = append(to.inbound, s)
	}
	return s
}

func (x *wire) opposite(e *end) *end {
	if x.ends[0] == e {
		return x.ends[1]
	}
	return x.ends[0]
}

// report says what became of a message, when there is room for it.
func (n *node) report(p peer.ID, lane network.Lane, err error, report func(network.Sent)) {
	at := time.Now()
	n.w.after(n.w.between(0, n.w.script.reporting), func() { n.deliver(network.Sent{Peer: p, Lane: lane, Err: err, At: at}, report) })
}

func (n *node) deliver(sent network.Sent, report func(network.Sent)) {
	if n.alive && (n.wants.Depth() > 16 || n.engine.Depth() > 64) {
		n.w.after(time.Millisecond, func() { n.deliver(sent, report) })
		return
	}
	n.rouse()
	report(sent)
}

// write puts a message on the stream, by which it is accepted.
func (s *stream) write(lane network.Lane, m *message.Message, report func(network.Sent)) {
	e, w := s.from, s.from.wire.w
	e.inHand--
	if s.broken || !e.alive() {
		e.n.report(e.other.id, lane, errReset, report)
		return
	}
	e.n.report(e.other.id, lane, nil, report)
	for _, m := range e.n.nature.tamper(w, s, m) {
		s.send(m)
	}
}

// send lets a message arrive at the other side.
func (s *stream) send(m *message.Message) {
	w := s.from.wire.w
	if s.line == data && !w.calm && w.script.lossy && w.some(15) {
		w.tell("an answer of %s to %s is lost", s.from.n, s.to.n)
		s.from.lossy = true
		return
	}
	at := time.Now().Add(s.from.wire.latency + w.between(0, w.script.jitter) + s.from.n.nature.slowness)
	if at.Before(s.last) {
		at = s.last
	}
	s.last = at
	frame := m.AppendFrame(nil, s.from.wire.version)
	s.flying++
	w.after(time.Until(at), func() { s.arrive(frame) })
}

// arrive takes a frame in when those before it were.
func (s *stream) arrive(frame []byte) {
	s.flying--
	if s.broken || s.over() {
		return
	}
	s.to.learn()
	s.to.progress = time.Now()
	s.arrived = append(s.arrived, frame)
	if !s.reading {
		s.reading = true
		s.read()
	}
}

// read is the reader of the stream: it takes in one frame after the other, and
// waits while those who are told have no room.
func (s *stream) read() {
	if len(s.arrived) == 0 || s.over() {
		s.reading, s.arrived = false, nil
		return
	}
	// What is read of a stream that was reset may be older than what the next has
	// brought: its cancels end wants that were renewed since, and its wants begin again
	// what was cancelled since.
	if s.broken && s.line == control {
		s.to.lossy, s.to.late = true, true
	}
	frame := s.arrived[0]
	s.arrived = s.arrived[1:]
	s.takeIn(decode(s.to.n.w, s.from.n, frame, s.from.wire.version))
}

// over reports whether nobody reads any more.
func (s *stream) over() bool { return s.cut || !s.to.n.alive || s.to.n.life != s.life }

// takeIn hands on what a frame says: answers, then wants.
func (s *stream) takeIn(r received) {
	n := s.to.n
	again := func() { n.w.after(time.Millisecond, func() { s.takeIn(r) }) }
	switch {
	case s.over():
		s.read()
		return
	case n.record != nil:
		n.record.reply(s.to, r)
		s.read()
		return
	case n.ledger.Depth() > 32 || n.wants.Depth() > 16 || len(r.faults) > 16:
		again()
		return
	}
	n.rouse()
	for _, f := range r.faults {
		n.ledger.Fault(nothing, s.from.n.id, f, 1)
	}
	r.faults = nil
	if r.answers() {
		if !s.answer(r) {
			again()
			return
		}
		r.blocks, r.haves, r.dontHaves = nil, nil, nil
	}
	if len(r.wants.Entries) == 0 && !r.wants.Full {
		s.read()
		return
	}
	r.wants.From, r.wants.Generation = s.from.n.id, s.to.generation
	s.await(n.engine.Receive(r.wants))
}

// await goes on reading when the wants are in the engine's table.
func (s *stream) await(taken <-chan struct{}) {
	if len(taken) > 0 || s.over() {
		s.read()
		return
	}
	s.to.n.w.after(time.Millisecond, func() { s.await(taken) })
}

// answer gives the routers what a peer has answered, unless they have no room.
func (s *stream) answer(r received) bool {
	n, now := s.to.n, time.Now()
	released := false
	n.owed++
	a := network.Answers{From: s.from.n.id, Blocks: r.blocks, Haves: r.haves, DontHaves: r.dontHaves, At: now}
	took := n.blocks.Receive(a, func() {
		n.owed--
		if released {
			n.w.fail("%s releases the same answers twice", n)
		}
		released = true
	})
	if !took {
		n.owed--
		return false
	}
	h := network.Heard{From: a.From, Haves: a.Haves, DontHaves: a.DontHaves, At: now}
	for _, b := range a.Blocks {
		h.Blocks = append(h.Blocks, network.Sized{CID: b.Cid(), Size: len(b.RawData())})
	}
	if err := n.wants.ReceiveHeard(nothing, h); err != nil {
		n.w.fail("%s: %w", n, err)
	}
	return true
}

// Progress is part of wantmanager.Sender.
func (n *node) Progress(p peer.ID) time.Time {
	if e := n.end(p); e != nil {
		return e.progress
	}
	return time.Time{}
}

// received is what a frame says.
type received struct {
	blocks           []blocks.Block
	haves, dontHaves []cid.Cid
	wants            network.Wants
	faults           []message.Fault
}

func (r *received) answers() bool { return len(r.blocks)+len(r.haves)+len(r.dontHaves) > 0 }

func decode(w *World, from *node, frame []byte, v message.Version) (r received) {
	d := message.NewDecoder(bytes.NewReader(frame), v, message.Limits{}, nil, nil)
	for {
		part, err := d.Next()
		for f, times := range part.Faults.All() {
			for range times {
				r.faults = append(r.faults, f)
			}
		}
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			w.fail("a frame of %s cannot be read: %w", from, err)
			return r
		}
		r.add(part)
	}
}

func (r *received) add(part message.Part) {
	r.blocks = append(r.blocks, part.Blocks...)
	for _, p := range part.Presences {
		if p.Have {
			r.haves = append(r.haves, p.CID)
		} else {
			r.dontHaves = append(r.dontHaves, p.CID)
		}
	}
	r.wants.Entries = append(r.wants.Entries, part.Wantlist...)
	r.wants.Full = r.wants.Full || part.Full
}

//go:build simulation

package client

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Steps is the client without its goroutines: a simulation lets it take in one thing
// after the other, makes its calls, and plays the streams. It asks for no list.
type Steps struct {
	*Client
	sh    *shell
	on    Streams
	asked []request // for which the inbox has no room yet
	calls []*Call
}

// Streams plays the streams to trackers. Each that is opened must be answered with
// [Steps.Opened], each write with [Steps.Wrote], unless the stream has ended, and not
// from within these.
type Streams interface {
	Open(stream uint64, to peer.AddrInfo)
	Write(stream uint64, frames []byte)
	Rest(stream uint64) // nothing more is written
	End(stream uint64)
}

// Call is a call that a simulation makes.
type Call struct {
	steps  *Steps
	caller *caller
	begun  bool
	left   error // why nobody waits any more
	became func(wire.Message, error)
	notice func(wire.Notify)
}

// NewSteps returns a client that is not to be started.
func NewSteps(cfg Config, on Streams) *Steps {
	cfg.ListKey = ""
	c := New(cfg)
	return &Steps{Client: c, sh: c.newShell(), on: on}
}

// Call makes a call, of which became is told the end. Announced is the record in an
// announcement, and notice is told what a subscription tells; both may be nil. None
// is called from within here.
func (s *Steps) Call(
	tracker peer.ID, m wire.Message, announced *record.Record, became func(wire.Message, error), notice func(wire.Notify),
) *Call {
	c := &Call{steps: s, caller: newCaller(), became: became, notice: notice}
	if notice != nil {
		c.caller.slot = actor.NewSlot[*wire.Notify]()
	}
	s.calls = append(s.calls, c)
	s.asked = append(s.asked, begin{c.caller, tracker, m, announced})
	return c
}

// Leave says that nobody waits for the end of a call any more: late, because it took
// too long.
func (c *Call) Leave(late bool, cause error) {
	c.left = cause
	if c.begun {
		c.steps.asked = append(c.steps.asked, unsubscribe{c.caller, cause})
	} else {
		c.steps.asked = append(c.steps.asked, giveUp{c.caller, late, cause})
	}
}

// List is what the client could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		{Name: "request", Ready: func() bool { return len(s.asked) > 0 }, Do: s.request},
		actor.Receiving("parted", s.parted.C(), func(struct{}) { s.parted.take(s.sh.state.parted); s.settle() }),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now()); s.settle() }),
		{Name: "outcome", Ready: func() bool { return s.told() >= 0 }, Do: func() { s.deliver(s.told()) }},
	}
}

func (s *Steps) request() {
	req := s.asked[0]
	s.asked = s.asked[1:]
	s.sh.handle(context.Background(), time.Now(), req)
	s.settle()
}

// told is the first call that has something to hear, or -1.
func (s *Steps) told() int {
	return slices.IndexFunc(s.calls, func(c *Call) bool {
		return len(c.caller.reply) > 0 || c.caller.slot != nil && len(c.caller.slot.C()) > 0
	})
}

// deliver lets a call hear one thing.
func (s *Steps) deliver(at int) {
	c := s.calls[at]
	if slot := c.caller.slot; slot != nil && len(slot.C()) > 0 {
		c.notice(*<-slot.C())
		return
	}
	o := <-c.caller.reply
	if c.caller.slot != nil && o.err == nil && !c.begun {
		if c.begun = true; c.left != nil {
			c.Leave(false, c.left)
		}
		return
	}
	s.calls = slices.Delete(s.calls, at, at+1)
	c.became(o.message, o.err)
}

// Opened says that a stream is open, or why it is not.
func (s *Steps) Opened(stream uint64, err error) {
	s.sh.state.opened(time.Now(), streamID(stream), err)
	s.settle()
}

// Heard says what a tracker says on a stream.
func (s *Steps) Heard(stream uint64, m wire.Message) {
	s.sh.state.hear(time.Now(), streamID(stream), m)
	s.settle()
}

// Wrote says that what was to be written is.
func (s *Steps) Wrote(stream uint64) {
	s.sh.state.wrote(time.Now(), streamID(stream))
	s.settle()
}

// Cut says that a stream has ended, in order with [ErrEnded].
func (s *Steps) Cut(stream uint64, cause error) {
	s.sh.state.cut(time.Now(), streamID(stream), cause)
	s.settle()
}

func (s *Steps) settle() {
	out := s.sh.state.take()
	s.sh.publish(out)
	s.sh.hold(out)
	for _, d := range out.dials {
		s.on.Open(uint64(d.stream), d.to)
	}
	for _, w := range out.writes {
		s.on.Write(uint64(w.stream), w.frames)
	}
	for _, id := range out.rests {
		s.on.Rest(uint64(id))
	}
	for _, e := range out.ends {
		s.on.End(uint64(e.stream))
	}
	s.sh.tell(out)
}

// Wake is when the client has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.next }

// End is the end of the actor.
func (s *Steps) End() { s.sh.close() }

// Idle reports whether there is neither a call nor a stream.
func (s *Steps) Idle() bool { return len(s.calls) == 0 && len(s.sh.state.streams) == 0 }

// Audit recounts what the client keeps twice and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }

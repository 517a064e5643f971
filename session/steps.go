//go:build simulation

package session

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
)

// Steps is a session without its goroutine: a simulation lets it take in one
// thing after the other.
type Steps struct {
	*Session
	sh *shell
}

// NewSteps returns a session that has opened its links. The inboxes of the actors
// of floor 2 must have room for four requests, and for some before each step.
func NewSteps(cfg Config, opts ...Option) (*Steps, error) {
	s := build(cfg, opts)
	ln, err := s.open(context.Background())
	if err != nil {
		return nil, err
	}
	sh := s.newShell(ln)
	sh.state.start()
	steps := &Steps{s, sh}
	steps.settle()
	return steps, nil
}

// List is what the session could do next.
func (s *Steps) List() []actor.Step {
	ln := s.sh.links
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(r); s.settle() }),
		after(s, actor.Receiving("blocks", ln.blocks.C(), s.sh.heard)),
		after(s, actor.Receiving("peers", ln.peers.C(), s.sh.peerNews)),
		after(s, actor.Receiving("views", ln.wants.C(), s.sh.notice)),
		after(s, actor.Receiving("candidates", ln.directory.C(), s.sh.candidates)),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now()); s.settle() }),
	}
}

// after settles the session after a step.
func after(s *Steps, step actor.Step) actor.Step {
	do := step.Do
	step.Do = func() { do(); s.settle() }
	return step
}

func (s *Steps) settle() {
	// It fails only when the actors of floor 2 have ended.
	_ = s.sh.perform(context.Background(), s.sh.state.take(time.Now()))
}

// Wake is when the session has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake() }

// End fails what is open and takes leave of the actors of floor 2, whose inboxes
// must have room. [Steps.Left] tells when they have closed the links.
func (s *Steps) End() {
	s.loop.End()
	s.sh.state.closing(ErrClosed)
	s.sh.last(s.sh.state.take(time.Now()))
	ctx, ln := context.Background(), s.sh.links
	_, _, _, _ = ln.blocks.CancelAll(ctx), ln.wants.CancelAll(ctx), ln.peers.CancelAll(ctx), ln.directory.CancelAll(ctx)
	s.sh.refuse(ErrClosed)
}

// Left reports whether every actor of floor 2 has closed its link; what they
// still send is dropped.
func (s *Steps) Left() bool {
	ln := s.sh.links
	return closedNow(ln.blocks.C()) && closedNow(ln.wants.C()) && closedNow(ln.peers.C()) && closedNow(ln.directory.C())
}

func closedNow[T any](ch <-chan T) bool {
	for {
		select {
		case _, open := <-ch:
			if !open {
				return true
			}
		default:
			return false
		}
	}
}

// Audit recounts what the session counts and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }

// Open is how many wants and calls are open.
func (s *Steps) Open() (wants, calls int) { return s.sh.state.wants.Len(), len(s.sh.state.calls) }

// Held is how many bytes are in flight or undelivered, and how many may be.
func (s *Steps) Held() (held, budget int) { return s.sh.state.held, s.sh.state.budget }

// A Caller is one call whose results are taken by hand.
type Caller struct {
	session *Steps
	call    *call
	ended   bool
}

// Call makes a call, which does nothing yet.
func (s *Steps) Call() *Caller { return &Caller{session: s, call: newCall()} }

// Room reports whether the session takes another request.
func (s *Steps) Room() bool { return s.inbox.Depth() < inboxDepth }

func (c *Caller) tell(r request) {
	// The caller looks whether there is room; an error says that the session has
	// ended, which the call learns from its results.
	_ = c.session.inbox.Send(context.Background(), r)
}

// Want asks for more blocks.
func (c *Caller) Want(cids []cid.Cid, ordered bool) {
	c.tell(want{call: c.call, cids: cids, ordered: ordered})
}

// Finish says that no more wants follow.
func (c *Caller) Finish() { c.tell(finish{c.call}) }

// Cancel ends the call. The channel tells what became of the wants that were
// open.
func (c *Caller) Cancel(cause error) <-chan []*FetchError {
	reply := make(chan []*FetchError, 1)
	c.tell(cancel{c.call, cause, reply})
	return reply
}

// Take takes the results that are there, and reports whether the call has ended
// behind them.
func (c *Caller) Take() (results []Result, ended bool) {
	for !c.ended {
		select {
		case rs, open := <-c.call.slot.C():
			c.ended = !open
			results = append(results, rs...)
			continue
		default:
		}
		break
	}
	return results, c.ended
}

// Consumed says that results were used up.
func (c *Caller) Consumed(count, bytes int) { c.tell(consumed{c.call, count, bytes}) }

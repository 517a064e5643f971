//go:build simulation

package ledger

import (
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

// Steps is the ledger without its goroutine: a simulation lets it take in one
// thing after the other.
type Steps struct{ *Ledger }

// NewSteps returns a ledger that is not to be started.
func NewSteps(cfg Config) *Steps { return &Steps{New(cfg)} }

// List is what the ledger could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.drain(); s.handle(r); s.settle() }),
		actor.Receiving("deltas", s.wake, func(struct{}) { s.drain(); s.settle() }),
		actor.Waking(s.Wake, s.settle),
	}
}

func (s *Steps) settle() { s.publish(s.now()) }

// Wake is when the ledger has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.loop.End() }

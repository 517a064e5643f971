//go:build simulation

package announcer

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Steps is the announcer without its goroutines: a simulation lets it take in one
// thing after the other, and makes its calls.
type Steps struct {
	*Announcer
	sh   *shell
	tell func(Call)
}

// Call is a message to a tracker. Without a record it is a touch.
type Call struct {
	ID      uint64
	Tracker peer.ID
	Record  []byte
	Touch   []wire.Touched
}

// NewSteps returns an announcer that is not to be started. Each call that it
// begins must be answered with [Steps.Ended], and not from within tell.
func NewSteps(cfg Config, tell func(Call)) *Steps {
	a := New(cfg)
	return &Steps{a, a.newShell(), tell}
}

// Hold asks for an announcement as [Announcer.Announce] does, and does not wait for
// what becomes of it. The inbox must have room.
func (s *Steps) Hold(ns record.Namespace, h Holding) error {
	h, err := h.checked(ns)
	if err != nil {
		return err
	}
	return s.inbox.Send(context.Background(), announce{ns, h, make(chan error, 1)})
}

// List is what the announcer could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		actor.Receiving("trackers", s.cfg.Set.C(), func(struct{}) { s.sh.known(time.Now()); s.settle() }),
		actor.Receiving("moved", s.cfg.Moved, func(struct{}) { s.sh.look(time.Now()); s.settle() }),
		actor.Waking(s.Wake, func() { s.sh.look(time.Now()); s.settle() }),
	}
}

// Ended says how a call ended.
func (s *Steps) Ended(id uint64, refusals []wire.Refusal, err error) {
	s.sh.state.ended(time.Now(), callID(id), refusals, err)
	s.settle()
}

func (s *Steps) settle() {
	for _, c := range s.sh.settle() {
		signed, err := s.sh.sign(c)
		if err != nil {
			s.sh.state.ended(time.Now(), c.id, nil, err)
			s.settle()
			continue
		}
		s.tell(Call{uint64(c.id), c.tracker.id, signed, c.touch})
	}
}

// Wake is when the announcer has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake }

// End is the end of the actor.
func (s *Steps) End() { s.loop.End() }

// Audit looks for what contradicts itself and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit(time.Now()) }

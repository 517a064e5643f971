//go:build simulation

package blockrouter

import (
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// Steps is the router without its goroutines: a simulation lets it take in one
// thing after the other, and does the work with the store when it likes.
type Steps struct {
	*Router
	sh *shell

	answers []owing
	lookups []lookup
	looked  []looked
	write   []stored
	wrote   []error
}

// owing is answers and what gives their bytes back to the receive budget.
type owing struct {
	network.Answers
	release func()
}

// NewSteps returns a router that is not to be started.
func NewSteps(cfg Config) *Steps {
	r := New(cfg)
	return &Steps{
		Router: r,
		sh:     &shell{Router: r, state: newState(r.cfg.limits()), links: actor.NewNumbers[linkID, *Link]()},
	}
}

// List is what the router could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		{Name: "answers", Ready: func() bool { return len(s.answers) > 0 && !s.sh.state.full() }, Do: s.message},
		{Name: "look up", Ready: func() bool { return len(s.lookups) > 0 }, Do: s.look},
		{Name: "looked up", Ready: func() bool { return len(s.looked) > 0 }, Do: s.found},
		{Name: "store", Ready: func() bool { return len(s.write) > 0 }, Do: s.store},
		{Name: "stored", Ready: func() bool { return len(s.wrote) > 0 }, Do: s.stored},
	}
}

// Receive takes answers as [Router.ReceiveAnswers] does, and reports whether
// there was room for them.
func (s *Steps) Receive(a network.Answers, release func()) bool {
	if len(s.answers) == inboundDepth {
		return false
	}
	s.answers = append(s.answers, owing{a, release})
	return true
}

func (s *Steps) message() {
	a := shift(&s.answers)
	s.sh.state.message(a.From, a.Began, a.At, a.Blocks, a.Haves, a.DontHaves, a.release)
	s.settle()
}

// look is what a reader of the store does, and found what the actor does with the
// result.
func (s *Steps) look() {
	s.looked = append(s.looked, s.work.look(shift(&s.lookups)))
}

func (s *Steps) found() {
	s.sh.state.looked(time.Now(), shift(&s.looked))
	s.settle()
}

// store is what the writer does, and stored what the actor does with the result.
func (s *Steps) store() {
	job := s.write
	s.write = nil
	s.wrote = append(s.wrote, s.work.write(job))
}

func (s *Steps) stored() {
	s.sh.wrote(shift(&s.wrote))
	s.settle()
}

func (s *Steps) settle() {
	out := s.sh.state.take()
	s.lookups = append(s.lookups, out.lookups...)
	if len(out.write) > 0 {
		s.write = out.write
	}
	out.lookups, out.write = nil, nil
	s.sh.perform(out)
}

// End is the end of the actor: what was received is stored first.
func (s *Steps) End() {
	s.loop.End()
	for len(s.answers) > 0 {
		s.message()
	}
	s.sh.closeLinks()
	for len(s.write)+len(s.wrote) > 0 {
		if len(s.wrote) == 0 {
			s.store()
		}
		s.stored()
	}
}

// Audit recounts what the router counts and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }

// Wants is how many wants are registered, for all links.
func (s *Steps) Wants() int {
	n := 0
	for _, l := range s.sh.state.links {
		n += l.wants
	}
	return n
}

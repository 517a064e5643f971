package server

import (
	"context"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/resolver/wire"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	opened struct {
		serving *serving
		reply   chan<- bool
	}
	// said is what happened on a stream.
	said struct {
		serving *serving
		event
	}
	closed struct{ serving *serving }
	broken struct{ fault wire.Fault }
	stats  struct{ reply chan<- Stat }
)

func (opened) isRequest() {}
func (said) isRequest()   {}
func (closed) isRequest() {}
func (broken) isRequest() {}
func (stats) isRequest()  {}

// event is what can happen on a stream.
type event interface {
	tell(now time.Time, s *state, on streamID)
}

type (
	asked struct {
		message *wire.Request
		refused bool // the peer may have nothing
	}
	faulted struct {
		fault wire.Fault
		id    wire.ID
	}
	idle  struct{ reply chan<- bool } // whether there is an answer to come
	ended struct{}
	wrote struct{}
)

func (e asked) tell(now time.Time, s *state, on streamID)   { s.asked(now, on, e.message, e.refused) }
func (e faulted) tell(now time.Time, s *state, on streamID) { s.faulted(now, on, e.fault, e.id) }
func (e idle) tell(_ time.Time, s *state, on streamID)      { e.reply <- s.owes(on) }
func (ended) tell(_ time.Time, s *state, on streamID)       { s.ended(on) }
func (wrote) tell(now time.Time, s *state, on streamID)     { s.wrote(now, on) }

// Stat returns what the server has and has done. It asks the actor, and returns the
// zero Stat when that has ended or ctx ends.
func (s *Server) Stat(ctx context.Context) Stat {
	stat, _ := actor.Ask(ctx, s.inbox, func(reply chan<- Stat) request { return stats{reply} })
	return stat
}

// Load is how busy the actor is and what waits for it. It never waits for it.
func (s *Server) Load(now time.Time) actor.Load { return s.loop.Load(now) }

// Turn is how long the actor has been at work on what it last received.
func (s *Server) Turn(now time.Time) time.Duration { return s.loop.Turn(now) }

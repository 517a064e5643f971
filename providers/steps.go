//go:build simulation

package providers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Steps is the directory without its goroutines: a simulation lets it take in
// one thing after the other, and answers its queries.
type Steps struct {
	*Directory
	sh *shell
	on Finding
	by Tracking
}

// Finding is told of the queries that begin, each of which must be ended with
// [Steps.Ended], and of those that nobody waits for any more.
type Finding interface {
	Begin(id uint64, q Query)
	Stop(id uint64)
}

// Tracking plays the trackers.
type Tracking interface {
	// Ask is a question, which must be answered with [Steps.Answered].
	Ask(id uint64, tracker peer.ID, q wire.Query)
	// Feedback is told without an answer.
	Feedback(tracker peer.ID, f wire.Feedback)
	// Subscribe begins a subscription, which [Steps.Noticed] tells of and which must
	// be ended with [Steps.Unsubscribed] after Unsubscribe, and may be before.
	Subscribe(id uint64, tracker peer.ID, about wire.About)
	Unsubscribe(id uint64)
}

// NewSteps returns a directory that is not to be started. Without a Finding it
// has no finders.
func NewSteps(cfg Config, on Finding) *Steps {
	d := New(cfg)
	return &Steps{Directory: d, sh: newShell(d, on != nil), on: on}
}

// Track lets the directory ask trackers, those that Config.Set tells of. Verify
// stands in for the signatures of records; nil checks them.
func (s *Steps) Track(by Tracking, set Trackers, verify func(*record.Signed) error) {
	s.by, s.cfg.Set = by, set
	if verify != nil {
		s.sh.inspect.verify = verify
	}
	s.sh.begin()
}

// List is what the directory could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		actor.Receiving("peers", s.cfg.Peers.C(), func(struct{}) { s.sh.peers(time.Now()); s.settle() }),
		actor.Receiving("trackers", s.cfg.Set.C(), func(struct{}) {
			s.sh.state.setTrackers(time.Now(), s.cfg.Set.Take())
			s.settle()
		}),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now()); s.settle() }),
	}
}

// Found says that a query has found a peer.
func (s *Steps) Found(id uint64, p peer.AddrInfo) {
	s.sh.state.see(time.Now())
	s.sh.state.found(queryID(id), p)
	s.settle()
}

// Ended says that a query has ended.
func (s *Steps) Ended(id uint64) {
	s.sh.state.ended(time.Now(), queryID(id))
	s.settle()
}

// Answered gives the answer to an ask, or nil when there is none. It may come at any
// time, once.
func (s *Steps) Answered(id uint64, from *wire.Reply) {
	r := reply{failed: true}
	if from != nil {
		a := s.sh.state.askOf(askID(id))
		r = s.sh.inspect.reply(time.Now(), a.query.key.about(), a.query.key.rows(), from)
	}
	s.sh.state.answered(time.Now(), askID(id), r)
	s.settle()
}

// Noticed gives what a subscription tells.
func (s *Steps) Noticed(id uint64, n wire.Notify) {
	q := s.sh.state.subs[subID(id)]
	s.sh.state.noticed(time.Now(), subID(id), s.sh.inspect.notice(time.Now(), q.key.about(), n))
	s.settle()
}

// Unsubscribed says that a subscription has ended.
func (s *Steps) Unsubscribed(id uint64) {
	s.sh.state.unsubscribed(time.Now(), subID(id))
	s.settle()
}

func (s *Steps) settle() {
	out := s.sh.state.take()
	s.sh.publish()
	s.sh.tell(out)
	for _, q := range out.start {
		s.on.Begin(uint64(q.id), q.query())
	}
	for _, id := range out.stop {
		s.on.Stop(uint64(id))
	}
	for _, a := range out.asks {
		s.by.Ask(uint64(a.id), a.tracker, a.query)
	}
	for _, f := range out.feedback {
		s.by.Feedback(f.tracker, f.message())
	}
	if len(out.feedback) > 0 {
		s.sh.state.delivered(time.Now())
	}
	for _, sub := range out.subscribe {
		s.by.Subscribe(uint64(sub.id), sub.tracker, sub.about)
	}
	for _, id := range out.unsubscribe {
		s.by.Unsubscribe(uint64(id))
	}
}

// Wake is when the directory has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.sh.close() }

// Audit recounts what the directory keeps twice and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }

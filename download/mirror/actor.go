package mirror

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

// name is that of the actor, under which panics of Look and Fetch count, too.
const name = "mirror"

// inboxDepth lets a burst of commands come without waiting for each other; a larger one
// would only hide a slow actor.
const inboxDepth = 64

// closeTime is what Close may take, as that of an exchange.
const closeTime = 2 * time.Second

// Mirror is the actor that syncs documents. Its methods may be called by many goroutines.
type Mirror struct {
	cfg     Config
	loop    *actor.Loop
	inbox   *actor.Inbox[request]
	crew    *actor.Crew
	reports chan report // of workers; they may wait until the actor reads it

	changed, deleted <-chan struct{} // that documents were, and blocks
	unwatch          context.CancelFunc
}

// New returns a mirror that syncs nothing yet: see [Mirror.Resume] and [Mirror.Sync]. It
// runs until it is closed.
func New(cfg Config) *Mirror {
	cfg = cfg.withDefaults()
	loop := actor.NewLoop(name, cfg.Fail)
	watching, unwatch := context.WithCancel(context.Background())
	m := &Mirror{
		cfg: cfg, loop: loop, inbox: actor.InboxOf[request](loop, inboxDepth),
		crew: actor.NewCrew(name, cfg.Panicked), reports: make(chan report),
		changed: cfg.Documents.Watch(watching), deleted: cfg.Documents.WatchDeletions(watching), unwatch: unwatch,
	}
	loop.Start(m.run)
	return m
}

// Close ends all syncing, and waits for that, 2 s at most: then the error says what has
// not ended. The store remembers what was synced. It may be called again.
func (m *Mirror) Close() error {
	if m.cfg.service != nil {
		return m.cfg.service.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return m.stop(ctx)
}

func (m *Mirror) stop(ctx context.Context) error {
	return errors.Join(m.loop.Stop(ctx), m.crew.Wait(ctx))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Mirror
	life    context.Context
	state   *state
	waiters *actor.Numbers[waiterID, chan<- error]
	jobs    map[jobID]lead
	changed <-chan struct{} // nil once the store was closed
	deleted <-chan struct{} // likewise
}

// lead is how a job is led.
type lead struct {
	end   context.CancelFunc
	more  chan<- bool         // whether to go on, of a scan
	bytes *actor.Slot[uint64] // how many are here, of a fetch
}

func (m *Mirror) newShell(life context.Context) *shell {
	return &shell{
		Mirror: m, life: life, state: newState(m.cfg.Window, m.cfg.Fetches, m.cfg.Pause),
		waiters: actor.NewNumbers[waiterID, chan<- error](), jobs: make(map[jobID]lead),
		changed: m.changed, deleted: m.deleted,
	}
}

func (m *Mirror) run(ctx context.Context) {
	s := m.newShell(ctx)
	defer m.unwatch()
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake())
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.reports:
			r.tell(s, s.loop.Begin())
		case _, open := <-s.changed:
			s.loop.Begin()
			s.change(open)
		case _, open := <-s.deleted:
			s.delete(s.loop.Begin(), open)
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.perform(s.state.settle())
	}
}

func (s *shell) handle(now time.Time, req request) {
	s.news(now)
	switch req := req.(type) {
	case begin:
		s.state.sync(now, req.document)
	case cancel:
		s.state.cancel(now, s.waiters.Add(req.reply), req.document)
	case wait:
		s.state.wait(s.waiters.Add(req.reply), req.document)
	case dismiss:
		if id := s.waiters.Of(req.reply); id != 0 {
			s.state.dismiss(id)
			s.waiters.Remove(id)
		}
	case status:
		req.reply <- s.status(req)
	}
}

// news takes what happened before a request was sent.
func (s *shell) news(now time.Time) {
	select {
	case _, open := <-s.changed:
		s.change(open)
	default:
	}
	select {
	case _, open := <-s.deleted:
		s.delete(now, open)
	default:
	}
}

func (s *shell) change(open bool) {
	if !open {
		s.changed = nil
		return
	}
	s.state.changed()
}

func (s *shell) delete(now time.Time, open bool) {
	if !open {
		s.deleted = nil
		return
	}
	s.state.deleted(now)
}

// status looks how far the fetches are before it answers.
func (s *shell) status(req status) Status {
	for _, id := range s.state.underWay(req.document) {
		select {
		case bytes := <-s.jobs[id].bytes.C():
			s.state.progress(id, bytes)
		default:
		}
	}
	return s.state.status(req.document)
}

// perform does what the state wants to be done.
func (s *shell) perform(out effects) {
	for _, id := range out.end {
		s.jobs[id].end()
	}
	for _, f := range out.fetches {
		s.fetch(f)
	}
	for _, r := range out.resume {
		s.jobs[r.id].more <- r.more // Has room: it waits for it.
	}
	for _, o := range out.scans {
		s.scan(o)
	}
	if len(out.review) > 0 {
		s.crew.Go(func() { s.review(out.review) })
	}
	for _, a := range out.answers {
		s.waiters.Remove(a.waiter) <- a.err
	}
	for _, w := range out.warnings {
		s.cfg.Logger.Warn(w.text, zap.Stringer("document", w.document), zap.Error(w.err))
	}
}

// returned forgets a job that has returned.
func (s *shell) returned(id jobID) {
	s.jobs[id].end()
	delete(s.jobs, id)
}

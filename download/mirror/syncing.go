package mirror

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/internal/actor"
)

// mostFailures is how many failures of a round are remembered with their reasons.
const mostFailures = 16

// syncing is the syncing of one document.
type syncing struct {
	m      *Mirror
	id     document.ID
	ctx    context.Context
	cancel context.CancelFunc
	over   chan struct{}
	room   chan struct{} // a place for each entry that may be under way

	mu      sync.Mutex
	active  map[string]*fetch   // by key
	carried map[string]struct{} // keys that were under way when the round began
	done    uint64
	failed  uint64 // in this round or, between two, in the last
	reasons []Failure
	again   bool // something was ended that may be wanted again
	idle    bool
	next    time.Time
	changed chan struct{} // closed when idle changes
}

// fetch is an entry that is under way.
type fetch struct {
	entry  document.Entry
	cancel context.CancelFunc
	bytes  uint64
}

func newSyncing(m *Mirror, id document.ID) *syncing {
	s := &syncing{
		m: m, id: id, over: make(chan struct{}), room: make(chan struct{}, m.cfg.Window),
		active: make(map[string]*fetch), carried: make(map[string]struct{}), changed: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(m.ctx)
	return s
}

// run syncs the document until it is cancelled or removed.
func (s *syncing) run() {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	defer s.cancel()
	changes := s.m.cfg.Documents.Watch(s.ctx)
	for s.ctx.Err() == nil {
		one, err := s.m.cfg.Documents.Info(s.ctx, s.id)
		if isGone(err) {
			return
		}
		if err == nil {
			s.narrow(one.Policy)
			var again bool
			err = actor.Guard("mirror", s.m.cfg.Panicked, func() (err error) {
				again, err = s.round(one.Policy, changes, &fetches)
				return err
			})
			if again || isGone(err) {
				continue
			}
		}
		if err != nil && s.ctx.Err() == nil {
			s.m.cfg.Logger.Warn("what is missing of a document cannot be found", zap.Stringer("document", s.id), zap.Error(err))
		}
		s.rest(err, changes)
	}
}

// isGone reports whether an error says that the document was removed.
func isGone(err error) bool {
	return errors.Is(err, document.ErrRemoved) || errors.As(err, new(*document.NotFoundError))
}

// round has fetched what is missing, and reports whether the policy may have changed
// meanwhile.
func (s *syncing) round(p policy.Policy, changes <-chan struct{}, fetches *sync.WaitGroup) (again bool, err error) {
	s.begin()
	d, err := s.m.cfg.Documents.Document(s.ctx, s.id)
	if err != nil {
		return false, err
	}
	for l, err := range document.Missing(s.ctx, d, p, nil, s.m.cfg.Look) {
		if err != nil {
			return false, err
		}
		if s.isCarried(l.Key) {
			continue
		}
		select {
		case s.room <- struct{}{}:
			s.start(l.Entry, fetches)
		case <-changes:
			return true, nil
		case <-s.ctx.Done():
			return false, nil
		}
	}
	return s.drained(changes)
}

// drained waits for what is under way: by then all places are free.
func (s *syncing) drained(changes <-chan struct{}) (again bool, err error) {
	taken := 0
	defer func() {
		for range taken {
			<-s.room
		}
	}()
	for ; taken < cap(s.room); taken++ {
		select {
		case s.room <- struct{}{}:
		case <-changes:
			return true, nil
		case <-s.ctx.Done():
			return false, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again, nil
}

// rest waits until something changes, or until what has failed is to be tried again.
func (s *syncing) rest(err error, changes <-chan struct{}) {
	var pause <-chan time.Time
	if s.settle(err) {
		timer := time.NewTimer(s.m.cfg.Pause)
		defer timer.Stop()
		pause = timer.C
	}
	select {
	case <-pause:
	case <-changes:
	case <-s.ctx.Done():
	}
}

// begin forgets what has failed in the round before.
func (s *syncing) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.reasons, s.next, s.again = 0, nil, time.Time{}, false
	clear(s.carried)
	for key := range s.active {
		s.carried[key] = struct{}{}
	}
	s.setIdle(false)
}

// settle ends a round, and reports whether there is to be another after a pause.
func (s *syncing) settle(err error) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if again = s.failed > 0 || err != nil; again {
		s.next = time.Now().Add(s.m.cfg.Pause)
	}
	s.setIdle(!again && s.ctx.Err() == nil)
	return again
}

// setIdle is called with the lock.
func (s *syncing) setIdle(idle bool) {
	if s.idle != idle {
		s.idle = idle
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

func (s *syncing) isIdle() (idle bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle, s.changed
}

// isCarried reports whether the round leaves an entry to the fetch that was under way when
// it began. That may have ended between the look at the entry and now, so it does not
// matter whether it still is. If it was ended without the entry there is another round.
func (s *syncing) isCarried(key []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, carried := s.carried[string(key)]
	return carried
}

// narrow ends what a policy does not cover.
func (s *syncing) narrow(p policy.Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.active {
		if !p.Covers(f.entry.Key) {
			f.cancel()
		}
	}
}

// start begins to fetch an entry, for which there is a place.
func (s *syncing) start(e document.Entry, fetches *sync.WaitGroup) {
	e.Key, e.Metadata = bytes.Clone(e.Key), bytes.Clone(e.Metadata) // and let the page go
	f := &fetch{entry: e}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(s.ctx)
	s.mu.Lock()
	s.active[string(e.Key)] = f
	s.mu.Unlock()
	fetches.Go(func() {
		err := actor.Guard("mirror", s.m.cfg.Panicked, func() error {
			return s.m.cfg.Fetch(ctx, s.id, e, func(bytes uint64) { s.progress(f, bytes) })
		})
		cancelled := ctx.Err() != nil
		f.cancel()
		s.end(f, err, cancelled)
		<-s.room
	})
}

func (s *syncing) progress(f *fetch, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.bytes = bytes
}

// end notes what became of an entry. One that was cancelled has not failed.
func (s *syncing) end(f *fetch, err error, cancelled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, string(f.entry.Key))
	switch {
	case err == nil:
		s.done++
	case cancelled:
		s.again = true
	default:
		s.failed++
		if len(s.reasons) < mostFailures {
			s.reasons = append(s.reasons, Failure{Entry: f.entry, Err: err})
		}
	}
}

func (s *syncing) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Syncing: true, Idle: s.idle, Done: s.done, Failed: s.failed, Failures: slices.Clone(s.reasons), Next: s.next}
	for _, f := range s.active {
		st.Active = append(st.Active, Entry{Entry: f.entry, Bytes: f.bytes})
	}
	slices.SortFunc(st.Active, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	return st
}

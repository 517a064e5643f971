// Package mirror fetches what is missing of documents, and goes on until all that their
// policies cover is here.
//
// One goroutine for each document that is synced goes through what is missing of it, in
// rounds, and has so many entries under way at a time; a goroutine for each of these waits
// for its end. What has failed is tried again in the next round, after a pause; a change of
// the policy ends what it covers no more, and begins a round at once. What is missing is
// asked of the store every time, so nothing has to be remembered.
package mirror

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/download/document"
)

// Config is what a [Mirror] needs. What is zero is the default that is named.
type Config struct {
	Documents *document.Store
	// Look finds how much of an entry's data is here.
	Look document.Look
	// Fetch has all of an entry's data stored here, or returns why that cannot be. It ends
	// with ctx, and tells now and then how many bytes are here. It is called by many
	// goroutines, and may be for one entry of several documents at the same time.
	Fetch func(ctx context.Context, of document.ID, e document.Entry, progress func(bytes uint64)) error
	// Window is how many entries of one document are under way at a time: 1,024, which is
	// more than are fetched at once, so that there is a choice, and is a few megabytes.
	Window int
	// Pause is the time between the end of a round in which something failed and the next:
	// a minute.
	Pause  time.Duration
	Logger *zap.Logger
	// Panicked is told of a panic in Look or Fetch, which is a failure of what was asked of
	// it. May be nil.
	Panicked func(error)
}

const (
	defaultWindow = 1024
	defaultPause  = time.Minute
)

// Mirror syncs documents. Its methods may be called by many goroutines.
type Mirror struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	syncing map[document.ID]*syncing
	closed  bool
}

// ErrClosed is the error of a mirror that was closed.
var ErrClosed = errors.New("documents are not synced any more: the node is stopping")

// New returns a mirror that syncs nothing yet: see [Mirror.Resume] and [Mirror.Sync].
func New(cfg Config) *Mirror {
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Pause <= 0 {
		cfg.Pause = defaultPause
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	m := &Mirror{cfg: cfg, syncing: make(map[document.ID]*syncing)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Resume begins to sync the documents of which the store remembers that they are synced.
func (m *Mirror) Resume(ctx context.Context) error {
	for one, err := range m.cfg.Documents.List(ctx) {
		if err == nil && one.Syncing {
			err = m.begin(one.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Sync syncs a document until it is cancelled, over restarts. It returns at once.
func (m *Mirror) Sync(ctx context.Context, id document.ID) error {
	if err := m.cfg.Documents.SetSyncing(ctx, id, true); err != nil {
		return err
	}
	return m.begin(id)
}

// Cancel ends the syncing of a document. What has come stays.
func (m *Mirror) Cancel(ctx context.Context, id document.ID) error {
	if err := m.cfg.Documents.SetSyncing(ctx, id, false); err != nil {
		return err
	}
	m.mu.Lock()
	s := m.syncing[id]
	m.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.over
	}
	return nil
}

// Close ends all syncing, and waits for it. The store remembers what was synced.
func (m *Mirror) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.work.Wait()
}

func (m *Mirror) begin(id document.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if m.syncing[id] != nil {
		return nil
	}
	s := newSyncing(m, id)
	m.syncing[id] = s
	m.work.Go(func() {
		defer close(s.over)
		defer m.ended(s)
		s.run()
	})
	return nil
}

func (m *Mirror) ended(s *syncing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.cancel()
	delete(m.syncing, s.id)
}

// Status is how the syncing of a document is doing.
type Status struct {
	Syncing bool
	// Idle is whether a round has ended in which nothing failed, and nothing has changed
	// since: all that the policy covers is here.
	Idle   bool
	Active []Entry // under way, in the order of keys
	Done   uint64  // fetched since it was begun
	Failed uint64  // in the last round
	// Failures are some of these, with the reasons, and Next is when they are tried again.
	Failures []Failure
	Next     time.Time
}

// Entry is an entry that is under way.
type Entry struct {
	document.Entry
	Bytes uint64 // that are here, as far as is known
}

// Failure is an entry that could not be fetched.
type Failure struct {
	Entry document.Entry
	Err   error
}

// Status returns how the syncing of a document is doing; the zero Status when it is not
// synced.
func (m *Mirror) Status(id document.ID) Status {
	m.mu.Lock()
	s := m.syncing[id]
	m.mu.Unlock()
	if s == nil {
		return Status{}
	}
	return s.status()
}

// Wait returns when all that the policy of a document covers is here, with an error when
// it is not synced any more, or with that of ctx.
func (m *Mirror) Wait(ctx context.Context, id document.ID) error {
	m.mu.Lock()
	s := m.syncing[id]
	m.mu.Unlock()
	if s == nil {
		return ErrNotSynced
	}
	for {
		idle, changed := s.isIdle()
		if idle {
			return nil
		}
		select {
		case <-changed:
		case <-s.over:
			return ErrNotSynced
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ErrNotSynced is the error of one who waits for a document that nobody syncs.
var ErrNotSynced = errors.New("the document is not synced any more")

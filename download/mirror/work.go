package mirror

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/internal/actor"
)

// report is what a worker says.
type report interface {
	tell(s *shell, now time.Time)
}

type (
	reviewed struct{ all []review }
	// found is an entry of which something is missing. The worker waits until it is told
	// whether to go on.
	found struct {
		scan  jobID
		entry document.Entry
	}
	scanned struct {
		scan jobID
		end  scanEnd
		err  error
	}
	fetched struct {
		fetch jobID
		err   error
	}
)

func (r reviewed) tell(s *shell, now time.Time) { s.state.reviewed(now, r.all) }
func (r found) tell(s *shell, _ time.Time)      { s.state.found(r.scan, r.entry) }

func (r scanned) tell(s *shell, now time.Time) {
	s.returned(r.scan)
	s.state.scanned(now, r.scan, r.end, r.err)
}

func (r fetched) tell(s *shell, now time.Time) {
	s.returned(r.fetch)
	s.state.fetched(now, r.fetch, r.err)
}

// say reports to the actor, unless that has ended.
func (s *shell) say(r report) {
	select {
	case s.reports <- r:
	case <-s.life.Done():
	}
}

// lead returns the context of a job that begins.
func (s *shell) lead(id jobID, l lead) context.Context {
	ctx, end := context.WithCancel(s.life)
	l.end = end
	s.jobs[id] = l
	return ctx
}

// review looks at the policies of documents.
func (s *shell) review(ids []document.ID) {
	all := make([]review, len(ids))
	for i, id := range ids {
		one, err := s.cfg.Documents.Info(s.life, id)
		gone := isGone(err) || err == nil && !one.Syncing
		all[i] = review{id, one.Policy, gone, err}
	}
	s.say(reviewed{all})
}

// isGone reports whether an error says that the document was removed.
func isGone(err error) bool {
	return errors.Is(err, document.ErrRemoved) || errors.As(err, new(*document.NotFoundError))
}

// scan has a worker go through what is missing of a document.
func (s *shell) scan(o scanning) {
	more := make(chan bool, 1)
	ctx := s.lead(o.id, lead{more: more})
	s.crew.Go(func() {
		end := stopped
		err := actor.Guard(name, s.cfg.Panicked, func() (err error) {
			end, err = s.goThrough(ctx, o, more)
			return err
		})
		if isGone(err) {
			end, err = gone, nil
		}
		s.say(scanned{o.id, end, err})
	})
}

func (s *shell) goThrough(ctx context.Context, o scanning, more <-chan bool) (scanEnd, error) {
	d, err := s.cfg.Documents.Document(ctx, o.document)
	if err != nil {
		return stopped, err
	}
	for l, err := range document.Missing(ctx, d, o.policy, o.from, s.cfg.Look) {
		if err != nil {
			return stopped, err
		}
		if _, carried := o.carried[string(l.Key)]; !carried && !s.offer(ctx, o.id, l.Entry, more) {
			return stopped, nil
		}
	}
	return complete, nil
}

// offer gives the actor an entry, and reports whether it wants more.
func (s *shell) offer(ctx context.Context, scan jobID, e document.Entry, more <-chan bool) bool {
	e.Key, e.Metadata = bytes.Clone(e.Key), bytes.Clone(e.Metadata) // and let the page go
	select {
	case s.reports <- found{scan, e}:
	case <-ctx.Done():
		return false
	}
	select {
	case m := <-more:
		return m
	case <-ctx.Done():
		return false
	}
}

// fetch has a worker fetch an entry.
func (s *shell) fetch(f fetching) {
	bytes := actor.NewSlot[uint64]()
	ctx := s.lead(f.id, lead{bytes: bytes})
	s.crew.Go(func() {
		err := actor.Guard(name, s.cfg.Panicked, func() error {
			return s.cfg.Fetch(ctx, f.document, f.entry, func(n uint64) { bytes.Publish(n, newer) })
		})
		s.say(fetched{f.id, err})
	})
}

func newer(_, n uint64) uint64 { return n }

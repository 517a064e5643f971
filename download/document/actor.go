package document

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/internal/actor"
)

// Store keeps documents in a datastore, under /documents:
//
//	list/ID                what there is: a record, written last and removed first
//	policy/ID              the policy
//	sync/ID                there is one when what is missing is to be fetched
//	entries/GENERATION/…   pages of entries, in the order of keys
//	pending/GENERATION     pages that belong to no document yet, or no more
//	complete/GENERATION/…  which of the entries are known to be complete
//	epoch                  of these
//
// So a document is there whole or not at all, also after the process was killed or the
// power lost. Many goroutines may use a store, and no two stores one datastore.
type Store struct {
	data      datastore.Batching
	sortBytes int // of entries that are held to be sorted

	loop  *actor.Loop
	inbox *actor.Inbox[request]
	open  context.Context // ends with [ErrClosed] when the store is closed
	shut  context.CancelCauseFunc
}

// inboxDepth lets as many callers go on to wait for their answers without waiting for room.
const inboxDepth = 64

// Option says how a store is made.
type Option func(*options)

type options struct{ fail func(error) }

// WithFail has someone told when the actor of the store broke: from then on everything fails
// with [ErrClosed], and what is stored stays as it is.
func WithFail(told func(error)) Option { return func(o *options) { o.fail = told } }

// NewStore returns the documents in a datastore, which stays the caller's and has to outlast
// the store. It has a goroutine: whoever makes a store closes it.
func NewStore(d datastore.Batching, with ...Option) *Store {
	var o options
	for _, option := range with {
		option(&o)
	}
	loop := actor.NewLoop("documents", o.fail)
	s := &Store{data: d, sortBytes: sortBytes, loop: loop, inbox: actor.InboxOf[request](loop, inboxDepth)}
	s.open, s.shut = context.WithCancelCause(context.Background())
	loop.Start(s.run)
	return s
}

// Close has everything fail with [ErrClosed] from now on, also for those who wait, ends the
// imports, and waits until those who are just writing have finished, or until ctx ends:
// these then still use the datastore, and the error says so. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.shut(ErrClosed)
	_, err := actor.Ask(ctx, s.inbox, func(reply chan<- struct{}) request { return end{reply} })
	switch {
	case errors.Is(err, actor.ErrClosed):
		err = nil
	case err != nil:
		err = fmt.Errorf("close documents: somebody is still writing: %w", err)
	}
	// The actor itself never waits for anybody.
	return errors.Join(err, s.loop.Stop(context.WithoutCancel(ctx)))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	state    *state
	callers  *actor.Numbers[ticket, *caller]
	watchers *actor.Numbers[watchID, *watcher]
	ends     []chan<- struct{} // of those who wait for the end
}

func newShell() *shell {
	return &shell{state: newState(), callers: actor.NewNumbers[ticket, *caller](), watchers: actor.NewNumbers[watchID, *watcher]()}
}

func (s *Store) run(ctx context.Context) {
	sh := newShell()
	defer sh.end()
	defer s.shut(ErrClosed)
	for {
		s.loop.Waiting(time.Now())
		select {
		case req := <-s.inbox.C():
			s.loop.Begin()
			sh.handle(req)
		case <-ctx.Done():
			return
		}
	}
}

// end has everybody end who watches.
func (s *shell) end() {
	for w := range s.watchers.All() {
		w.end()
	}
}

// handle hands a request to the state, performs what that returns, and confirms what is not
// answered by that.
func (s *shell) handle(req request) {
	switch req := req.(type) {
	case ask:
		req.who.reply = req.reply
		s.state.want(s.callers.Add(req.who), req.what)
	case report:
		req.who.reply = req.reply
		s.state.settled(s.callers.Of(req.who), req.epoch)
	case leave:
		s.leave(req.who, req.did)
		defer confirm(req.reply)
	case imports:
		req.reply <- s.imports()
	case watch:
		s.state.watch(s.watchers.Add(req.who), req.what)
		confirm(req.reply)
	case unwatch:
		if w := s.watchers.Of(req.who); w != 0 {
			s.state.unwatch(w)
		}
	case end:
		s.ends = append(s.ends, req.reply)
		s.state.close()
	}
	s.perform(s.state.take())
}

func confirm(reply chan<- struct{}) { reply <- struct{}{} }

func (s *shell) leave(c *caller, did change) {
	if who := s.callers.Of(c); who != 0 {
		s.callers.Remove(who)
		s.state.leave(who, did)
	}
}

func (s *shell) imports() []Import {
	var all []Import
	for _, c := range s.state.imports {
		one := c.what.(importing).Import
		if taken := s.callers.Party(c.who).taken.Get(); taken != nil {
			one.Entries = *taken
		}
		all = append(all, one)
	}
	return all
}

func (s *shell) perform(out effects) {
	for _, r := range out.answers {
		s.callers.Party(r.to).reply <- r.answer
		if r.last {
			s.callers.Remove(r.to)
		}
	}
	for _, w := range out.tell {
		s.watchers.Party(w).tell()
	}
	for _, w := range out.end {
		s.watchers.Remove(w).end()
	}
	if out.closed {
		for _, reply := range s.ends {
			confirm(reply)
		}
		s.ends = nil
	}
}

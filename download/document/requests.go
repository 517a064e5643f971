package document

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
)

// ErrClosed is the error of a store that was closed.
var ErrClosed = errors.New("documents can be neither read nor changed any more: their store was closed")

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	// ask is for what a caller wants, which has nothing and waits for nothing.
	ask struct {
		who   *caller
		what  want
		reply chan<- answer
	}
	// report says that a caller has done its duty.
	report struct {
		who   *caller
		epoch uint64
		reply chan<- answer
	}
	// leave gives back what a caller has, if it has anything.
	leave struct {
		who   *caller
		did   change
		reply chan<- struct{}
	}
	imports struct{ reply chan<- []Import }
	watch   struct {
		who   *watcher
		what  watched
		reply chan<- struct{}
	}
	unwatch struct{ who *watcher }
	end     struct{ reply chan<- struct{} } // answered when nobody has anything
)

func (ask) isRequest()     {}
func (report) isRequest()  {}
func (leave) isRequest()   {}
func (imports) isRequest() {}
func (watch) isRequest()   {}
func (unwatch) isRequest() {}
func (end) isRequest()     {}

// caller is who has something of the actor, or waits for it.
type caller struct {
	reply chan<- answer          // of what it waits for; the actor's
	taken actor.Snapshot[uint64] // entries, of an import
}

// obtain returns when a caller has what it wants, which it has to leave then. It does what
// has to be done before. When it fails the caller has nothing: the error is that of ctx, of
// the datastore, [ErrClosed], or why it cannot have it.
func (s *Store) obtain(ctx context.Context, c *caller, what want) (a answer, err error) {
	has := false
	defer func() {
		if !has {
			s.leave(c, unchanged)
		}
	}()
	a, err = s.answer(ctx, func(reply chan<- answer) request { return ask{c, what, reply} })
	for err == nil && a.do != noDuty {
		var epoch uint64
		if epoch, err = s.doDuty(ctx, a); err == nil {
			a, err = s.answer(ctx, func(reply chan<- answer) request { return report{c, epoch, reply} })
		}
	}
	has = err == nil
	return a, err
}

func (s *Store) answer(ctx context.Context, build func(reply chan<- answer) request) (answer, error) {
	a, err := actor.Ask(ctx, s.inbox, build)
	if errors.Is(err, actor.ErrClosed) {
		err = ErrClosed
	}
	if err == nil {
		err = a.err
	}
	return a, err
}

// leave returns when a caller has nothing any more, and who watches was told.
func (s *Store) leave(c *caller, did change) {
	// It fails when the actor has ended: then nobody has anything.
	_, _ = actor.Ask(context.Background(), s.inbox, func(reply chan<- struct{}) request { return leave{c, did, reply} })
}

// turn is one that a caller has with a document.
type turn struct {
	generation string // of the import that is under way
	did        change // so far; it is told when the turn ends, also when the rest has failed
}

// inTurn does something with a document while nobody else has a turn with it, in the
// goroutine of the caller.
func (s *Store) inTurn(ctx context.Context, what turnWith, do func(*turn) error) error {
	c := &caller{}
	a, err := s.obtain(ctx, c, what)
	if err != nil {
		return err
	}
	t := &turn{generation: a.generation}
	defer func() { s.leave(c, t.did) }()
	return do(t)
}

// Import is the making of a document that is under way.
type Import struct {
	ID      ID        `json:"id"`
	Name    string    `json:"name"`
	Root    cid.Cid   `json:"root"`
	Begun   time.Time `json:"begun"`
	Entries uint64    `json:"entries"` // so far
}

// Imports returns the imports that are under way, in the order of their begin; none of a
// store that was closed.
func (s *Store) Imports() []Import {
	all, _ := actor.Ask(context.Background(), s.inbox, func(reply chan<- []Import) request { return imports{reply} })
	return all
}

// watcher is who watches something. The actor alone calls its functions, which do not block.
type watcher struct {
	tell func()
	end  func()
}

// Watch returns a channel on which there is something when a document was made or removed
// or has another policy than when it was last read, or may have. It never holds more than
// one, and nobody waits for its reader. It is closed when ctx ends or the store is closed.
func (s *Store) Watch(ctx context.Context) <-chan struct{} { return s.notes(ctx, watched{}) }

// WatchDeletions returns a channel on which there is something when a deletion of blocks
// ([Store.Deleting], [Store.Keep]) has ended since it was last read: what was complete may
// not be any more. Otherwise it is as that of [Store.Watch].
func (s *Store) WatchDeletions(ctx context.Context) <-chan struct{} {
	return s.notes(ctx, watched{deletions: true})
}

// notes returns a channel on which there is something when something has happened.
func (s *Store) notes(ctx context.Context, what watched) <-chan struct{} {
	happened := actor.NewSlot[struct{}]()
	w := &watcher{
		tell: func() { happened.Publish(struct{}{}, func(_, newer struct{}) struct{} { return newer }) },
		end:  happened.Close,
	}
	if s.watch(ctx, w, what) != nil {
		ended := make(chan struct{}) // The other may still be the actor's.
		close(ended)
		return ended
	}
	return happened.C()
}

// watch has someone told of what happens until ctx ends.
func (s *Store) watch(ctx context.Context, w *watcher, what watched) error {
	_, err := actor.Ask(context.WithoutCancel(ctx), s.inbox, func(reply chan<- struct{}) request { return watch{w, what, reply} })
	if err != nil {
		return ErrClosed
	}
	context.AfterFunc(ctx, func() { s.unwatch(w) })
	return nil
}

// unwatch returns at once; the watcher ends soon.
func (s *Store) unwatch(w *watcher) {
	_ = s.inbox.Send(context.Background(), unwatch{w}) // Fails when the actor has ended, and all watchers with it.
}

// Load is how busy the actor is and what waits for it. It never waits for it.
func (s *Store) Load(now time.Time) actor.Load { return s.loop.Load(now) }

// Turn is how long the actor has been at work on what it last received.
func (s *Store) Turn(now time.Time) time.Duration { return s.loop.Turn(now) }

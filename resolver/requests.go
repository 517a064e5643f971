package resolver

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// command is what the inbox of the actor holds.
type command interface{ isCommand() }

type (
	placed struct{ orders []order }
	called struct { // by a Get
		order  order
		caller *caller
	}
	left struct {
		key    Key
		caller *caller
	}
	cancelled struct{ keys []Key }
	cleared   struct{}
	unblocked struct{ peer peer.ID }

	statQuery    struct{ reply chan<- Stat }
	keysQuery    struct{ reply chan<- []Key }
	fetchesQuery struct {
		after uint64
		most  int
		reply chan<- FetchPage
	}
	peersQuery struct {
		after peer.ID
		most  int
		reply chan<- PeerPage
	}
)

func (placed) isCommand()       {}
func (called) isCommand()       {}
func (left) isCommand()         {}
func (cancelled) isCommand()    {}
func (cleared) isCommand()      {}
func (unblocked) isCommand()    {}
func (statQuery) isCommand()    {}
func (keysQuery) isCommand()    {}
func (fetchesQuery) isCommand() {}
func (peersQuery) isCommand()   {}

// caller is who waits in a Get.
type caller struct {
	reply chan reply // has room for the one there is
}

// mostOrders is how many keys go to the actor at a time, so that a call for very many
// keeps it from nothing for longer than a tenth of a millisecond.
const mostOrders = 256

// FetchOption bounds a fetch.
type FetchOption func(*order)

// WithDeadline ends the fetch with [ErrDeadline] when its value has not come by then.
// Of several orders for a key the latest deadline counts, or none.
func WithDeadline(t time.Time) FetchOption { return func(o *order) { o.deadline = t } }

// WithAttempts ends the fetch with [ErrAttempts] when so many peers were asked and none
// has given a value that is good. Of several orders for a key the highest number counts,
// or none. Below 1 is none.
func WithAttempts(n int) FetchOption { return func(o *order) { o.attempts = max(n, 0) } }

// Fetch fetches a key from any of the peers, until the Consumer has taken its value or
// somebody ends the fetch. A fetch from targets that goes on is not restricted any more.
// It returns when the resolver knows of it: with a [*KeyError], [ErrClosed], or the
// error of ctx.
func (r *Resolver) Fetch(ctx context.Context, key Key, opts ...FetchOption) error {
	return r.FetchAll(ctx, []Key{key}, opts...)
}

// FetchAll is [Resolver.Fetch] of many keys. When ctx ends before all of them are known
// some are fetched.
func (r *Resolver) FetchAll(ctx context.Context, keys []Key, opts ...FetchOption) error {
	orders := make([]order, len(keys))
	for i, k := range keys {
		orders[i] = order{key: k}
	}
	return r.place(ctx, orders, opts)
}

// FetchTargeted fetches a key from targets and nobody else, whether they are among the
// peers already or come to be. For a key that is fetched from targets it adds to those;
// one that is fetched from all stays so. When all targets have sent what is not good the
// fetch waits for new ones.
func (r *Resolver) FetchTargeted(ctx context.Context, key Key, targets []peer.ID, opts ...FetchOption) error {
	return r.FetchAllTargeted(ctx, []Targeted{{key, targets}}, opts...)
}

// Targeted is a key and who may be asked for it.
type Targeted struct {
	Key   Key
	Peers []peer.ID
}

// FetchAllTargeted is [Resolver.FetchTargeted] of many keys.
func (r *Resolver) FetchAllTargeted(ctx context.Context, all []Targeted, opts ...FetchOption) error {
	orders := make([]order, len(all))
	for i, t := range all {
		orders[i] = order{key: t.Key, targeted: true, targets: slices.Clone(t.Peers)}
	}
	return r.place(ctx, orders, opts)
}

// place tells the actor of orders, in pieces, if all of them are right.
func (r *Resolver) place(ctx context.Context, orders []order, opts []FetchOption) error {
	for i := range orders {
		if err := r.check(orders[i].key); err != nil {
			return err
		}
		for _, o := range opts {
			o(&orders[i])
		}
	}
	for some := range slices.Chunk(orders, mostOrders) {
		if err := r.send(ctx, placed{some}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Resolver) check(k Key) error {
	if len(k) != r.keySize {
		return &KeyError{k, r.keySize}
	}
	return nil
}

// send tells the actor something.
func (r *Resolver) send(ctx context.Context, req command) error {
	return closing(r.inbox.Send(ctx, req))
}

// closing says in the words of this package that the actor has ended.
func closing(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}

// From has a fetch ask the given peers and nobody else, as [Resolver.FetchTargeted]
// does.
func From(targets ...peer.ID) FetchOption {
	return func(o *order) { o.targeted, o.targets = true, slices.Clone(targets) }
}

// Get fetches a key and returns its value when the Consumer has found it good, which the
// caller must not change. It joins a fetch of the key that goes on. A fetch that nobody
// but Gets waits for ends with the last of them, and the Consumer is not told. It blocks
// until the value is there, the fetch has ended without, which it says with
// [ErrCancelled] or a [*FetchError], or ctx ends; it returns a [*KeyError] or
// [ErrClosed], too.
func (r *Resolver) Get(ctx context.Context, key Key, opts ...FetchOption) ([]byte, error) {
	if err := r.check(key); err != nil {
		return nil, err
	}
	me := &caller{make(chan reply, 1)}
	o := order{key: key}
	for _, opt := range opts {
		opt(&o)
	}
	if err := r.send(ctx, called{o, me}); err != nil {
		return nil, err
	}
	select {
	case got := <-me.reply:
		return got.value()
	case <-r.loop.Done():
	case <-ctx.Done():
		// The actor waits for nobody, so this does not take long.
		_ = r.inbox.Send(context.WithoutCancel(ctx), left{key, me})
	}
	select {
	case got := <-me.reply: // in the same moment
		return got.value()
	default:
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, ErrClosed
}

func (r reply) value() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	return whole(r.parts), nil
}

// whole is a value in one piece.
func whole(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	return bytes.Join(parts, nil)
}

// Cancel ends fetches; the Consumer is told, with [ErrCancelled]. Keys that are not
// fetched are passed over. When the Consumer is just looking at a value and finds it
// good, it is not told of the cancel.
func (r *Resolver) Cancel(ctx context.Context, keys ...Key) error {
	for some := range slices.Chunk(slices.Clone(keys), mostOrders) {
		if err := r.send(ctx, cancelled{some}); err != nil {
			return err
		}
	}
	return nil
}

// Clear cancels all fetches.
func (r *Resolver) Clear(ctx context.Context) error { return r.send(ctx, cleared{}) }

// Retain cancels all fetches but those of keys that are to be kept. Keep is called in
// the goroutine of the caller, for what is fetched at the moment.
func (r *Resolver) Retain(ctx context.Context, keep func(Key) bool) error {
	keys, err := query(ctx, r.inbox, func(reply chan<- []Key) command { return keysQuery{reply} })
	if err != nil {
		return err
	}
	return r.Cancel(ctx, slices.DeleteFunc(keys, keep)...)
}

// Unblock lets a peer be asked again that is blocked. The targets that it was do not
// come back.
func (r *Resolver) Unblock(ctx context.Context, p peer.ID) error { return r.send(ctx, unblocked{p}) }

// Stat returns what the resolver is at and has done.
func (r *Resolver) Stat(ctx context.Context) (Stat, error) {
	stat, err := query(ctx, r.inbox, func(reply chan<- Stat) command { return statQuery{reply} })
	if err == nil && r.server != nil {
		served := r.server.Stat(ctx)
		stat.Serving = &served
	}
	return stat, err
}

// Fetches returns fetches in the order in which they began: at most most of them, and at
// most 1,000, of those behind after, which is 0 at first and then the Next of the page
// before.
func (r *Resolver) Fetches(ctx context.Context, after uint64, most int) (FetchPage, error) {
	return query(ctx, r.inbox, func(reply chan<- FetchPage) command { return fetchesQuery{after, page(most), reply} })
}

// Peers returns what is known of peers, by id: at most most of them, and at most 1,000,
// of those behind after, which is empty at first and then the Next of the page before.
func (r *Resolver) Peers(ctx context.Context, after peer.ID, most int) (PeerPage, error) {
	return query(ctx, r.inbox, func(reply chan<- PeerPage) command { return peersQuery{after, page(most), reply} })
}

// mostPage bounds what is told at a time: a millisecond of the actor's time.
const mostPage = 1000

func page(most int) int {
	if most <= 0 {
		return mostPage
	}
	return min(most, mostPage)
}

func query[R any](ctx context.Context, in *actor.Inbox[command], build func(chan<- R) command) (R, error) {
	got, err := actor.Ask(ctx, in, build)
	return got, closing(err)
}

// Load is how busy the actor is and what waits for it. It never waits for it.
func (r *Resolver) Load(now time.Time) actor.Load { return r.loop.Load(now) }

// Turn is how long the actor has been at work on what it last received.
func (r *Resolver) Turn(now time.Time) time.Duration { return r.loop.Turn(now) }

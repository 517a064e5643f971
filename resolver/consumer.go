package resolver

import (
	"context"

	"github.com/souk-p2p/souk/resolver/server"
)

// Consumer is the application of a resolver. Its methods are called in goroutines of
// the resolver, at most Config.Consumers at once, and never two at once about one key.
// They may be slow: then values wait, at most Limits.Undelivered bytes of them.
type Consumer interface {
	// Deliver says whether value is what key stands for. It must not change value, and
	// may keep it: a [Resolver.Get] may have got the same bytes. The peer that has sent
	// what is not is blocked. Ctx ends with the resolver. One that panics has said
	// nothing: the value is fetched again, after 100 ms by default and at most 30 s, twice
	// as long each time, and nobody is blamed. One that does not return keeps its value and
	// its place among the calls.
	Deliver(ctx context.Context, key Key, value []byte) bool
	// Failed is told that a fetch has ended without a value. Why is [ErrCancelled] or a
	// [*FetchError]. It is not called when the resolver closes, nor for a fetch that only
	// [Resolver.Get] has begun.
	Failed(key Key, why error)
}

// ErrNone says that a [Producer] has not got a value.
var ErrNone = server.ErrNone

// Producer gives values to other resolvers.
type Producer interface {
	// Produce returns the value of a key, of Config.KeySize bytes, or [ErrNone]. It runs
	// in a goroutine of the resolver, several at a time, and ends with ctx. What it
	// returns must not be changed afterwards. Any other error is answered "busy": who
	// asks tries elsewhere, and may come again.
	Produce(ctx context.Context, key Key) ([]byte, error)
}

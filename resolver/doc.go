// Package resolver fetches values by keys of a fixed length from peers, and lets the
// application say whether what came is what the key stands for: the key need not be a
// hash of the value. [New] starts a [Resolver] on an exchange, which serves others as
// well when it is given a [Producer].
//
// One key is one fetch, with at most one outstanding request, two when a late one is
// hedged. Only targets are asked where there are some, and never a blocked peer. A peer
// that performs is asked first; one that sends what the [Consumer] refuses is blocked. A
// fetch lasts until its value has come or somebody ends it.
//
// Owns: the fetches; what is known of each peer; the stream to each peer in use; the
// values that come in parts or wait for the Consumer.
//
// Receives: orders, cancels and questions from callers; the set of peers from its
// [Source]; from the goroutines of streams, what was opened, heard and written, and why
// a stream has ended; what the Consumer says.
//
// Sends: requests to the writer of each stream, when that has written the last; values
// and failures to a crew that calls the Consumer; to callers what they wait for; to the
// ledger how peers perform and what they did wrong.
//
// Who waits: callers and readers of streams wait for the actor, each with one thing to
// say, and nobody waits for them. The actor waits for nobody: not for a peer, and not
// for the Consumer, which may be slow, get stuck or panic. In a turn completions are
// taken in first, then requests, those for the same key folded into one, then one
// request is sent: neither a flood of answers nor one of orders keeps it from sending.
//
// Bounds: see [Limits] and [Config]. A fetch that waits costs some hundred bytes, and
// neither a turn nor a tick looks through them. One stream to a peer, with 256 requests
// at most that its writer has not taken. Values count from the moment when they are
// asked for until the Consumer has said what they are worth.
//
// Ordering: what one goroutine orders and cancels is taken in in that order. The
// Consumer hears of one key one thing after the other.
//
// Goroutines: two for each open stream, one while a stream is opened or ended, one that
// follows the source of peers, and one for each call of the Consumer. A stream on which
// nothing was asked for the timeout and 20 s is ended, in order.
//
// Shutdown: [Resolver.Close], or the end of the exchange, ends the fetches without a word
// to the Consumer, resets the streams, and waits for the goroutines, 2 s at most.
package resolver

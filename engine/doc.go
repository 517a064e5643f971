// Package engine answers the wants of others. It is an actor.
//
// Owns: the wantlist of each peer that wants something from us, the queue of
// answers to each, how many bytes are on their way to whom, and how often each
// block was sent out.
//
// Receives: wantlists from the readers of streams ([Engine.ReceiveWants], which
// blocks while there is no room); blocks that came into the store, through a
// slot ([AvailablePort]); the latest state of peers, from a [Watch]; reports of
// what was sent; results of its workers, of which there are as many as jobs; queries.
//
// Sends: blocks, HAVE and DONT_HAVE to peers through a [Sender]; what was sent
// to the ledger; jobs to its workers, who ask the store. The loop itself never
// does.
//
// A want for a block that is there is a task; a want for one that is not is a
// subscription, answered DONT_HAVE if that was asked for, and kept until the
// block arrives, the want is withdrawn or the peer leaves. A store that fails
// has not said that a block is missing: the want is kept and looked up again. A
// call of the store that does not return has failed after a while, and the wants
// of other blocks go on beside it.
//
// Bounds: see [Limits]. A peer with all its tasks taken has its streams paused;
// its cancels still count as soon as they are read. A peer that does not read
// has at most two messages of blocks and one of presences on their way, and no more
// read ahead than it took of late while the store was reading.
//
// Ordering: the highest priority first within a peer, then what was sent out
// least often; between peers, who got the fewest bytes, weighed by debt.
// Blocks and presences go on different lanes and may overtake each other.
//
// Draining: after [Engine.Drain] nothing new is taken, and what was promised is
// finished. A drain ends with the last of that, or with its caller's patience.
//
// Shutdown: [Engine.Stop] ends the loop and then the workers; callers that wait
// get [actor.ErrClosed]. Calls of the store that do not return are left behind.
package engine

// Package carrier carries what an actor says to peers and hears from them: it opens
// streams, reads and writes them, and ends them, each in goroutines of its own, and
// reports to the actor. It owns nothing of what is said, and decides nothing.
//
// Who waits: a reader waits until the actor takes what it has read, and so the peer
// does. The actor waits for nobody: a writer has room for what it is handed, which is
// handed over when it has reported what was before; opening and ending a stream, which
// may take the time of others, are done in goroutines of their own.
package carrier

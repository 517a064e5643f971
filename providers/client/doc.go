// Package client is the actor that speaks to trackers: a peer's side of
// /souk/tracker/1.0.0. It keeps one stream to each tracker in use, and asks and tells
// over it. What to ask of which tracker is decided by its callers, who see how the
// trackers are, and who check what the rows of an answer say.
//
// Owns: the set of trackers, which is the pinned ones, those that were added and those
// of a signed list; for each tracker its stream, whether it is down, how often its
// connection was lost, its latency, and the rows that we have there; for each stream
// the calls on it, in the order of their numbers.
//
// Receives: calls, and that their callers wait no longer; added and pinned trackers, and verified
// lists. From the goroutines of streams, what was opened, heard and written, and why
// a stream has ended. From libp2p, who disconnects.
//
// Sends: frames to the writer of each stream, when that has written the last; to a
// caller its one outcome, and to a subscriber its notices, through a slot; the set and
// how it is, to all who look and to every [Watch]; to the network, which connections
// are to be kept: those to trackers at which we have a row or a subscription.
//
// Who waits: callers and readers wait for the actor, each with one thing to say, and
// nobody waits for them: a tracker that says too much is read no faster than the
// actor takes it in, and callers get their turn between. The actor waits for nobody.
// A writer has room for what it is given, which it is given when it has written what
// was before; replies and slots have room; opening and ending a stream, which may take
// the time of others, and verifying a list are done in goroutines of their own. Who
// notes a disconnection fills a place that each tracker has, or finds it full.
//
// Bounds: one stream to a tracker, 16 frames with its writer; other requests wait in
// the actor, each with a caller behind it. 16 subscriptions with one unread notice
// each. 64 requests in the inbox. A tracker gets nothing by saying more than it was
// asked for: an answer to nothing, of another kind, with more rows than were asked
// for, a frame over the limit, and more notices than 32 a second in the long run each
// end the stream with a reset.
//
// A call ends with its answer, with its stream, or when its caller gives it up, and
// which of them came first the actor decides, once: the caller waits for that, not
// longer than a second.
//
// Down: a tracker that could not be reached, cut its stream, let a call time out or
// broke the rules is not asked for a second, then for two, and so on up to half a
// minute, each time up to a quarter less. An answer ends that.
//
// Ordering: what one goroutine asks and tells a tracker is sent in that order, so
// that a withdrawal does not overtake the announcement before it. Answers may come
// in any order. Notices of a subscription come in the order of the stream. What an
// outcome says of a tracker is seen in the set before the outcome comes.
//
// Goroutines: two for each open stream, which read and write; one while a stream is
// being opened or ended, and one while a list of trackers is asked for. A tracker to
// which nothing was said for 30 s, and with no subscription, has none. Its stream is
// ended in order: our side first, then the tracker's; after 5 s it is reset.
//
// Shutdown: [Client.Stop] takes nothing more in, ends the calls, resets the streams,
// lets the connections go, and waits for the goroutines.
package client

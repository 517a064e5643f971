// Package client is a peer's side of /souk/tracker/1.0.0: it knows the trackers,
// keeps one stream to each that is in use, and asks and tells over it. Like package
// network it does I/O under small locks; what to ask of which tracker is decided
// by its callers, who see how the trackers are, and who check what the rows of an
// answer say.
//
// Owns: the set of trackers, which is the pinned ones, those that were added and those
// of a signed list; for each tracker its stream, whether it is down, how often its
// connection was lost, its latency, and the rows that we have there.
//
// Receives: calls, from any goroutine; what trackers answer and tell; who
// disconnects, from the network.
//
// Sends: requests to trackers; the set and how it is, to every [Watch]; notices of
// new rows, to who has subscribed, in the goroutine of that call; to the network,
// which connections are to be kept: those to trackers at which we have a row or a
// subscription.
//
// Bounds: one stream to a tracker and one attempt to open it at a time, 16 unsent
// frames, 16 subscriptions with one unread notice each, a request for each caller.
// A tracker gets nothing by saying more than it was asked for: an answer to nothing,
// of another kind, with more rows than were asked for, a frame over the limit, and
// more notices than 32 a second in the long run each end the stream with a reset.
//
// Down: a tracker that could not be reached, cut its stream, let a call time out or
// broke the rules is not asked for a second, then for two, and so on up to half a
// minute, each time up to a quarter less. An answer ends that.
//
// Ordering: what one goroutine asks and tells a tracker is sent in that order, so
// that a withdrawal does not overtake the announcement before it. Answers may come
// in any order. Notices of a subscription come in the order of the stream.
//
// Goroutines: two for each open stream, which read and write; one while a stream is
// being opened, and one while a list of trackers is asked for. A tracker to which
// nothing was said for 30 s, and with no subscription, has none.
//
// Shutdown: [Client.Stop] ends all streams, and with them the calls, and waits for
// the goroutines.
package client

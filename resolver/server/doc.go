// Package server is the actor that answers the requests of other resolvers: a
// peer's serving side of /souk/resolver/1.0.0. What a key stands for is known to the
// application, whose Produce it calls.
//
// Owns: the requests of each peer that wait; the calls of Produce and who waits for
// each; the answers to each stream that are not written; values larger than a part
// that were asked for lately.
//
// Receives: streams that are opened and end; requests from the readers of streams;
// what writers have written; what was produced.
//
// Sends: leave to read on, to each reader for each request; answers to the writer of
// each stream, when that has written the last; keys to a crew that calls Produce.
//
// Who waits: a reader waits for the actor with one request, and nobody waits for it.
// The actor waits for nobody: a writer has room for what it is given, results have
// places reserved, and Produce, which may be slow, get stuck or panic, runs in
// goroutines of the crew.
//
// Fairness: peers with something to be done take turns, one request at a time. A
// peer that has as many calls of Produce as it may, or as many bytes that it does
// not read, is passed over until that changes, and holds up nobody. Who asks for what
// is being produced already, or for a part of a value that is kept, needs no turn: a
// slow Producer does not keep from others what is here.
//
// Bounds: see [Limits]. What is asked above them is answered busy; who does not read
// its answers is not read. Every request gets one answer, or its stream is
// reset: what waits too long, and what Produce fails to give in time, is answered
// busy, which is not "none": a fault is not an absence.
//
// Ordering: none between the requests of a stream; each is answered when it can be.
//
// Goroutines: one that writes for each stream, whose reader is the network's; two for
// each call of Produce. A call that does not return within twice its time is left
// behind, and its key is refused until it does.
//
// Shutdown: [Server.Stop] resets the streams, cancels what is being produced, and
// waits for the goroutines.
package server

// Package tracker is the actor that knows who announced what, and answers with a
// few of them. What it knows is a [Table], which simulations use without the
// actor; [Rank] and [Top], which trackers a place is at, are for clients too.
//
// Owns: a row for each namespace, or shard of it, that a peer announced, by
// announcer, place, prefix and time; the rates of peers and prefixes; what was
// answered lately, for feedback; CIDs that namespaces served, for probes; who is
// connected and who watches what.
//
// Receives: from the goroutine of each stream ([Tracker.Serve]) what its peer
// announces, first what is known of that without the signature, then, when the
// goroutine has verified it, all; touches, queries, feedback, subscriptions, and
// what was against the rules; results of probes; pieces of what was kept; the time.
//
// Sends: verdicts and answers to who asked; notices of new rows to the writers of
// streams with subscriptions, through a slot each; probes to workers; pieces of a
// snapshot to the keeper. A record of narrow ranges has a row for each of their
// shards; a query with a point looks among the rows of the namespace first and
// then among those of the shard.
//
// Bounds: see [Limits]. The table's memory is counted to the byte where it is
// taken, as the allocator rounds it, and what would go beyond is refused. When a
// namespace or the table is full, the prefix with most rows loses its newest that
// has not proved itself, and nobody does for one who has as many. An answer has at
// most 64 rows, and looks at 4,096. A peer has 4 streams and all have 4,096; rows
// on their way to one take 16 KiB, and 256 KiB for 64 streams at a time. Who does
// not read its notices is told that there is more. Who asks too much is refused
// and then not read for up to a second; who sends little but what is against the
// rules loses its stream. Four probes are made at a time.
//
// Ordering: the requests of a stream take effect and are answered in their order. A
// row's sequence only grows, from its announcement until two hours after its
// withdrawal. Notices tell how it is, not what was in between.
//
// Shutdown: Stop resets the streams, whose Serve returns, and ends probes and the
// keeper. What was announced since the last minute's snapshot is announced again.
package tracker

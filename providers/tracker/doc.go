// Package tracker knows who announced what, and answers with a few of them. It is
// the table that the tracker's actor owns; [Rank] and [Top], which trackers a
// place is at, are for clients too.
//
// Owns: a row for each namespace that a peer announced, by announcer, namespace,
// prefix and time; the rates of peers and prefixes; what was answered lately, for
// feedback; CIDs that namespaces served, for probes; who watches what.
//
// Receives: announcements, first what is known of them ([Table.MayAnnounce]),
// then, with the signature verified, all ([Table.Announce]); refreshes, queries
// and feedback; results of probes; watches; the time ([Table.Tick], [Table.Notices]
// and [Table.Probes], each second or so); snapshots of a table that was.
//
// Sends: nothing. Every call returns what there is to tell. A record of narrow
// ranges has a row for each of their shards; a query with a point looks among the
// rows of the namespace first and then among those of the shard.
//
// Bounds: see [Limits]. Memory is counted to the byte where it is taken, as the
// allocator rounds it, and what would go beyond is refused. When a namespace or
// the table is full, the prefix with most rows loses its newest that has not
// proved itself, and nobody does for one who has as many. An answer has at most 64
// rows, and looks at 4,096.
//
// Ordering: a row's sequence only grows, from its announcement until two hours
// after its withdrawal. Notices tell how it is, not what was in between.
//
// Shutdown: [Table.Snapshot] is what to keep. A table needs no end.
package tracker

// Package ledger is the actor that keeps one account per peer: what passed
// between us and it, how fast it is, and what it did wrong. It is the one
// source of peer scores.
//
// Owns: the accounts, and the published [Scores].
//
// Receives: batches of [Delta] through one [Port] per producer (engine, block
// router, want manager, peer router, and services while they run); faults from readers of streams; queries.
//
// Sends: receipts to who asked, and an immutable [Scores] that anybody reads. It
// sends nothing to another actor, and tells the network what connections are worth.
//
// Bounds: at most [DefaultPeers] accounts. An account outlives the connection
// only when bytes, blocks or faults passed; wants and presences alone make none
// that lasts. When there is no room, peers that are not connected go first, of
// those the ones that only ever sent faults (of which at most
// [DefaultStrangers] are kept), then the ones whose last exchange is longest
// ago. What waits in a port is merged per peer.
//
// Ordering: a query sees everything that was recorded before it was sent.
// Deltas of one port are applied in order. Scores follow within [RefreshEvery].
//
// Keeping: a goroutine beside the actor asks it every 10 s which accounts have changed,
// and writes 128 at a time to a datastore. What it cannot write it tries again; what a
// crash leaves out is at most those seconds. [Load] brings accounts back before the start.
// Who is connected by then is not: it has to connect again.
//
// Shutdown: [Ledger.StopKeeping] writes what is left, within a second or as long as the
// store takes. After [Ledger.Stop] records and faults are dropped, queries find
// nothing, and the last Scores stay readable.
package ledger

// Package session is the actor that groups related wants and decides what to
// ask of whom. Everything that an embedder fetches goes through one.
//
// Owns: its wants and the calls that wait for them; for each peer in use what
// it said, how it performs and what is asked of it.
//
// Receives: want, finish, cancel and consumed from calls; blocks and presences
// from BlockRouter; available, gone, unreachable and denied from PeerRouter; each
// peer's window from WantManager; candidates from Providers.
//
// Sends: to BlockRouter, PeerRouter, WantManager and Providers through its
// links to them (floor 2 never blocks, so these may); to calls their results,
// each through its own slot.
//
// Bounds: at most the budget that WantManager gives (16 MiB by default) in
// flight or undelivered, beyond the two blocks that every open call always may
// have, counting a block that is not here yet as the largest of late; what was
// asked for before the blocks became larger is taken back. 4,096 wants taken in
// of a streamed call. 32 wants at a time in search of peers, and 32 that K other
// peers are asked about twice a second while those that have them are busy.
//
// Ordering: the wants of one slice are asked for in an order of our own, those
// of a stream in the order of the stream. Results come as they come.
//
// Shutdown: Close fails what is open, withdraws every want, and drains the
// links until the routers close them.
package session

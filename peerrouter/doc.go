// Package peerrouter is the actor that knows which peers are connected and who
// wants to hear of them.
//
// Owns: the connected peers; for each peer the links interested in it; the
// dials under way and their backoff.
//
// Receives: interest, cancel, cancelAll and watch from links (sessions,
// Providers); the latest state of peers from Network; results of dials.
//
// Sends: available, gone and unreachable to links, each through its own slot;
// dials to workers; connected and gone to the Ledger.
//
// Bounds: one entry a connected peer, one a (link, peer) of interest; at most
// Config.Dials dials at once; an unread slot holds one entry a peer.
//
// Ordering: a link hears of one peer in the order in which things happened; of
// what it has not read yet it hears the last word only.
//
// Shutdown: Stop ends the dials and closes every link's channel. After
// CancelAll a link drains its channel until that closes.
package peerrouter

// Package peerrouter is the actor that knows which peers are connected and who
// wants to hear of them.
//
// Owns: the connected peers; for each peer the links interested in it; the
// dials under way, those that wait and their backoff.
//
// Receives: interest, cancel, cancelAll and watch from links (sessions,
// Providers); the latest state of peers from Network; results of dials.
//
// Sends: available, gone, unreachable and denied to links, each through its own slot;
// dials to workers; connected and gone to the Ledger.
//
// Bounds: one entry a connected peer, one a (link, peer) of interest; at most
// Config.Dials dials at once; an unread slot holds one entry a peer. An event
// costs what the links cost that hear of it, and the logarithm of the peers that
// wait for a dial.
//
// Ordering: a link hears of one peer in the order in which things happened; of
// what it has not read yet it hears the last word only. Dials begin in the order
// in which they are due.
//
// Dialling: a peer that somebody is interested in is dialled at once and, after
// each failure, with doubled pauses. One that is lost is dialled at once, too;
// only when its connections do not even last as long as a pause do those grow.
//
// Denial: a peer that is not to be asked is neither dialled nor told to be available,
// so that nobody who asks peers has to know the rules. It stays connected if it is.
//
// Shutdown: Stop takes nothing more in, closes every link's channel, those as
// well that were opened at the last moment, ends the dials and waits for them.
// After CancelAll a link drains its channel until that closes.
package peerrouter

// Package blockrouter is the actor that all blocks pass through: it knows which
// sessions wait for which CID and is the only writer of received blocks.
//
// Owns: for each CID the links that want it or are interested in it; the blocks
// received and not yet stored; the CIDs received lately, to tell a duplicate
// from a block that nobody asked for.
//
// Receives: want, load, cancel and cancelAll from links (sessions), blocks put
// by callers of the API; verified blocks and presences from the readers of
// Network; results of the workers that read and write the store.
//
// Sends: to links what they wait for, each through its own slot; to the store's
// workers one job at a time; to the Engine which blocks are available, after
// they are stored; to the Ledger what was received.
//
// Bounds: one entry a (link, CID) wanted; at most Config.StoreBytes received
// and not stored, beyond which inbound messages are not read, which the peers'
// streams feel; a slot holds each wanted block and presence once. Local blocks
// are read only when their link asks for the load.
//
// Ordering: requests of one link keep their order; so do the messages of one
// stream. Blocks are stored in the order in which they came.
//
// Shutdown: Stop takes nothing more in, stores what was received, and closes
// every link's channel. After CancelAll a link drains its channel until then.
package blockrouter

// Package blockrouter is the actor that all blocks pass through: it knows which
// sessions wait for which CID and is the only writer of received blocks.
//
// Owns: for each CID the links that want it, or got it lately and are still
// interested in who has it; for each (peer, CID) the links that only listen; what
// is to be looked up in the store; the blocks received and not yet stored.
//
// Receives: want, load, cancel, listen and cancelAll from links (sessions,
// probes), blocks put by callers of the API; verified blocks and presences from
// the readers of Network; results of the workers that read and write the store.
//
// Sends: to links what they wait for, each through its own slot; to the store's
// workers, each of which has one job; to the Stage which blocks wait to be stored,
// so that they can be read; to the Engine which blocks are available, after they
// are stored; to the Ledger what was received.
//
// Bounds: one entry a (link, CID) wanted, and 32 of interest a link; one a (link,
// peer, CID) listened to; at most Config.StoreBytes received and not stored, and
// one message more, beyond which inbound messages are not read, which the peers'
// streams feel; a slot holds each wanted block, CID and presence about once.
// Local blocks are read only when their link asks for the load.
//
// Ordering: requests of one link keep their order; so do the messages of one
// stream. Blocks are staged, delivered, stored in the order in which they came,
// and only then announced. Links take turns at the store, and loads come before other
// look-ups. Answers of the store are to the wants of the time when it was asked:
// a want that was cancelled and renewed gets its own.
//
// A store that fails or panics is an error for what it was asked, and nothing
// else: blocks are looked for at peers, delivered, and not announced. So is a
// call of the store that does not return: it is given up, and others go on
// beside it, until too many are stuck; then the store counts as failed for
// everything. Until a write is given up, which takes at most a minute, a full
// bound holds up what peers send, never puts and cancels.
//
// Shutdown: Stop takes nothing more in, delivers what is in the inbox of the
// readers, closes every link's channel, those as well that were opened at the
// last moment, and stores what was received; when its context ends first, the
// rest is given up, and so are calls of the store that do not return. After CancelAll a link drains its channel until it is closed.
package blockrouter

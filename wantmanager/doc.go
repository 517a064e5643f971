// Package wantmanager is the actor that keeps what we want of each peer: which
// sessions asked, what was written, what is unanswered, and how much more the
// peer may be asked for.
//
// Owns: for each peer its wants with the links behind each, the queue of what
// is not written yet, the cancels, and the window; for each CID the peers that
// are asked for it.
//
// Receives: send, cancel and drop from links (sessions), and what they have
// returned of the bytes that were lent to them; what readers of
// Network heard; the latest state of peers; reports that a message was written.
//
// Sends: at most one message a peer at a time to that peer's sender; to links,
// each through its own slot, how much of a peer's window is theirs, that a peer
// is late, which wants it has passed over, and how many bytes they may have; to
// the Ledger what was asked and measured.
//
// Bounds: a peer knows of at most 960 wants, 256 of them answered DONT_HAVE, so
// that a server that keeps 1,024 drops none; what a session queues is
// bounded by the share of the window that it was given; 1,024 CIDs withdrawn,
// 1,024 answered and 1,024 promised of late a peer; a slot holds one entry a peer.
// All links together are never lent more than Config.NodeBytes.
//
// Ordering: wants of one priority go out in the order in which they came. A
// cancel is never overtaken by a later want for the same CID.
//
// Shutdown: Stop closes every link's channel. The actor never answers a
// session, so a session may walk away after CancelAll.
package wantmanager

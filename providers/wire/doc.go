// Package wire is what is said on the streams of /souk/tracker/1.0.0, in which
// peers announce to a tracker what they hold and ask it who holds what.
// docs/tracker-protocol.md says the same for other languages.
//
// # Streams
//
// A peer opens one stream to a tracker and keeps it: its requests go one way,
// and replies, receipts and notices come back on the same stream. Every request
// but feedback carries a number that the client chose and that its answer
// repeats, so several may be open and the answers may come in any order.
//
// Why not a stream for each request: an announcement and the withdrawal behind
// it must not overtake each other, which two streams allow; a notice needs a
// stream that is there already, and one that a tracker opens to a client behind
// a relay or with no handler does not get there; and a query would cost a
// stream's negotiation at each end. What one stream costs is that a long answer
// holds up a short one, for 256 KiB at most. A client that hedges lets the
// slower tracker's answer come and passes over it: the answer is bounded, and
// resetting the stream would lose the subscriptions.
//
// The client ends a stream by closing its side; the tracker answers what it has
// read and closes the other. A tracker may close a stream on which nothing was
// said for [Idle] and that has no subscriptions, and its client opens another
// when it has something to say. After a [*FrameError] either side resets. The
// rows of an announcer outlive its streams: what ends them is TTL and
// withdrawal.
//
// # Frames
//
// A frame is the length of its body, as a minimal varint, and the body: a
// protobuf message that has exactly one known field, whose number says what kind
// of [Message] it is. [Reader] bounds a frame before it makes room for it, and a
// list before it adds to it.
//
// # Versions
//
// Unknown fields are passed over and not kept. A frame without a known field is
// a message of a newer version: it is reported with [FaultUnknown], so that it is
// counted and costs its sender what a message costs, and passed over. Unknown
// codes of a refusal become [CodeOther]; feedback with an unknown outcome is
// passed over; bits of roles without a name are kept. What cannot be added in
// this way is a new version of the protocol's name.
//
// # Faults
//
// A [*FrameError] says that the stream has lost its meaning. A [*MessageError]
// says that one message is against the rules, and which request it was, so that
// it can be refused and counted while the stream goes on.
//
// Rows and announcements hold signed records as bytes: see the package record
// for what is in them and when to look.
package wire

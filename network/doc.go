// Package network carries Bitswap messages over libp2p streams.
//
// Owns: the streams of the Bitswap protocols (and of the protocols given to
// [Network.Handle] and [Network.HandleDuplex]), which peers are connected and
// speak Bitswap, the bytes that are being received, and the strikes against peers
// that break the rules.
//
// Receives: messages to send, one in hand for each peer and [Lane]; streams,
// connection notices and identify events of the libp2p host.
//
// Sends: what peers wrote, to the [Sinks] that the owner gave; the latest state
// of each peer, to every [Watch]; who disconnects, to who asked for it with
// [Network.OnDisconnect]; the outcome of each message, to whoever
// handed it over.
//
// Bounds: [Config] has them all. Towards a peer everything is pull: a lane that
// is full refuses, and nothing waits in here for a slow peer but what is in
// hand. From a peer, memory is taken from a budget before it is allocated, and
// given back when the consumer releases it; a reader without budget stops
// reading, which the peer feels as a full window.
//
// Ordering: messages of one lane leave in the order in which they were handed
// over. What arrives on one stream reaches the sinks in wire order; there is no
// order between the streams of a peer. A peer is reported as gone after the
// last reader of its streams has ended.
//
// Connections: all of a peer count as one. Which of them a stream goes over is
// for libp2p to choose. With TCP, wants share a pipe with blocks, which yamux
// and the kernel have accepted and not yet sent; with QUIC they do not.
//
// Goroutines: one for a node, which follows identify events; one for each
// inbound stream, which libp2p starts; one for each open outbound stream, which
// waits for a reset; one while a stream is being written. An idle peer has
// none. A [Duplex] that we opened has none of its own: it is read and written by
// whoever opened it.
//
// Shutdown: [Network.Stop] refuses what is new, ends all streams and waits for
// the goroutines. What was in hand is reported as failed, and who reads or writes
// a [Duplex] gets [ErrClosed].
//
// Locks are small and are never held across I/O: the notices of libp2p, the
// readers and the callers of [Network.Hand] only note state under them.
package network

// Package wire is what is said on the streams of /souk/resolver/1.0.0, on which a
// peer asks another for values by keys of a fixed length. What a key stands for,
// and whether a value is the right one, is the application's business.
// docs/resolver-protocol.md says the same for other languages.
//
// # Streams
//
// Who asks opens one stream to each peer that it asks, and keeps it: requests go
// one way and answers come back on the same stream, in any order. Both ends may
// ask each other, each on a stream of its own. An answer belongs to the request
// on its stream that has its number; one without such a request is dropped.
//
// Who asks ends a stream by closing its side; the other answers what it has read
// and closes its own. Who answers may close a stream on which nothing was asked
// for [Idle] and nothing is owed. After a [*FrameError] either side resets.
//
// # Frames
//
// A frame is the length of its body, as a minimal varint, and the body, which is
// a protobuf message: the number of the request, and one of [Request], [Response]
// and [Failure]. Memory follows the bytes that arrive; nothing is allocated for
// what was only announced.
//
// # Parts
//
// A value of at most [PartSize] bytes is one answer. Of a larger one the answer
// has the first part, the size, and the hashes of all [Parts]; the others are
// asked for one by one, by the number of the part and the [List] that says which
// value is meant. So each part is checked as it comes, whoever it is from, and
// two peers that have the same list have the same value.
//
// # Versions
//
// Unknown fields are passed over. A message of an unknown kind is a
// [*MessageError] with [FaultUnknown], and who is asked answers [CodeMalformed].
// Unknown codes are read as [CodeNone]. What cannot be added in this way is a new
// version of the protocol's name.
package wire

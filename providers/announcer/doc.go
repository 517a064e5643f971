// Package announcer is the actor that tells trackers what this node holds, and
// keeps telling them.
//
// Owns: the namespaces that are announced or being withdrawn; for each the
// trackers that it belongs at, and what each of them was told and answered; when
// each is to be told again.
//
// Receives: announce and withdraw from callers of the API; the set of trackers;
// the addresses of the host; results of calls.
//
// Sends: calls to trackers, through Config.Teller; what became of an announcement
// to who made it.
//
// Placement: a namespace is told to the first three live trackers of the rank of
// each of its places: one place for what is wide, one for each shard of what is
// narrow. One that does not answer, or refuses the row for now, is replaced by
// the next of the rank and taken back afterwards.
//
// Pace: each tracker is touched at 0.4 to 0.5 of the TTL of the row that is due
// first, for all that are due within a fifth of theirs: a namespace that is alone
// costs 3 x 2.2 messages in a TTL, and never more than 3 x 5. A record is signed
// anew when half the age of a signature is over, when the holding changed, and
// when the addresses did, these two at most every five seconds. After a lost
// connection the tracker is touched within twenty seconds, and told anew what it
// does not know. Nothing is said for single CIDs.
//
// Bounds: 64 namespaces, and as many that are being withdrawn; 24 trackers a
// namespace, and those that it was told to before; eight calls under way, one at
// a time for a tracker, and one for each tracker whose call does not return. The
// calls that are made grow with namespaces x places x trackers and with nothing
// else.
//
// Ordering: what a tracker is told of a namespace, it is told in the order in
// which it was asked for, with growing sequences; what was replaced before it was
// told is left out.
//
// Shutdown: Stop withdraws what it can while its context lasts, eight trackers at
// a time and each namespace once, then ends the calls and waits for them.
package announcer

// Package record is what providers and keepers of tracker lists say under their
// signature, and what everybody checks about it.
//
// A [Record] says of one provider that it holds a namespace, or ranges of it,
// until when, and where it can be reached. [Sign] makes a [Signed] of it, which
// travels as bytes that nobody changes on the way: a tracker stores and hands out
// what it was given.
//
// Whoever gets one goes from cheap to dear:
//
//	s, err := record.Parse(b)                     // size and form
//	err = s.CheckAnnounced(remote, now, stored)   // at a tracker: sender, clock, sequence
//	err = s.CheckListed(now)                      // at a client: not too old
//	err = s.Verify()                              // the signature, about 64 µs
//
// What a Signed says is a claim until Verify has returned nil. Every error is a
// [*Error] with a [Fault] to count by.
//
// Two clocks bound how long a record is believed. A tracker keeps a row for the
// record's TTL after it heard from the provider, by an announcement or by an
// unsigned touch. The signature bounds what touches can do: [MaxAge] after it was
// issued a record counts for nothing, at trackers and at clients. So providers
// sign at least once a day, and no tracker can show one for longer than a day
// after it has gone.
//
// The package decides and does no I/O. Its values may be read from several
// goroutines.
package record

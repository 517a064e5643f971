// Package providers is the actor that answers "who has it?": the directory. It
// replaces asking everybody.
//
// Owns: the queries in flight and who waits for them; the candidates found
// lately; for each namespace the peers that were useful, and those that were of no
// use; which peers are connected; what is known of trackers.
//
// Receives: find, watch, enough, served, judge and cancelAll from links (sessions,
// callers of the API); answers, candidates and ends from the workers that ask; the
// latest state of peers from Network; the set of trackers from package client.
//
// Sends: candidates to links, each through its own slot; queries, feedback and
// subscriptions to trackers; queries to finders.
//
// Bounds: at most [Query].Most candidates a find, and never more than 32, nor more
// than 10 to be dialled while there are trackers; 2 at a time with addresses that
// nobody has verified. One query for all who ask the same: at most 6 trackers at
// each of two levels, 2 s each, 256 asks in all, 16 queries at the finders, and the
// others wait. 1,024 cached answers, and 64 rows of each of 1,024 namespaces, for
// 60 s; 64 useful peers in each of the 1,024 namespaces used last; 4,096 judgements
// for 10 minutes; feedback on 64 answers; 64 subscriptions. An unread slot holds each
// candidate once, and the latest 64.
//
// Ordering: useful connected peers come first and at once, then what was found
// lately, then what trackers say, as it comes, then what the finders find. Peers that
// were of no use come last of all. Done comes at the end, as soon as there are enough
// and at most Config.Timeout after the find, also when a tracker or a finder is stuck:
// its place is all that it takes. A watch has no end.
//
// Shutdown: Stop takes nothing more in, closes every link's channel, those as
// well that were opened at the last moment, ends the queries and waits for them.
// Feedback that was gathered is lost.
//
// What trackers say may be wrong in every way. Workers check each row and its
// signature before the actor sees it; a tracker that shows what nobody signed is not
// asked for five minutes.
//
// Finders stand behind the trackers: a fixed list ([Fixed]), any
// routing.ContentDiscovery ([Routing]), and others that implement [Finder].
package providers

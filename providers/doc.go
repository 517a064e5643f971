// Package providers is the actor that answers "who has it?": the directory. It
// replaces asking everybody.
//
// Owns: the queries in flight and who waits for them; the candidates found
// lately; for each namespace the peers that were useful; which peers are
// connected.
//
// Receives: find, enough, served and cancelAll from links (sessions, callers of the
// API); candidates and ends from the finders' workers; the latest state of
// peers from Network.
//
// Sends: candidates to links, each through its own slot; queries to finders.
//
// Bounds: at most [Query].Most candidates a find, and never more than 32; one
// query for all who ask the same, 16 at the finders, and the others wait; 1,024
// cached answers for 60 s; 64 useful peers in each of the 1,024 namespaces used
// last. An unread slot holds each candidate once.
//
// Ordering: useful connected peers come first and at once, then what was found
// lately, then what the finders find, as they find it. Done comes last, as soon
// as there are enough and at most Config.Timeout after the find, also when a
// finder is stuck: its place among the 16 is all that it takes.
//
// Shutdown: Stop takes nothing more in, closes every link's channel, those as
// well that were opened at the last moment, ends the queries and waits for them.
//
// Finders stand behind the actor: a fixed list ([Fixed]), any
// routing.ContentDiscovery ([Routing]), and others that implement [Finder].
package providers

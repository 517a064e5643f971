// Package providers is the actor that answers "who has it?": the directory. It
// replaces asking everybody.
//
// Owns: the queries in flight and who waits for them; the candidates found
// lately; for each namespace the peers that were useful; which peers are
// connected.
//
// Receives: find, served and cancelAll from links (sessions, callers of the
// API); candidates and ends from the finders' workers; the latest state of
// peers from Network.
//
// Sends: candidates to links, each through its own slot; queries to finders.
//
// Bounds: at most [Query].Most candidates a query; 16 queries in flight, one for
// each (namespace, sample), the others wait; 1,024 cached answers for 60 s; 64
// useful peers in each of 1,024 namespaces.
//
// Ordering: useful connected peers come first and at once, then what the finders
// find, as they find it. Done comes last.
//
// Shutdown: Stop ends the queries and closes every link's channel.
//
// Finders stand behind the actor: a fixed list ([Fixed]), any
// routing.ContentDiscovery ([Routing]), and others that implement [Finder].
package providers

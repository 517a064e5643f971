// Package resolver measures the resolver: in virtual time, how long it takes to fetch
// many keys from many peers of which some are slow and some lie, against what the good
// ones could do at best; and on the wall clock, what a fetch costs while very many wait.
//
// The peers are those of test/sim/resolving. Their links have a round trip and a rate of
// their own, that of the resolver bears all of them.
package resolver

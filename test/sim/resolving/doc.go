// Package resolving plays the resolver's decisions in one goroutine and its own time,
// opposite peers of every kind over a network that delays and loses: what a key is asked
// of whom is decided by the product, everything else by a seed.
//
// [Net] is the network and its peers, for scenarios and for the benchmark. [World] is
// everything together: 500 peers, half of the messages lost, peers that come and go and
// lie in every way there is, and orders of every kind. After each event the resolver is
// audited, and what it asks is compared with a model of what it may.
//
//	go test -tags simulation ./test/sim/resolving -args -seeds 1000
//	go test -tags simulation ./test/sim/resolving -run Seeds -args -seed 7 -trace
package resolving

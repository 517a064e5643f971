// Package cores runs 3 to 20 nodes in one goroutine. A node is the actors of an
// exchange without their goroutines; what is between nodes, stores and callers is
// a model that is slow, loses, reorders, lies and fails. One seed decides what
// happens and in which order: equal seeds give equal traces.
//
// After each step the actor that took it is audited, and at each moment in which
// nothing is left to be done, what the actors of all nodes say of each other is
// compared. In the end the faults stop and every want has to end.
//
// The code has the build tag simulation, as what it uses of the actors has:
//
//	go test -tags simulation ./test/cores
//	go test -tags simulation ./test/cores -run Seeds -args -seeds 100000
//	go test -tags simulation ./test/cores -run Seeds -args -seed 4711 -trace
package cores

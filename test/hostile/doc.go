// Package hostile sends our node everything that a peer must survive, from hosts
// that write the bytes themselves, while an honest peer behind the same address and
// the node fetch from each other all the time.
//
// A case says what is sent and which faults it amounts to. What has to hold in
// every case is checked by [assault] for all of them: the honest peer keeps its
// speed and its standing; what was wrong is counted by reason, and nothing else
// is; whoever is at fault sinks, and is refused for a while after several strikes;
// and five seconds after it left nothing of it is there.
//
// The same is asked of a resolver, by a host that asks it and by one that it asks.
//
// Nearly all cases run in virtual time, where latency is exact and a minute costs
// nothing. Those about memory and work, and those of a resolver, run on loopback.
//
//	go test ./test/hostile -v
//	go test ./test/hostile -v -full   # the largest numbers
package hostile

// Package discovery plays networks of 5,000 to a million peers in one goroutine and
// counts what it costs to find a block in them: most peers have nothing of what is
// asked for, many namespaces have a few holders each, and peers come and go.
//
// A node that fetches is made of the product's actors without their goroutines
// (see test/cores), its directory among them, and so are the peers that it asks,
// up to a number. Trackers are the product's table with what stands between that
// and a stream. Everybody else is a plain record, which announces what it holds by
// the announcer's rules. One seed decides what happens: equal seeds have equal
// outcomes.
//
// A fetch is one block wanted by a node that has just begun, knows nobody beside
// the peers that it is connected to, and asks in the namespace of the block. Its
// requests are what somebody has to answer: questions to trackers, wants, wants
// again, and dials.
//
//	go test -tags simulation ./test/sim/discovery
//	go test -tags simulation ./test/sim/discovery -run AFew -v -args -seed 7 -trace 12
//	make discovery
//	make discovery DISCOVERY='-n 20000 -trackers 5 -k 4'
package discovery

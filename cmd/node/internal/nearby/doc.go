// Package nearby connects a node to others on the local network, which it hears of by
// multicast DNS as Kubo and other nodes of libp2p announce themselves.
//
// Whoever is on the local network can announce anything. So what is heard is a hint,
// and bounded: a table of who was heard of, of whom few are dialled at a time, at
// addresses of local networks alone, and ever more seldom when they do not answer.
package nearby

// Package kademlia lets a node take part in a DHT: it is asked who has what is wanted,
// and told what this node keeps. Only roots are told, not every block, so that it costs
// as much as there are roots.
//
// A DHT is slow, and others run it. Nothing waits for it: what cannot be told is told
// later, and a fetch asks it beside others.
package kademlia

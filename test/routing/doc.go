// Package routing holds the tests in which nodes are found through the directories
// that others run: a real Kademlia network, simulated packet by packet, and
// Delegated Routing over HTTP.
package routing

// Package discovery plays a network of 5,000 to a million peers in one process, and counts
// what it costs to find a block in it.
package discovery

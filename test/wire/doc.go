// Package wire tests a node against peers that speak Bitswap by hand: what is
// on the wire, message by message, in virtual time. Where the same can be asked
// of boxo, it is, and the tests say where the two differ.
package wire

// Package resources bounds what libp2p may take for a node: how many connections
// there are, how many streams on them, and how much memory. The bounds follow from
// what Souk itself allows (see "Budgets" in ARCHITECTURE.md), so that libp2p neither
// refuses what a node promises nor allows what it does not.
//
// Two things of libp2p's do it. The connection manager parts with the connections
// that are worth least when there are many. The resource manager refuses what goes
// beyond, and what it refuses is counted.
package resources

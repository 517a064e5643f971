// Package resolver fetches values by keys of a fixed length from peers, and lets the
// application say whether what came is what the key stands for: the key need not be a
// hash of the value.
//
// What is decided is in state*.go: one fetch for each key, with at most one
// outstanding request, two when a late one is hedged. Only targets are asked where
// there are some, and never a blocked peer. A peer that performs is asked first; one
// that sends what the application refuses is blocked. A fetch lasts until its value
// has come or somebody ends it.
package resolver

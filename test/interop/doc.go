// Package interop holds the tests that let Souk and boxo exchange blocks and
// files in both directions over real libp2p connections on loopback.
package interop

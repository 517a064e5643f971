// Package scenario holds what whole nodes promise each other, as scenarios over
// real libp2p hosts in virtual time (see package sim). Each test says in its
// comment which promise it pins; most are played with Souk on both sides and with
// boxo on either. The files:
//
//   - exchange_test.go: one block, from one node to another or not at all
//   - wants_test.go: wants come and go with the calls behind them
//   - accounts_test.go: counters and ledgers, to the byte
//   - session_test.go: what a session asks of whom
//   - routing_test.go: finding peers by content routing
//   - directory_test.go: who hears of a want where the directory names somebody, and where not
//   - probe_test.go: asking one peer whether it has a block, and taking nothing
//   - named_test.go: peers that the caller names, and errors that say what they answered
//   - peers_test.go: peers that misbehave, are slow, old or of another kind
//   - streams_test.go: streams and connections that break
//   - content_test.go: blocks of every kind and number
//   - swarm_test.go, topology_test.go, crowd_test.go: many nodes
//   - churn_test.go: what is left when everybody has gone
//
// A ledger of the embedder's own and a limit on queries that can be switched off,
// which boxo has, are not here because Souk has neither.
//
// The numbers of nodes are small by default; -full makes them those of
// the scenarios' names:
//
//	go test ./test/scenario -full -timeout 1h
package scenario

// Package kubo answers three of Kubo's commands over HTTP, so that dashboards and
// scripts that ask a Kubo daemon may ask a node of Souk:
//
//	POST /api/v0/bitswap/stat       ?verbose= ?human=
//	POST /api/v0/bitswap/ledger     ?arg=PEER
//	POST /api/v0/bitswap/wantlist   ?peer=PEER
//
// The names of fields, the errors and their status are those of Kubo 0.42:
// what is wrong with a request is 400 and text, a command that fails is 500 and
// an object with Message, Code and Type. Answers are JSON, or with ?encoding=text
// what the command line prints; other encodings are refused. As with Kubo, other
// methods than POST are refused, and browsers whose page is not this node's own.
package kubo

// Package repo is the directory in which a node keeps its identity, its
// blocks and what it announces.
//
//	version        the layout's number, in decimal
//	identity.key   the node's private key (Ed25519, libp2p's encoding), mode 0600
//	lock           held by the process that has the repository open; its pid inside
//	blocks/        the blocks, and what a tracker keeps, a Pebble database
//	config         what the node's flags are set to, where the command line does not say; mode 0600
//	dataset        the namespace of what is shared, made up with the first share
//	announced.json the namespaces that are announced whenever the node runs
//	control.sock   where the running node listens for commands, mode 0600
//	control.path   where the socket is instead, when the path above is too long for one
//
// A repository is made by its first use. One process at a time has it open; the
// others talk to that one over the socket.
package repo

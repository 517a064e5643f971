package message

// Version is a version of the Bitswap protocol. Higher is newer.
type Version uint8

// The versions, oldest first. The zero Version is no version.
const (
	Unversioned Version = iota + 1 // /ipfs/bitswap
	V100                           // /ipfs/bitswap/1.0.0: blocks in field 2, CIDv0 sha2-256 assumed
	V110                           // /ipfs/bitswap/1.1.0: blocks in field 3 with a CID prefix
	V120                           // /ipfs/bitswap/1.2.0: want-have, presences, pendingBytes
)

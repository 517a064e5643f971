// Package blockstore keeps blocks in a go-datastore.
//
// Blocks are stored under their multihash and nothing else, at the key
// /blocks/<multihash in upper case base32 without padding>. That is the layout
// of Kubo, so either can open what the other wrote. It follows that one stored
// block answers for every CID with the same multihash, whatever its version and
// codec, and that the codec a block was put under is not kept.
//
// # Durability
//
// [Blockstore.Put] and [Blockstore.PutMany] return when the block would survive
// a crash of the machine, as far as the datastore's Sync keeps its promise.
// Calls that run at the same time share one Sync. go-ds-pebble writes without
// syncing and syncs its log in Sync; go-ds-flatfs syncs in each write when it
// was opened with sync on, and not at all otherwise. [Blockstore.PutFetched] does
// not wait for the disk: what came from a peer can be fetched again.
//
// # What is refused
//
// CIDs that [message.CheckCID] refuses, because their hash proves nothing, are
// refused here too, for reading as well as for writing. Identity CIDs of up to
// [MaxIdentity] bytes carry their block inside: they are answered from the CID
// and never stored. Blocks above [MaxBlock] are refused.
//
// # Verification
//
// Nothing here hashes what is put: whoever hands in a block vouches that its
// bytes hash to its CID. The exchange has verified what it fetched, and an
// importer has just computed the hash. What is read is hashed, because bytes
// change on disks: a caller would work with them, and a peer would hold it
// against us. [WithTrustedReads] is for datastores that notice by themselves.
package blockstore

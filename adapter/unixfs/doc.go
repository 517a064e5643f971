// Package unixfs turns files, directories and symbolic links into UnixFS DAGs
// of blocks, and such DAGs back into files.
//
// Add and AddReader write: the CIDs equal those of
//
//	ipfs add --cid-version=1 --raw-leaves --chunker=size-N
//
// with the balanced layout of 174 links a node, and directories sharded into a
// HAMT of fanout 256 once their links pass 256 KiB. Neither modes nor
// modification times are recorded.
//
// Get, Cat, List and Resolve read whatever a UnixFS writer produces: CIDv0,
// dag-pb leaves, the trickle layout, any fanout. Reading is one ordered walk
// with look-ahead (see walk.go): the blocks that come next, in this file and
// in the files after it, are asked for together, so that neither a deep tree
// nor many small files cost a round trip each. Memory is bounded by that window,
// GetOptions.Window, however large the DAG is.
//
// A DAG is somebody else's data. Nothing in it can make Get write outside the
// output, follow a symbolic link or replace what exists unless told to; sizes
// that a node claims are checked against the bytes that come; depth, links and
// entries are bounded. Names that differ only in case are different names
// here: on a file system that folds case the second one fails as existing.
package unixfs

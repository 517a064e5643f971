// Package car writes DAGs to CAR files and reads blocks from them, versions 1 and 2
// (https://ipld.io/specs/transport/car/).
//
// Both stream: what they hold does not grow with the file, but for 20 to 28 bytes a block
// to know what was written (see table.Set), and about 100 bytes a block for the index of a
// version 2. Files are the same for the same roots: blocks come once each, depth first, a
// block before what it links to and links in their order, as "ipfs dag export" has them.
// Blocks that their CID carries are not written.
package car

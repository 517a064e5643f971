// Package docs runs the commands of README.md and of the pages in docs/.
//
// A block fenced as sh is run as it is printed, one page after the other from top to
// bottom, by sh with -e and -u, in a home directory of its own. Variables and the
// working directory go from one block to the next. What may follow sh on that line:
//
//	on=NAME      the block is for another machine: one with a home of its own
//	stays        the last command runs until it is interrupted, which is at the end
//	             of the page; the next block begins when it is ready
//	in=checkout  the block is run in the directory of this module
//	needs=WHAT   the block is not run; see the list of what blocks may need
//
// A block fenced as text that follows is what the one before prints. A "…" in it
// stands for anything in that line, or as a line of its own for any lines.
//
// A word that ends in "…" in a command is the last such word that was printed before:
// bafy… is a CID, 12D3Koo… a peer, and what begins with /ip4/ an address at which
// another machine is reached. The ports that souk takes by default (4101, 4180) and
// that of the pages' router (8191) are replaced by free ones.
package docs

// Package probe asks one peer whether it has one block, and neither takes the
// block nor keeps anything. A tracker finds out so who holds what it announces.
//
// A probe is a want-have with sendDontHave and the end of it: the peer answers
// HAVE or DONT_HAVE, and is told that the question is withdrawn where it would
// remember it. Peers answer with the block itself when that is short (up to 1 KiB
// at boxo's and at ours), and those of versions of Bitswap without presences when
// they have it at all: its bytes hash to the CID, so that it is the best of
// answers, and it goes to nobody who has not asked for it.
//
// There is no actor here and no goroutine: a probe runs in that of its caller,
// over links of its own to BlockRouter, PeerRouter and WantManager, which keep
// nothing of it when it returns. At most [Config.AtOnce] run at a time; the
// others wait for their turn. All of them end with their contexts.
package probe

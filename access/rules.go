// Package access says who may have what, and in which class who is, by rules that
// are read from files. Rules never change: new ones replace them as a whole.
//
// A file has a rule on each line; # begins a comment:
//
//	default allow                                 # or deny; allow if it is not said
//	class friends peer 12D3KooW…                  # who is in a class, by identity
//	class friends net 192.0.2.0/24                # or by the address of a connection
//	rate friends up 20MB/s down off               # for all of a class together
//	rate friends each up 2MB/s                    # for each of them
//	allow class friends                           # the first rule that matches decides
//	deny net 203.0.113.0/24 as scanners           # a name for metrics and logs
//	deny peer 12D3KooW… cid bafy…                 # one peer, one block
//	deny cid bafy…                                # by the multihash in it
//	//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM
//
// The last line is one of a denylist as public gateways have them (badbits): a block
// that is denied by a hash of its name, so that the list does not name it. Such lists
// can be given as they are.
package access

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/rate"
)

// Peer is who asks: an identity, and the addresses that its connections come from.
// Addresses of relays are not its own and do not belong here.
type Peer struct {
	ID    peer.ID
	Addrs []netip.Addr
}

// Rule is a line that allows or denies.
type Rule struct {
	Allow  bool
	Reason string // the name after "as", or what the line is about: peer, net, class, cid, multihash, hash, denylist, all, default
	File   string
	Line   int
	Text   string // of the line, without comment
}

// String says where the rule is and what it says.
func (r Rule) String() string {
	if r.Line == 0 {
		return r.Text
	}
	return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Text)
}

// Rules are the rules of all files, in their order. The nil Rules allow everything.
// They may be used by several goroutines at once. What a look-up costs does not
// depend on how many rules there are, but on how many lengths of prefix their
// networks have.
type Rules struct {
	Up      map[string]rate.Class // what classes may be sent; not to be changed
	Down    map[string]rate.Class // what classes may send; not to be changed
	Skipped int                   // lines of denylists about paths, which blocks do not have

	rules   []Rule // that decide, in their order; after them the default
	peers   map[peer.ID]subject
	nets    map[netip.Prefix]subject
	named   map[string]subject // classes
	members map[subject]member
	lengths []int // of the prefixes: those of IPv4 are counted from 1,000
	index   map[key]int
	hashes  hashes
}

// subject numbers a peer, a network or a class that rules are about; anyone is 0.
type subject int32

const anyone subject = 0

// member is a line that puts a subject into a class.
type member struct {
	line  int
	class string
}

// key is what a rule matches: a subject, and a block or all.
type key struct {
	who  subject
	kind kind
	what string
}

type kind uint8

const (
	allBlocks kind = iota
	byMultihash
	byDouble // by a hash of the multihash
	byLegacy // by a hash of the CID
)

// Decide says whether a peer may have a block, and which rule decides that.
func (r *Rules) Decide(p Peer, c cid.Cid) Rule {
	if r == nil {
		return Rule{Allow: true, Reason: "all", Text: "no rules"}
	}
	return r.rules[min(r.first(p, c), r.last())]
}

// last is where the default is.
func (r *Rules) last() int { return len(r.rules) - 1 }

// first is the first rule that matches; [math.MaxInt] when none does.
func (r *Rules) first(p Peer, c cid.Cid) int {
	var place [8]subject
	who, first := r.subjects(place[:0], p), math.MaxInt
	try := func(k kind, what string) {
		for _, s := range who {
			if i, there := r.index[key{s, k, what}]; there && i < first {
				first = i
			}
		}
	}
	try(allBlocks, "")
	if c.Defined() {
		try(byMultihash, message.Multihash(c))
		r.hashes.of(c, try)
	}
	return first
}

// Denies reports whether a rule denies a peer everything, but for blocks that it is
// expressly allowed. The default is no such rule: it is about peers of which nothing
// is said, and what they may have.
func (r *Rules) Denies(p Peer) bool {
	if r == nil {
		return false
	}
	first := r.first(p, cid.Undef)
	return first < r.last() && !r.rules[first].Allow
}

// Class is the class of a peer, as the first line has it that matches;
// [rate.Default] if none does.
func (r *Rules) Class(p Peer) string {
	if r == nil || len(r.members) == 0 {
		return rate.Default
	}
	var place [8]subject
	return r.classOf(r.known(place[:0], p))
}

func (r *Rules) classOf(who []subject) string {
	first, class := math.MaxInt, rate.Default
	for _, s := range who {
		if m, there := r.members[s]; there && m.line < first {
			first, class = m.line, m.class
		}
	}
	return class
}

// Addressed reports whether the rules depend on addresses.
func (r *Rules) Addressed() bool { return r != nil && len(r.nets) > 0 }

// Len is how many rules allow or deny, the default among them.
func (r *Rules) Len() int {
	if r == nil {
		return 0
	}
	return len(r.rules)
}

// subjects lists what rules could be about that p is: itself, its networks, its
// class, and anyone.
func (r *Rules) subjects(who []subject, p Peer) []subject {
	who = r.known(who, p)
	if s, there := r.named[r.classOf(who)]; there {
		who = append(who, s)
	}
	return append(who, anyone)
}

// ipv4 tells the lengths of prefixes of IPv4 from those of IPv6.
const ipv4 = 1000

func (r *Rules) known(who []subject, p Peer) []subject {
	if s, there := r.peers[p.ID]; there {
		who = append(who, s)
	}
	for _, addr := range p.Addrs {
		addr = addr.Unmap().WithZone("")
		for _, bits := range r.lengths {
			if (bits >= ipv4) != addr.Is4() {
				continue
			}
			prefix, err := addr.Prefix(bits % ipv4)
			if s, there := r.nets[prefix]; err == nil && there {
				who = append(who, s)
			}
		}
	}
	return who
}

package download

import (
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Group is a label on resources and nodes: a node is tried for all resources
// with a label of its own. A document is a group.
type Group string

// IntentID stands for one caller's interest in a resource. It is used once.
type IntentID uint64

// TransferID stands for one attempt to get a resource. It is used once.
type TransferID uint64

// NodeHints is what somebody says of a node. What was said before stays.
type NodeHints struct {
	// Has is what the node has: it is asked for it, and even if it has said no
	// lately.
	Has []cid.Cid
	// HasNot is what it need not be asked for during Limits.Skip.
	HasNot []cid.Cid
	// Groups are what it belongs to. Whether it belonged to them already makes no
	// difference, and what it has refused it is not asked for anew.
	Groups []Group
}

// ResourceHints is what somebody says of a resource. What was said before stays.
type ResourceHints struct {
	// From are nodes that have it: they are asked, and even if they have said no
	// lately.
	From []peer.ID
	// Not are nodes that need not be asked during Limits.Skip.
	Not    []peer.ID
	Groups []Group
	// Size is how many bytes it has with all below it, or 0 when nobody knows.
	Size uint64
	// Several lets it come from several nodes at once, whatever its size.
	Several bool
}

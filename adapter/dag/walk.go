package dag

import (
	"context"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/walk"
)

// What a walk needs and may be told: see [Walk].
type (
	// Getter fetches blocks, those that are stored here before those that are not.
	Getter = walk.Getter
	// Seen remembers what was walked.
	Seen = walk.Seen
	// Options tune a walk. The zero value is ready to use: what blocks link to is known.
	Options = walk.Options
	// Visit is told of a block. The block is nil when Options.Stored has said that it is
	// there.
	Visit = walk.Visit
)

// ErrLimit is a DAG with too many links side by side to be walked.
var ErrLimit = walk.ErrLimit

// Walk visits every block below a root once: depth first, a block before what it links
// to, and links in their order. Blocks that an identity CID carries are visited, too. It
// ends with the first error, be it the visit's own or one that names a block.
//
// It holds at most 32 MiB of blocks and one more, and up to about 50 MB of links besides
// what it has seen: see [NewSeen].
func Walk(ctx context.Context, get Getter, root cid.Cid, o Options, visit Visit) error {
	o.Links, o.Leaf = Links, IsLeaf
	return walk.Walk(ctx, get, root, o, visit)
}

// NewSeen returns an empty memory of CIDs, which takes up to 28 bytes for each.
func NewSeen() Seen { return walk.NewSeen() }

// Inline returns the block that an identity CID carries in itself. Such a CID is never
// asked for.
func Inline(c cid.Cid) (blocks.Block, bool) { return walk.Inline(c) }

package node

import (
	"context"
	"errors"
	"iter"

	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/download"
)

// transferRoots are the DAGs that downloads are to have here, as far as they are.
type transferRoots struct{ s *Storage }

// Name implements [roots.Source].
func (transferRoots) Name() string { return "download" }

// Roots implements [roots.Source].
func (r transferRoots) Roots(ctx context.Context) iter.Seq2[roots.Root, error] {
	return func(yield func(roots.Root, error) bool) {
		d := r.s.downloads.Load()
		if d == nil {
			return // nothing comes
		}
		for c, err := range d.Wanted(ctx) {
			if errors.Is(err, download.ErrClosed) {
				return // nor any more
			}
			if !yield(roots.Root{CID: c, Kind: roots.Partial}, err) || err != nil {
				return
			}
		}
	}
}

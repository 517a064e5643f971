package main

import (
	"context"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

// resolve finds what a CID[/PATH] of the command line names.
func resolve(ctx context.Context, get unixfs.Getter, text string) (cid.Cid, error) {
	if _, err := unixfs.ParsePath(text); err != nil {
		return cid.Undef, &usageError{err}
	}
	return unixfs.Resolve(ctx, get, text)
}

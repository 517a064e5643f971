package main

import (
	"context"
	"errors"
	"os"

	"github.com/ipfs/boxo/blockservice"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// serveBoxo serves the blocks that the command has stored.
func serveBoxo(ctx context.Context, listen, dir string) (err error) {
	store, err := pebbledb.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	h, err := newHost(listen)
	if err != nil {
		return err
	}
	x := exchanges.NewBoxoOver(h, store)
	defer func() { err = errors.Join(err, x.Close()) }()
	return serve(ctx, h)
}

// getBoxo fetches as Kubo does, whose block service stores what comes.
func getBoxo(ctx context.Context, address, root, dir, output string) (err error) {
	c, err := cid.Decode(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	store, err := pebbledb.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	h, _, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	x := exchanges.NewBoxoOver(h, store)
	defer func() { err = errors.Join(err, x.Close()) }()
	s := blockservice.NewSession(ctx, blockservice.New(x.Store, x.Bitswap))
	_, err = unixfs.Get(ctx, boxoSession{s}, c, output, unixfs.GetOptions{})
	return err
}

// boxoSession makes a getter of boxo's session.
type boxoSession struct{ *blockservice.Session }

// GetBlocks implements [unixfs.Getter].
func (s boxoSession) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return s.Session.GetBlocks(ctx, cs), nil
}

package unixfs_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

// memory is the least that a Putter and Getter can be.
type memory map[cid.Cid]blocks.Block

func (m memory) PutMany(_ context.Context, bs []blocks.Block) error {
	for _, b := range bs {
		m[b.Cid()] = b
	}
	return nil
}

func (m memory) GetBlock(_ context.Context, c cid.Cid) (blocks.Block, error) {
	if b, ok := m[c]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("no block %s", c)
}

func (m memory) GetBlocks(_ context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	out := make(chan blocks.Block, len(cs))
	defer close(out)
	for _, c := range cs {
		if b, ok := m[c]; ok {
			out <- b
		}
	}
	return out, nil
}

func Example() {
	ctx, store := context.Background(), memory{}
	root, err := unixfs.AddReader(ctx, store, strings.NewReader("three measures of saffron\n"), unixfs.AddOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(root.CID)
	if err := unixfs.Cat(ctx, store, root.CID, os.Stdout, unixfs.CatOptions{Offset: 6}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// bafkreieilofql2hcbf2xhetfqmb4cj4wrqmv5nen4tnrzjvzqzaxznca4m
	// measures of saffron
}

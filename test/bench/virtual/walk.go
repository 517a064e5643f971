package virtual

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// walk fetches a directory of files as `souk get` does: from its root, with
// look-ahead. Bare streams fetch the same blocks, whose CIDs they are told. The
// ideal is that of the bytes and one round trip.
func walk(w *sim.World, s sim.Sides, c setting) sim.Figures {
	seeds, client := w.Nodes(c.seeds, s.Seed, c.link), w.Node(s.Client, c.link)
	var t tree
	w.Try(func(ctx context.Context) error { return t.build(ctx, c) })
	offer(w, t.blocks, client, seeds)
	if s.Client == exchanges.MakeBare {
		w.Fetch(client, t.blocks, seeds...)
	} else {
		w.Try(func(ctx context.Context) error {
			return t.get(ctx, w.Watched(ctx, client, seeds...), c)
		})
	}
	return w.Measure(c.link.Ideal(corpus.Bytes(t.blocks)), t.blocks, seeds, client)
}

// tree is a directory as blocks.
type tree struct {
	mu     sync.Mutex
	root   cid.Cid
	blocks []blocks.Block
}

// PutMany keeps the blocks.
func (t *tree) PutMany(_ context.Context, bs []blocks.Block) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocks = append(t.blocks, bs...)
	return nil
}

// build cuts the files of a directory into blocks.
func (t *tree) build(ctx context.Context, c setting) error {
	dir, err := os.MkdirTemp("", "walk")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, b := range corpus.Blocks(1, c.files, int(c.bytes())/c.files) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", i)), b.RawData(), 0o600); err != nil {
			return err
		}
	}
	root, err := unixfs.Add(ctx, t, dir, unixfs.AddOptions{ChunkSize: c.size})
	t.root = root.CID
	return err
}

// get writes the directory to disk and checks how much came.
func (t *tree) get(ctx context.Context, from unixfs.Getter, c setting) error {
	dir, err := os.MkdirTemp("", "walk")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	got, err := unixfs.Get(ctx, from, t.root, filepath.Join(dir, "got"), unixfs.GetOptions{})
	if err == nil && got.Files != uint64(c.files) {
		err = fmt.Errorf("%d of %d files came", got.Files, c.files)
	}
	return err
}

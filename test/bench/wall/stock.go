package main

import (
	"fmt"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
)

// stock is the blocks of a seed. They follow from their number and size, so that
// a process is told no more than those.
type stock struct{ count, size int }

func (s stock) String() string { return fmt.Sprintf("%d x %s", s.count, sized(s.size)) }

// shelf is the blocks that were made last: the makes take turns with the same.
var shelf struct {
	stock
	made []blocks.Block
}

func (s stock) blocks() []blocks.Block {
	if shelf.stock != s {
		shelf.stock, shelf.made = s, nil // The old ones may go before the new ones are made.
		shelf.made = corpus.Blocks(1, s.count, s.size)
	}
	return shelf.made
}

func sized(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

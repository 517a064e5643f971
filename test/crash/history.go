package crash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/blockstore"
)

// step is what happens between a store and one who uses it.
type step byte

const (
	putting      step = 'p' // about to be handed in: from here on it may be there
	acknowledged step = 'a' // a durable put has returned: it must be there
	deleting     step = 'd' // about to be deleted: it may be there or not
)

// A History is what the users of a store did and were told. It knows what must
// be in the store after a crash, and what may be.
type History struct {
	mu      sync.Mutex
	journal io.Writer        // of each step, nil for none
	put     map[cid.Cid]bool // whatever was ever handed in
	safe    map[cid.Cid]bool // acknowledged, and not deleted since
}

// NewHistory returns the history of an empty store. Each step is written to the
// journal, if there is one, before anything else can happen: [History.Replay]
// reads it.
func NewHistory(journal io.Writer) *History {
	return &History{journal: journal, put: make(map[cid.Cid]bool), safe: make(map[cid.Cid]bool)}
}

// Note adds a step of some blocks.
func (h *History) Note(s step, bs ...blocks.Block) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range bs {
		h.note(s, b.Cid())
		if h.journal == nil {
			continue
		}
		if _, err := fmt.Fprintf(h.journal, "%c %s\n", s, b.Cid()); err != nil {
			return err
		}
	}
	return nil
}

func (h *History) note(s step, c cid.Cid) {
	c = cid.NewCidV1(cid.Raw, c.Hash()) // as it is listed
	switch s {
	case putting:
		h.put[c] = true
	case acknowledged:
		h.safe[c] = true
	case deleting:
		delete(h.safe, c)
	}
}

// Replay adds the steps of a journal, the end of which may be missing.
func (h *History) Replay(journal []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for lines := bufio.NewScanner(bytes.NewReader(journal)); lines.Scan(); {
		var s step
		var name string
		if _, err := fmt.Sscanf(lines.Text(), "%c %s", &s, &name); err != nil {
			return fmt.Errorf("journal: %q: %w", lines.Text(), err)
		}
		c, err := cid.Decode(name)
		if err != nil {
			return fmt.Errorf("journal: %q: %w", lines.Text(), err)
		}
		h.note(s, c)
	}
	return nil
}

// At runs crash at a moment at which nobody is told anything, and returns the
// history up to then.
func (h *History) At(crash func()) *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	crash()
	return &History{put: maps.Clone(h.put), safe: maps.Clone(h.safe)}
}

// probe is put after each crash, and so is there when the next comes.
var probe = blocks.NewBlock([]byte("put after the crash"))

// Check looks at a store after a crash. It returns an error for each block that
// is lost, torn, or from nowhere, and when the store cannot be written. It
// leaves a block of its own there, which belongs to the history from then on.
func (h *History) Check(ctx context.Context, d datastore.Batching) error {
	s := blockstore.New(d)
	listed, err := h.checkListed(ctx, s)
	errs := []error{err}
	for c := range h.safe {
		if !listed[c] {
			errs = append(errs, fmt.Errorf("acknowledged block is lost: %s", c))
		}
	}
	if err := errors.Join(h.Note(putting, probe), s.Put(ctx, probe), serves(ctx, s, probe.Cid())); err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, h.Note(acknowledged, probe))...)
}

// checkListed looks at every block that the store lists, and returns their CIDs.
func (h *History) checkListed(ctx context.Context, s blockstore.Blockstore) (map[cid.Cid]bool, error) {
	listed := make(map[cid.Cid]bool)
	var errs []error
	for c, err := range s.AllKeys(ctx) {
		if err != nil {
			return listed, fmt.Errorf("list: %w", err)
		}
		listed[c] = true
		if !h.put[c] {
			errs = append(errs, fmt.Errorf("block from nowhere is listed: %s", c))
		}
		if err := serves(ctx, s, c); err != nil {
			errs = append(errs, fmt.Errorf("listed block: %w", err))
		}
	}
	return listed, errors.Join(errs...)
}

// serves returns an error unless the store has the block whole.
func serves(ctx context.Context, s blockstore.Blockstore, c cid.Cid) error {
	b, err := s.Get(ctx, c)
	if err != nil {
		return err
	}
	sum, err := c.Prefix().Sum(b.RawData())
	if err != nil {
		return err
	}
	if !sum.Equals(c) {
		return fmt.Errorf("block is torn: the %d bytes of %s hash to %s", len(b.RawData()), c, sum)
	}
	return nil
}

package document

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
)

// Marks say which DAGs of documents are complete here, so that this need not be found again
// by reading their blocks: a bit for each entry, in a row for each page, with an epoch. They
// outlast the process.
//
// A mark must not outlast what it says, so it falls before a block is deleted: see
// [Store.Deleting] and [Store.Keep]. And none is set by who has looked while something was
// being deleted: the round is another then.
var (
	marksPrefix = base.ChildString("complete")
	epochKey    = base.ChildString("epoch")
)

// page are the marks of a page's entries, by their number.
type page struct {
	round, epoch uint64 // in which they were read
	bits         []byte
}

// row is what is kept of them.
func (p *page) row() []byte { return append(binary.AppendUvarint(nil, p.epoch), p.bits...) }

func (p *page) has(i int) bool { return i/8 < len(p.bits) && p.bits[i/8]&(1<<(i%8)) != 0 }

func (p *page) set(i int) {
	for i/8 >= len(p.bits) {
		p.bits = append(p.bits, 0)
	}
	p.bits[i/8] |= 1 << (i % 8)
}

// clear takes off the marks of what is not whole, and reports whether there were some.
func (p *page) clear(entries []Entry, whole func(root cid.Cid) bool) (some bool) {
	for i := range entries {
		if p.has(i) && !whole(entries[i].CID) {
			p.bits[i/8] &^= 1 << (i % 8)
			some = true
		}
	}
	return some
}

// empty reports whether nothing is marked.
func (p *page) empty() bool {
	for _, b := range p.bits {
		if b != 0 {
			return false
		}
	}
	return true
}

func markKey(generation string, n uint32) datastore.Key {
	return marksPrefix.ChildString(generation).ChildString(fmt.Sprintf("%08x", n))
}

// marked returns the marks of a page that have not fallen.
func (s *Store) marked(ctx context.Context, generation string, n uint32) (page, error) {
	at, err := s.obtain(ctx, &caller{}, look{})
	if err != nil {
		return page{}, err
	}
	p := page{round: at.round, epoch: at.epoch}
	row, err := s.data.Get(ctx, markKey(generation, n))
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return p, nil
	case err != nil:
		return p, fmt.Errorf("read marks of complete DAGs: %w", err)
	}
	if epoch, width := binary.Uvarint(row); width > 0 && epoch == p.epoch {
		p.bits = bytes.Clone(row[width:])
	}
	return p, nil
}

// mark writes the marks of a page, unless something was deleted since they were read.
func (s *Store) mark(ctx context.Context, generation string, n uint32, p page) error {
	c := &caller{}
	_, err := s.obtain(ctx, c, marking{round: p.round})
	if errors.Is(err, errStale) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.leave(c, unchanged)
	if err := s.data.Put(ctx, markKey(generation, n), p.row()); err != nil {
		return fmt.Errorf("mark complete DAGs: %w", err)
	}
	return nil
}

// doDuty reads or writes the epoch, and returns it.
func (s *Store) doDuty(ctx context.Context, a answer) (epoch uint64, err error) {
	if a.do == readEpoch {
		return s.epoch(ctx)
	}
	if err := s.data.Put(ctx, epochKey, binary.AppendUvarint(nil, a.epoch)); err != nil {
		return 0, fmt.Errorf("make marks of complete DAGs fall: %w", err)
	}
	return a.epoch, nil
}

func (s *Store) epoch(ctx context.Context) (uint64, error) {
	row, err := s.data.Get(ctx, epochKey)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("epoch of marks: %w", err)
	}
	epoch, width := binary.Uvarint(row)
	if width <= 0 {
		return 0, &DamagedError{Key: epochKey.String(), Err: errCut}
	}
	return epoch, nil
}

// Deleting is called before single blocks are deleted from the store of which documents
// know what is complete. It makes that be looked at again: what was found complete until
// then, and until over is called after the deletion, is not taken for it any more. It waits
// for those who are just remembering something. When it fails nothing may be deleted.
func (s *Store) Deleting(ctx context.Context) (over func(), err error) {
	c := &caller{}
	if _, err := s.obtain(ctx, c, deleting{}); err != nil {
		return nil, err
	}
	return func() { s.leave(c, unchanged) }, nil
}

// Keep is called in a sweep of the store of which documents know what is complete, when it
// is decided what stays and before anything is deleted. What the sweep does not keep whole
// will be looked at again. Whoever finds a block while the sweep is under way must be able
// to rely on its staying. A second sweep waits until the first has returned. When it fails
// nothing may be deleted.
//
// It reads the pages of all entries that were found complete: about a second for a million.
func (s *Store) Keep(ctx context.Context, whole func(root cid.Cid) bool) error {
	c := &caller{}
	if _, err := s.obtain(ctx, c, deleting{sweep: true}); err != nil {
		return err
	}
	defer s.leave(c, unchanged)
	for row, err := range s.rows(ctx) {
		if err != nil {
			return err
		}
		_, r, err := listed(row)
		if err != nil {
			return err
		}
		if err := s.keep(ctx, s.pages(r), whole); err != nil {
			return err
		}
	}
	return nil
}

// keep does that for one document.
func (s *Store) keep(ctx context.Context, of pages, whole func(root cid.Cid) bool) error {
	w := writer{ctx: ctx, data: s.data, most: deletions}
	for n := range of.count {
		marked, err := s.marked(ctx, of.generation, n)
		if err != nil {
			return err
		}
		if marked.empty() {
			continue
		}
		entries, err := of.entries(ctx, n)
		if errors.Is(err, errNoPage) {
			return nil // removed meanwhile, or damaged, whereupon nobody reads its marks
		}
		if err != nil {
			return err
		}
		if marked.clear(entries, whole) {
			if err := w.put(markKey(of.generation, n), marked.row()); err != nil {
				return fmt.Errorf("make marks of complete DAGs fall: %w", err)
			}
		}
	}
	return w.commit()
}

package document

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
)

// marks remember which DAGs of documents are complete here, so that this need not be found
// again by reading their blocks: a bit for each entry, in a row for each page. They outlast
// the process.
//
// A mark must not outlast what it says, so it falls before a block is deleted: see
// [Store.Deleting] and [Store.Keep]. And none is set by who has looked while something was
// being deleted: the round is another then.
type marks struct {
	data datastore.Batching

	mu       sync.Mutex
	loaded   bool
	epoch    uint64 // marks of another have fallen
	unmarked bool   // none was set in this epoch
	deleting int    // deletions that are under way
	round    uint64 // goes up when a deletion begins and when it ends
}

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

// of returns the marks of a page that have not fallen.
func (m *marks) of(ctx context.Context, generation string, n uint32) (page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(ctx); err != nil {
		return page{}, err
	}
	p := page{round: m.round, epoch: m.epoch}
	row, err := m.data.Get(ctx, markKey(generation, n))
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return p, nil
	case err != nil:
		return p, fmt.Errorf("read marks of complete DAGs: %w", err)
	}
	if epoch, width := binary.Uvarint(row); width > 0 && epoch == m.epoch {
		p.bits = bytes.Clone(row[width:])
	}
	return p, nil
}

// put writes the marks of a page, unless something was deleted since they were read.
func (m *marks) put(ctx context.Context, generation string, n uint32, p page) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deleting > 0 || m.round != p.round {
		return nil
	}
	if err := m.data.Put(ctx, markKey(generation, n), p.row()); err != nil {
		return fmt.Errorf("mark complete DAGs: %w", err)
	}
	m.unmarked = false
	return nil
}

// begin keeps marks from being set, until end is called. With all, every mark falls.
func (m *marks) begin(ctx context.Context, all bool) (end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.load(ctx); err != nil {
		return nil, err
	}
	if all && !m.unmarked {
		if err := m.data.Put(ctx, epochKey, binary.AppendUvarint(nil, m.epoch+1)); err != nil {
			return nil, fmt.Errorf("make marks of complete DAGs fall: %w", err)
		}
		m.epoch++
		m.unmarked = true
	}
	m.deleting++
	m.round++
	return sync.OnceFunc(m.end), nil
}

func (m *marks) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleting--
	m.round++
}

// load reads the epoch once. It is called with the lock.
func (m *marks) load(ctx context.Context) error {
	if m.loaded {
		return nil
	}
	row, err := m.data.Get(ctx, epochKey)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
	case err != nil:
		return fmt.Errorf("epoch of marks: %w", err)
	default:
		epoch, width := binary.Uvarint(row)
		if width <= 0 {
			return &DamagedError{Key: epochKey.String(), Err: errCut}
		}
		m.epoch = epoch
	}
	m.loaded = true
	return nil
}

// Deleting is called before single blocks are deleted from the store of which documents
// know what is complete. It makes that be looked at again: what was found complete until
// then, and until over is called after the deletion, is not taken for it any more. When it
// fails nothing may be deleted.
func (s *Store) Deleting(ctx context.Context) (over func(), err error) {
	return s.marks.begin(ctx, true)
}

// Keep is called in a sweep of the store of which documents know what is complete, when it
// is decided what stays and before anything is deleted. What the sweep does not keep whole
// will be looked at again. Whoever finds a block while the sweep is under way must be able
// to rely on its staying. When it fails nothing may be deleted.
//
// It reads the pages of all entries that were found complete: about a second for a million.
func (s *Store) Keep(ctx context.Context, whole func(root cid.Cid) bool) error {
	end, err := s.marks.begin(ctx, false)
	if err != nil {
		return err
	}
	defer end()
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
		marked, err := s.marks.of(ctx, of.generation, n)
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

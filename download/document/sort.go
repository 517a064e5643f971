package document

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/ipfs/go-datastore"
)

const (
	// sortBytes is how much of entries is held to be sorted, about.
	sortBytes = 16 << 20
	// entryBytes is what an entry takes in memory besides what it points to: its fields,
	// and the spare room of what was allocated for them.
	entryBytes = 120
	// pagesAtOnce are written together: about a megabyte.
	pagesAtOnce = 32
)

// sorter puts entries in the order of their keys. What is too much to be held is written
// out as runs, each in order, which are merged in the end.
type sorter struct {
	ctx        context.Context
	data       datastore.Batching
	generation string
	most       int // bytes, about, that are held

	held  []Entry
	bytes int
	runs  []pages
}

func (s *sorter) add(e Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	e.Key, e.Metadata = bytes.Clone(e.Key), bytes.Clone(e.Metadata)
	s.held = append(s.held, e)
	if s.bytes += entryBytes + len(e.Key) + e.CID.ByteLen() + len(e.Metadata); s.bytes < s.most {
		return nil
	}
	run := pageWriter{ctx: s.ctx, data: s.data, generation: fmt.Sprintf("%s/run%d", s.generation, len(s.runs))}
	if err := s.drain(&run); err != nil {
		return err
	}
	s.runs = append(s.runs, pages{data: s.data, generation: run.generation, count: run.count})
	return nil
}

// drain writes what is held.
func (s *sorter) drain(out *pageWriter) error {
	slices.SortFunc(s.held, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	for i := range s.held {
		if err := out.add(&s.held[i]); err != nil {
			return err
		}
	}
	clear(s.held)
	s.held, s.bytes = s.held[:0], 0
	return out.end()
}

// sorted writes all entries in order, and leaves no runs.
func (s *sorter) sorted(out *pageWriter) error {
	if len(s.runs) == 0 {
		return s.drain(out)
	}
	if err := s.merge(out); err != nil {
		return err
	}
	w := writer{ctx: s.ctx, data: s.data, most: deletions}
	for _, run := range s.runs {
		for n := range run.count {
			if err := w.delete(run.key(n)); err != nil {
				return err
			}
		}
	}
	return w.commit()
}

// merge writes the entries of the runs and those that are held.
func (s *sorter) merge(out *pageWriter) error {
	slices.SortFunc(s.held, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	sources := []iter.Seq2[Entry, error]{func(yield func(Entry, error) bool) {
		for _, e := range s.held {
			if !yield(e, nil) {
				return
			}
		}
	}}
	for _, run := range s.runs {
		sources = append(sources, run.scan(s.ctx, nil))
	}
	var m merger
	for _, entries := range sources {
		next, stop := iter.Pull2(entries)
		defer stop()
		if err := m.push(next); err != nil {
			return err
		}
	}
	for len(m) > 0 {
		if err := out.add(&m[0].entry); err != nil {
			return err
		}
		if err := m.advance(); err != nil {
			return err
		}
	}
	return out.end()
}

// merger is a heap of sorted sources, that with the lowest key first.
type merger []source

type source struct {
	entry Entry // the next
	next  func() (Entry, error, bool)
}

func (m merger) Len() int           { return len(m) }
func (m merger) Less(i, j int) bool { return bytes.Compare(m[i].entry.Key, m[j].entry.Key) < 0 }
func (m merger) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }

// Push implements [heap.Interface].
func (m *merger) Push(x any) { *m = append(*m, x.(source)) }

// Pop implements [heap.Interface].
func (m *merger) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// push adds a source, if there is something in it.
func (m *merger) push(next func() (Entry, error, bool)) error {
	e, err, more := next()
	if more && err == nil {
		heap.Push(m, source{entry: e, next: next})
	}
	return err
}

// advance takes the lowest entry out.
func (m *merger) advance() error {
	e, err, more := (*m)[0].next()
	switch {
	case !more:
		heap.Pop(m)
	case err == nil:
		(*m)[0].entry = e
		heap.Fix(m, 0)
	}
	return err
}

// pageWriter writes entries, which come in the order of their keys, as pages.
type pageWriter struct {
	ctx        context.Context
	data       datastore.Batching
	generation string

	out     writer
	page    []byte
	last    []byte // key
	count   uint32 // pages
	entries uint64
	bytes   uint64 // of the entries' data
}

// add adds an entry, or returns a [*DuplicateError].
func (w *pageWriter) add(e *Entry) error {
	if w.entries > 0 && bytes.Equal(w.last, e.Key) {
		return &DuplicateError{Key: e.Key}
	}
	w.last = append(w.last[:0], e.Key...)
	w.page = appendEntry(w.page, e)
	w.entries++
	w.bytes += e.Size
	if len(w.page) < pageBytes {
		return nil
	}
	return w.turn()
}

// turn writes the page and begins another.
func (w *pageWriter) turn() error {
	if w.out.data == nil {
		w.out = writer{ctx: w.ctx, data: w.data, most: pagesAtOnce}
	}
	if err := w.out.put(pageKey(w.generation, w.count), w.page); err != nil {
		return fmt.Errorf("write a page of entries: %w", err)
	}
	w.page = make([]byte, 0, pageBytes+pageBytes/8)
	w.count++
	return nil
}

// end writes what has not been written.
func (w *pageWriter) end() error {
	if len(w.page) > 0 {
		if err := w.turn(); err != nil {
			return err
		}
	}
	if err := w.out.commit(); err != nil {
		return fmt.Errorf("write pages of entries: %w", err)
	}
	return nil
}

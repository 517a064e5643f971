package document

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sort"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
)

// pageBytes is how much a page holds, but for its last entry: about 300 entries of a
// usual length, and little enough to be read for one.
const pageBytes = 32 << 10

// pages are entries in the order of their keys, divided into parts of about pageBytes,
// each of which is a value of the datastore. A page is the entries one after the other:
//
//	uvarint(length) key  uvarint(length) CID  uvarint size  uvarint(length) metadata
type pages struct {
	data       datastore.Datastore
	generation string
	count      uint32
}

// key is that of a page.
func (p *pages) key(n uint32) datastore.Key { return pageKey(p.generation, n) }

func pageKey(generation string, n uint32) datastore.Key {
	return pagesPrefix.ChildString(generation).ChildString(fmt.Sprintf("%08x", n))
}

// scan yields the entries from a key on.
func (p *pages) scan(ctx context.Context, from []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		n, err := p.seek(ctx, from)
		for ; err == nil && n < p.count; n++ {
			if err = context.Cause(ctx); err != nil {
				break
			}
			var more bool
			if more, err = p.yield(ctx, n, from, yield); err == nil && !more {
				return
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// yield yields the entries of one page from a key on, and reports whether more are wanted.
func (p *pages) yield(ctx context.Context, n uint32, from []byte, yield func(Entry, error) bool) (more bool, err error) {
	entries, err := p.entries(ctx, n)
	for _, e := range entries {
		if bytes.Compare(e.Key, from) >= 0 && !yield(e, nil) {
			return false, nil
		}
	}
	return true, err
}

// entries returns those of a page.
func (p *pages) entries(ctx context.Context, n uint32) ([]Entry, error) {
	page, err := p.read(ctx, n)
	if err != nil {
		return nil, err
	}
	all := make([]Entry, 0, len(page)/entryBytes)
	for len(page) > 0 {
		var e Entry
		if e, page, err = cutEntry(page); err != nil {
			return nil, &DamagedError{Key: p.key(n).String(), Err: err}
		}
		all = append(all, e)
	}
	return all, nil
}

// seek returns the page in which a key is, if it is anywhere: the last that does not begin
// above it.
func (p *pages) seek(ctx context.Context, key []byte) (uint32, error) {
	if len(key) == 0 {
		return 0, nil
	}
	var failed error
	above := sort.Search(int(p.count), func(n int) bool {
		if failed != nil {
			return true
		}
		first, err := p.first(ctx, uint32(n))
		failed = err
		return bytes.Compare(first, key) > 0
	})
	return uint32(max(above-1, 0)), failed
}

// first returns the first key of a page.
func (p *pages) first(ctx context.Context, n uint32) ([]byte, error) {
	page, err := p.read(ctx, n)
	if err != nil {
		return nil, err
	}
	e, _, err := cutEntry(page)
	if err != nil {
		return nil, &DamagedError{Key: p.key(n).String(), Err: err}
	}
	return e.Key, nil
}

func (p *pages) read(ctx context.Context, n uint32) ([]byte, error) {
	page, err := p.data.Get(ctx, p.key(n))
	if errors.Is(err, datastore.ErrNotFound) {
		return nil, errNoPage
	}
	if err != nil {
		return nil, fmt.Errorf("read a page of entries: %w", err)
	}
	return page, nil
}

// errNoPage is a page that is not there.
var errNoPage = errors.New("a page of entries is not there")

// appendEntry adds an entry to a page.
func appendEntry(page []byte, e *Entry) []byte {
	for _, field := range [][]byte{e.Key, e.CID.Bytes()} {
		page = append(binary.AppendUvarint(page, uint64(len(field))), field...)
	}
	page = binary.AppendUvarint(page, e.Size)
	return append(binary.AppendUvarint(page, uint64(len(e.Metadata))), e.Metadata...)
}

// errCut is a page that ends within an entry.
var errCut = errors.New("an entry is not whole")

// cutEntry returns the first entry of a page and the rest. The entry shares the memory of
// the page.
func cutEntry(page []byte) (e Entry, rest []byte, err error) {
	key, rest, err := cutField(page)
	if err != nil {
		return Entry{}, nil, err
	}
	name, rest, err := cutField(rest)
	if err != nil {
		return Entry{}, nil, err
	}
	size, width := binary.Uvarint(rest)
	if width <= 0 {
		return Entry{}, nil, errCut
	}
	metadata, rest, err := cutField(rest[width:])
	if err != nil {
		return Entry{}, nil, err
	}
	e = Entry{Key: key, Size: size, Metadata: metadata}
	if e.CID, err = cid.Cast(name); err == nil {
		err = e.Check()
	}
	return e, rest, err
}

func cutField(page []byte) (field, rest []byte, err error) {
	n, width := binary.Uvarint(page)
	if width <= 0 || n > uint64(len(page)-width) {
		return nil, nil, errCut
	}
	end := width + int(n)
	return page[width:end:end], page[end:], nil
}

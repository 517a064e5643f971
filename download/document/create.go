package document

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/download/policy"
)

// ExistsError says that a document is there already.
type ExistsError struct{ Info Info }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("document %q of %s is there already, as %s", e.Info.Name, e.Info.Root, e.Info.ID)
}

// BusyError says that a document is being made already.
type BusyError struct{ Document ID }

func (e *BusyError) Error() string {
	return fmt.Sprintf("document %s is being imported already", e.Document)
}

// DuplicateError says that two entries have one key.
type DuplicateError struct{ Key []byte }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("two entries have the key %.80q: every entry has one of its own", e.Key)
}

// Import is the making of a document that is under way.
type Import struct {
	ID      ID        `json:"id"`
	Name    string    `json:"name"`
	Root    cid.Cid   `json:"root"`
	Begun   time.Time `json:"begun"`
	Entries uint64    `json:"entries"` // so far
}

// making is an import as the store knows it.
type making struct {
	Import
	generation string
	policy     policy.Policy
	taken      atomic.Uint64 // entries
}

// Imports returns the imports that are under way, in the order of their begin.
func (s *Store) Imports() []Import {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Import, 0, len(s.importing))
	for _, i := range s.importing {
		one := i.Import
		one.Entries = i.taken.Load()
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Import) int {
		return cmp.Or(a.Begun.Compare(b.Begun), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return all
}

// Draft says what a document is to be.
type Draft struct {
	Name   string
	Root   cid.Cid
	Policy policy.Policy // from its begin on
}

func (d *Draft) check() error {
	if err := CheckName(d.Name); err != nil {
		return err
	}
	if !d.Root.Defined() || d.Root.ByteLen() > MaxCID {
		return fmt.Errorf("document %q: a root CID of %d bytes, and 1 to %d are right", d.Name, d.Root.ByteLen(), MaxCID)
	}
	return nil
}

// Create makes a document of entries, which may come in any order, and returns when it
// would survive a loss of power. Until then there is none; when it fails, the process is
// killed or the entries end with an error, there never is one. What it has written by then
// is removed by the next Create, or by [Store.Tidy]. Entries and what they hold may change
// once the next is asked for.
//
// It holds about 16 MiB of entries and 32 KiB for every 16 MiB of them, so 16 MiB for a
// million of them and 50 MiB for a hundred. Errors are *[ExistsError], *[BusyError],
// *[DuplicateError], that of an entry against the bounds, of the entries, of the store.
func (s *Store) Create(ctx context.Context, d Draft, entries iter.Seq2[Entry, error]) (Info, error) {
	if err := d.check(); err != nil {
		return Info{}, err
	}
	if err := s.Tidy(ctx); err != nil {
		return Info{}, err
	}
	i := &making{generation: rand.Text(), policy: d.Policy}
	i.ID, i.Name, i.Root, i.Begun = IDOf(d.Root, d.Name), d.Name, d.Root, time.Now().UTC().Truncate(time.Second)
	if err := s.begin(ctx, i); err != nil {
		return Info{}, err
	}
	defer s.ended(i)
	r, err := s.create(ctx, i, entries)
	if err != nil {
		// With a context of its own: what ended may have been the context.
		return Info{}, errors.Join(err, s.purge(context.WithoutCancel(ctx), i.generation))
	}
	return s.info(ctx, i.ID, r)
}

// begin makes an import the only one of its document.
func (s *Store) begin(ctx context.Context, i *making) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.importing[i.ID] != nil {
		return &BusyError{Document: i.ID}
	}
	switch one, err := s.Info(ctx, i.ID); {
	case err == nil:
		return &ExistsError{Info: one}
	case !errors.As(err, new(*NotFoundError)):
		return err
	}
	if err := s.pend(ctx, i.generation, i.ID); err != nil {
		return err
	}
	s.importing[i.ID] = i
	return nil
}

func (s *Store) ended(i *making) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.importing, i.ID)
}

func (s *Store) create(ctx context.Context, i *making, entries iter.Seq2[Entry, error]) (record, error) {
	in := sorter{ctx: ctx, data: s.data, generation: i.generation, most: s.sortBytes}
	for e, err := range entries {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = in.add(e)
		}
		if err != nil {
			return record{}, err
		}
		i.taken.Add(1)
	}
	out := pageWriter{ctx: ctx, data: s.data, generation: i.generation}
	if err := in.sorted(&out); err != nil {
		return record{}, err
	}
	r := record{
		Name: i.Name, Root: i.Root, Created: i.Begun, Generation: i.generation,
		Entries: out.entries, Bytes: out.bytes, Pages: out.count,
	}
	return r, s.publish(ctx, i, r)
}

// publish makes a document whose pages are written be there.
func (s *Store) publish(ctx context.Context, i *making, r record) error {
	id := i.ID
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("document %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range []func() error{
		func() error { return s.unsettle(ctx, id) }, // of one that was removed in part
		func() error { return s.putPolicy(ctx, id, i.policy) },
		func() error { return s.data.Sync(ctx, base) }, // no page comes after the record
		func() error { return s.data.Put(ctx, listPrefix.ChildString(id.String()), data) },
		func() error { return s.data.Sync(ctx, base) },
		func() error { return s.data.Delete(ctx, pendPrefix.ChildString(r.Generation)) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("document %s: write its record: %w", id, err)
		}
	}
	s.tell()
	return nil
}

// Remove removes a document with its policy. Scans of it end with [ErrRemoved]. It is a
// [*NotFoundError] when there is none. The data of its entries is left to whoever removes
// what is wanted no more.
func (s *Store) Remove(ctx context.Context, id ID) (Info, error) {
	one, generation, err := s.unpublish(ctx, id)
	if err != nil {
		return one, err
	}
	return one, s.purge(ctx, generation)
}

func (s *Store) unpublish(ctx context.Context, id ID) (one Info, generation string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.record(ctx, id)
	if err == nil {
		one, err = s.info(ctx, id, r)
	}
	if err != nil {
		return one, "", err
	}
	for _, step := range []func() error{
		func() error { return s.pend(ctx, r.Generation, id) },
		func() error { return s.data.Delete(ctx, listPrefix.ChildString(id.String())) },
		func() error { return s.unsettle(ctx, id) },
		func() error { return s.data.Sync(ctx, base) },
	} {
		if err := step(); err != nil {
			return one, "", fmt.Errorf("remove document %s: %w", id, err)
		}
	}
	s.removed(id)
	s.tell()
	return one, r.Generation, nil
}

// unsettle removes what was said about a document that is not there any more.
func (s *Store) unsettle(ctx context.Context, id ID) error {
	err := s.data.Delete(ctx, policyPrefix.ChildString(id.String()))
	if err == nil {
		err = s.data.Delete(ctx, syncPrefix.ChildString(id.String()))
	}
	return err
}

// pend says that pages belong to no document, unless its record says that they do.
func (s *Store) pend(ctx context.Context, generation string, id ID) error {
	err := s.data.Put(ctx, pendPrefix.ChildString(generation), id[:])
	if err != nil {
		return fmt.Errorf("document %s: %w", id, err)
	}
	return nil
}

// Tidy removes what imports and removals have left that did not end. Create calls it.
func (s *Store) Tidy(ctx context.Context) error {
	for key, err := range keysBelow(ctx, s.data, pendPrefix) {
		if err == nil {
			err = s.tidy(ctx, key)
		}
		if err != nil {
			return fmt.Errorf("remove what is left of documents: %w", err)
		}
	}
	return nil
}

// tidy removes the pages of one generation, if they belong to nothing.
func (s *Store) tidy(ctx context.Context, pending datastore.Key) error {
	generation := pending.BaseNamespace()
	data, err := s.data.Get(ctx, pending)
	if errors.Is(err, datastore.ErrNotFound) {
		return nil // it ended meanwhile
	}
	if err != nil {
		return err
	}
	var id ID
	if copy(id[:], data) != len(data) {
		return &DamagedError{Key: pending.String(), Err: fmt.Errorf("%d bytes are no ID", len(data))}
	}
	used, err := s.inUse(ctx, id, generation)
	switch {
	case err != nil:
		return err
	case used:
		return nil
	}
	return s.purge(ctx, generation)
}

// inUse reports whether pages are those of an import that is under way or, whereupon they
// are pending no more, of a document. Where there is neither, there is no policy of it.
func (s *Store) inUse(ctx context.Context, id ID, generation string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.importing[id]; i != nil && i.generation == generation {
		return true, nil
	}
	r, err := s.record(ctx, id)
	switch {
	case errors.As(err, new(*NotFoundError)) && s.importing[id] == nil:
		return false, s.unsettle(ctx, id)
	case errors.As(err, new(*NotFoundError)) || err == nil && r.Generation != generation:
		return false, nil
	case err == nil:
		err = s.data.Delete(ctx, pendPrefix.ChildString(generation))
	}
	return true, err
}

// purge removes the pages of a generation, and what is marked of them.
func (s *Store) purge(ctx context.Context, generation string) error {
	err := deleteBelow(ctx, s.data, pagesPrefix.ChildString(generation))
	if err == nil {
		err = deleteBelow(ctx, s.data, marksPrefix.ChildString(generation))
	}
	if err == nil {
		err = s.data.Delete(ctx, pendPrefix.ChildString(generation))
	}
	if err != nil {
		return fmt.Errorf("remove pages of entries: %w", err)
	}
	return nil
}

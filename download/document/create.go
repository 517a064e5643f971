package document

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

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

// making is an import as who makes it knows it.
type making struct {
	importing
	policy policy.Policy
	who    *caller
	listed bool // there is a record of it, or may be
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
	i := &making{policy: d.Policy, who: &caller{}}
	i.ID, i.Name, i.Root, i.Begun = IDOf(d.Root, d.Name), d.Name, d.Root, time.Now().UTC().Truncate(time.Second)
	i.generation = rand.Text()
	if _, err := s.obtain(ctx, i.who, i.importing); err != nil {
		return Info{}, err
	}
	defer s.leave(i.who, unchanged)
	if err := s.begin(ctx, i); err != nil {
		return Info{}, err
	}
	r, err := s.create(ctx, i, entries)
	if err == nil {
		err = s.publish(ctx, i, r)
	}
	if err != nil && !i.listed {
		// With a context of its own: what ended may have been the context.
		err = errors.Join(err, s.purge(context.WithoutCancel(ctx), i.generation))
	}
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, i.ID, r)
}

// begin prepares an import of a document that there is not yet.
func (s *Store) begin(ctx context.Context, i *making) error {
	switch one, err := s.Info(ctx, i.ID); {
	case err == nil:
		return &ExistsError{Info: one}
	case !errors.As(err, new(*NotFoundError)):
		return err
	}
	return s.pend(ctx, i.generation, i.ID)
}

// create writes the entries. It ends when the store is closed.
func (s *Store) create(ctx context.Context, i *making, entries iter.Seq2[Entry, error]) (record, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.open, func() { cancel(ErrClosed) })()
	in := sorter{ctx: ctx, data: s.data, generation: i.generation, most: s.sortBytes}
	taken := uint64(0)
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
		taken++
		now := taken
		i.who.taken.Set(&now)
	}
	out := pageWriter{ctx: ctx, data: s.data, generation: i.generation}
	if err := in.sorted(&out); err != nil {
		return record{}, err
	}
	return record{
		Name: i.Name, Root: i.Root, Created: i.Begun, Generation: i.generation,
		Entries: out.entries, Bytes: out.bytes, Pages: out.count,
	}, nil
}

// publish makes a document whose pages are written be there.
func (s *Store) publish(ctx context.Context, i *making, r record) error {
	id := i.ID
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("document %s: %w", id, err)
	}
	return s.inTurn(ctx, turnWith{document: id}, func(t *turn) error {
		err := inOrder(
			func() error { return s.unsettle(ctx, id) }, // of one that was removed in part
			func() error { return s.putPolicy(ctx, id, i.policy) },
			func() error { return s.data.Sync(ctx, base) }, // no page comes after the record
			func() error {
				i.listed, t.did = true, changed
				return s.data.Put(ctx, listPrefix.ChildString(id.String()), data)
			},
			func() error { return s.data.Sync(ctx, base) },
			func() error { return s.data.Delete(ctx, pendPrefix.ChildString(r.Generation)) },
		)
		if err == nil {
			return nil
		}
		return errors.Join(fmt.Errorf("document %s: write its record: %w", id, err), s.retract(context.WithoutCancel(ctx), i))
	})
}

// retract takes back that a document is there. While that is in doubt its pages have to stay.
func (s *Store) retract(ctx context.Context, i *making) error {
	if !i.listed {
		return nil
	}
	if err := s.unlist(ctx, i.ID); err != nil {
		return fmt.Errorf("document %s: remove its record: %w", i.ID, err)
	}
	i.listed = false
	return nil
}

// unlist removes the record of a document, with what was said about it.
func (s *Store) unlist(ctx context.Context, id ID) error {
	return inOrder(
		func() error { return s.data.Delete(ctx, listPrefix.ChildString(id.String())) },
		func() error { return s.unsettle(ctx, id) },
		func() error { return s.data.Sync(ctx, base) },
	)
}

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a document with its policy. Scans of it end with [ErrRemoved]. It is a
// [*NotFoundError] when there is none. The data of its entries is left to whoever removes
// what is wanted no more.
func (s *Store) Remove(ctx context.Context, id ID) (one Info, err error) {
	err = s.inTurn(ctx, turnWith{document: id}, func(t *turn) error {
		r, err := s.record(ctx, id)
		if err == nil {
			one, err = s.info(ctx, id, r)
		}
		if err != nil {
			return err
		}
		err = inOrder(
			func() error { return s.pend(ctx, r.Generation, id) },
			func() error { t.did = removed; return s.unlist(ctx, id) },
		)
		if err != nil {
			return fmt.Errorf("remove document %s: %w", id, err)
		}
		return s.purge(ctx, r.Generation)
	})
	return one, err
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

// Tidy removes what imports and removals have left that did not end, except of documents
// with which somebody has a turn. Create calls it.
func (s *Store) Tidy(ctx context.Context) error {
	if err := context.Cause(s.open); err != nil {
		return err
	}
	q := query.Query{Prefix: pendPrefix.String()}
	for row, err := range datastore.QueryIter(ctx, s.data, q) {
		if err == nil {
			err = s.tidy(ctx, row)
		}
		if err != nil {
			return fmt.Errorf("remove what is left of documents: %w", err)
		}
	}
	return nil
}

// tidy removes the pages of one generation, if they belong to nothing. It does not matter
// whether they are still pending: what has ended meanwhile is found again as it is.
func (s *Store) tidy(ctx context.Context, pending query.Entry) error {
	generation := datastore.RawKey(pending.Key).BaseNamespace()
	var id ID
	if copy(id[:], pending.Value) != len(pending.Value) {
		return &DamagedError{Key: pending.Key, Err: fmt.Errorf("%d bytes are no ID", len(pending.Value))}
	}
	// Who has a turn may be on a disk that hangs, and another document must not wait for it.
	err := s.inTurn(ctx, turnWith{document: id, atOnce: true}, func(t *turn) error {
		used, err := s.inUse(ctx, id, generation, t)
		if err != nil || used {
			return err
		}
		return s.purge(ctx, generation)
	})
	if errors.Is(err, errTaken) {
		return nil
	}
	return err
}

// inUse reports whether pages are those of an import that is under way or, whereupon they
// are pending no more, of a document. Where there is neither, there is no policy of it.
func (s *Store) inUse(ctx context.Context, id ID, generation string, t *turn) (bool, error) {
	if t.generation == generation {
		return true, nil
	}
	r, err := s.record(ctx, id)
	switch {
	case errors.As(err, new(*NotFoundError)) && t.generation == "":
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

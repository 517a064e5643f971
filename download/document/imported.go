package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/souk-p2p/souk/download/policy"
	"github.com/souk-p2p/souk/internal/actor"
)

// ErrRemoved is the error of a scan whose document was removed meanwhile.
var ErrRemoved = errors.New("the document was removed")

// imported is a [Document] whose entries were put into the store at once and do not
// change.
type imported struct {
	store *Store
	id    ID
	pages pages
}

// ID implements [Document].
func (d *imported) ID() ID { return d.id }

// Scan implements [Document].
func (d *imported) Scan(ctx context.Context, prefix, from []byte) iter.Seq2[Entry, error] {
	if bytes.Compare(from, prefix) < 0 {
		from = prefix
	}
	return func(yield func(Entry, error) bool) {
		if err := context.Cause(d.store.open); err != nil {
			yield(Entry{}, err)
			return
		}
		for e, err := range d.pages.scan(ctx, from) {
			if err == nil && !bytes.HasPrefix(e.Key, prefix) {
				return
			}
			if !yield(e, d.whyNoPage(ctx, err)) || err != nil {
				return
			}
		}
	}
}

// whyNoPage tells a page that went with its document from one that is lost. Other errors
// are returned as they are.
func (d *imported) whyNoPage(ctx context.Context, err error) error {
	if !errors.Is(err, errNoPage) {
		return err
	}
	r, err := d.store.record(ctx, d.id)
	switch {
	case errors.As(err, new(*NotFoundError)) || err == nil && r.Generation != d.pages.generation:
		return ErrRemoved
	case err != nil:
		return err
	}
	return &DamagedError{Key: pagesPrefix.ChildString(d.pages.generation).String(), Err: errNoPage}
}

// missing is [Missing] of this document.
func (d *imported) missing(ctx context.Context, p policy.Policy, from []byte, look Look) iter.Seq2[Lack, error] {
	return func(yield func(Lack, error) bool) {
		for _, r := range p.Ranges(from) {
			if more, err := d.missingIn(ctx, r, look, yield); err != nil {
				yield(Lack{}, d.whyNoPage(ctx, err))
				return
			} else if !more {
				return
			}
		}
	}
}

// missingIn yields what is missing in a range, and reports whether more is wanted.
func (d *imported) missingIn(ctx context.Context, r policy.Range, look Look, yield func(Lack, error) bool) (more bool, err error) {
	n, err := d.pages.seek(ctx, r.From)
	for ; err == nil && n < d.pages.count; n++ {
		if err = context.Cause(ctx); err != nil {
			break
		}
		var lacks []Lack
		var beyond bool
		lacks, beyond, err = d.lacks(ctx, n, r, look)
		for _, l := range lacks {
			if !yield(l, nil) {
				return false, nil
			}
		}
		if beyond {
			break
		}
	}
	return true, err
}

// lacks returns what is missing of the entries of a page in a range, as far as they could be
// looked at, remembers what is not, and reports whether the page reaches beyond the range.
func (d *imported) lacks(ctx context.Context, n uint32, r policy.Range, look Look) (all []Lack, beyond bool, err error) {
	marked, err := d.store.marked(ctx, d.pages.generation, n) // before anything is looked at
	if err != nil {
		return nil, false, err
	}
	entries, err := d.pages.entries(ctx, n)
	if err != nil {
		return nil, false, err
	}
	found := false
	for i, e := range entries {
		if beyond = r.To != nil && bytes.Compare(e.Key, r.To) >= 0; beyond {
			break
		}
		if bytes.Compare(e.Key, r.From) < 0 || marked.has(i) {
			continue
		}
		switch here, err := look(ctx, e.CID); {
		case err != nil:
			return all, false, fmt.Errorf("entry %.80q: %w", e.Key, err)
		case here.Complete():
			marked.set(i)
			found = true
		default:
			all = append(all, Lack{Entry: e, Presence: here})
		}
	}
	if found {
		err = d.store.mark(ctx, d.pages.generation, n, marked)
	}
	return all, beyond, err
}

// Watch implements [Document]: nothing changes until the document is removed.
func (d *imported) Watch(ctx context.Context) (<-chan Change, error) {
	changes := actor.NewSlot[Change]()
	w := &watcher{end: changes.Close} // told of nothing
	id := d.id
	if err := d.store.watch(ctx, w, watched{one: &id}); err != nil {
		return nil, err
	}
	if _, err := d.store.record(ctx, id); err != nil {
		d.store.unwatch(w)
		return nil, err
	}
	return changes.C(), nil
}

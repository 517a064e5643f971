package document

import (
	"context"
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

var (
	base         = datastore.NewKey("/documents")
	listPrefix   = base.ChildString("list")
	policyPrefix = base.ChildString("policy")
	syncPrefix   = base.ChildString("sync")
	pagesPrefix  = base.ChildString("entries")
	pendPrefix   = base.ChildString("pending")
)

// Info describes a document.
type Info struct {
	ID      ID            `json:"id"`
	Name    string        `json:"name"`
	Root    cid.Cid       `json:"root"`
	Entries uint64        `json:"entries"`
	Bytes   uint64        `json:"bytes"` // of all entries, as their author says
	Created time.Time     `json:"created"`
	Policy  policy.Policy `json:"policy"`
	Syncing bool          `json:"syncing"` // what is missing is to be fetched
}

// record is what is kept of a document besides its policy and entries.
type record struct {
	Name       string    `json:"name"`
	Root       cid.Cid   `json:"root"`
	Entries    uint64    `json:"entries"`
	Bytes      uint64    `json:"bytes"`
	Created    time.Time `json:"created"`
	Generation string    `json:"generation"`
	Pages      uint32    `json:"pages"`
}

// NotFoundError says that there is no such document.
type NotFoundError struct{ Document string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no document %q", e.Document) }

// NotFound marks the error as one that means "not found".
func (e *NotFoundError) NotFound() bool { return true }

// DamagedError says that what is kept of a document cannot be read.
type DamagedError struct {
	Key string // of the datastore
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the entry %s of the datastore, which belongs to a document, is damaged: %v", e.Key, e.Err)
}

// Unwrap returns why.
func (e *DamagedError) Unwrap() error { return e.Err }

// Info returns what is known of a document, or a [*NotFoundError].
func (s *Store) Info(ctx context.Context, id ID) (Info, error) {
	r, err := s.find(ctx, id)
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, id, r)
}

// find is record of a store that is open.
func (s *Store) find(ctx context.Context, id ID) (record, error) {
	if err := context.Cause(s.open); err != nil {
		return record{}, err
	}
	return s.record(ctx, id)
}

func (s *Store) info(ctx context.Context, id ID, r record) (Info, error) {
	one := Info{ID: id, Name: r.Name, Root: r.Root, Entries: r.Entries, Bytes: r.Bytes, Created: r.Created}
	var err error
	if one.Policy, err = s.policy(ctx, id); err == nil {
		one.Syncing, err = s.data.Has(ctx, syncPrefix.ChildString(id.String()))
	}
	return one, err
}

// Document returns one of the documents, or a [*NotFoundError].
func (s *Store) Document(ctx context.Context, id ID) (Document, error) {
	r, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return &imported{store: s, id: id, pages: s.pages(r)}, nil
}

// pages are those of a document.
func (s *Store) pages(r record) pages {
	return pages{data: s.data, generation: r.Generation, count: r.Pages}
}

// List yields all documents, in the order of their IDs. An error is yielded last.
func (s *Store) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := context.Cause(s.open); err != nil {
			yield(Info{}, err)
			return
		}
		for row, err := range s.rows(ctx) {
			var one Info
			if err == nil {
				var r record
				if one.ID, r, err = listed(row); err == nil {
					one, err = s.info(ctx, one.ID, r)
				}
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

// rows yields the rows of the list.
func (s *Store) rows(ctx context.Context) iter.Seq2[query.Entry, error] {
	q := query.Query{Prefix: listPrefix.String(), Orders: []query.Order{query.OrderByKey{}}}
	return datastore.QueryIter(ctx, s.data, q)
}

// listed reads a row of the list.
func listed(row query.Entry) (id ID, r record, err error) {
	key := datastore.RawKey(row.Key)
	if err := id.UnmarshalText([]byte(key.BaseNamespace())); err != nil {
		return id, r, &DamagedError{Key: row.Key, Err: err}
	}
	r, err = parseRecord(id, key, row.Value)
	return id, r, err
}

// minDigits is how many digits of an ID stand for it: two of a million documents share
// eight of them in one of 8,000 repositories.
const minDigits = 8

// Find returns the document with a name, with an ID, or with an ID that begins with these
// digits, of which there must be eight. It is an [*AmbiguousError] when these are several.
func (s *Store) Find(ctx context.Context, text string) (Info, error) {
	var id ID
	if id.UnmarshalText([]byte(text)) == nil {
		if one, err := s.Info(ctx, id); !errors.As(err, new(*NotFoundError)) {
			return one, err
		}
	}
	var found []Info
	for one, err := range s.List(ctx) {
		if err != nil {
			return Info{}, err
		}
		if one.Name == text || len(text) >= minDigits && text == one.ID.String()[:min(len(text), 2*len(id))] {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return Info{}, &NotFoundError{Document: text}
	case 1:
		return found[0], nil
	default:
		return Info{}, &AmbiguousError{Document: text, First: found[0].ID, Second: found[1].ID}
	}
}

// AmbiguousError says that several documents are meant by a name or by digits.
type AmbiguousError struct {
	Document      string
	First, Second ID // two of them
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q are several documents, as %s and %s: use an ID", e.Document, e.First, e.Second)
}

// Policy returns the policy of a document: everything, until one was set. It is a
// [*NotFoundError] when there is no such document.
func (s *Store) Policy(ctx context.Context, id ID) (policy.Policy, error) {
	one, err := s.Info(ctx, id)
	return one.Policy, err
}

func (s *Store) policy(ctx context.Context, id ID) (p policy.Policy, err error) {
	key := policyPrefix.ChildString(id.String())
	data, err := s.data.Get(ctx, key)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return p, nil
	case err != nil:
		return p, fmt.Errorf("policy of document %s: %w", id, err)
	}
	if err := p.UnmarshalBinary(data); err != nil {
		return p, &DamagedError{Key: key.String(), Err: err}
	}
	return p, nil
}

// SetPolicy sets the policy of a document, and returns when that would survive a loss of
// power. It is a [*NotFoundError] when there is no such document.
func (s *Store) SetPolicy(ctx context.Context, id ID, p policy.Policy) error {
	return s.change(ctx, id, func() error { return s.putPolicy(ctx, id, p) })
}

// SetSyncing says whether what is missing of a document is to be fetched, now and after a
// restart, and returns when that would survive a loss of power. It is a [*NotFoundError]
// when there is no such document.
func (s *Store) SetSyncing(ctx context.Context, id ID, on bool) error {
	key := syncPrefix.ChildString(id.String())
	return s.change(ctx, id, func() error {
		if on {
			return s.data.Put(ctx, key, []byte{1})
		}
		return s.data.Delete(ctx, key)
	})
}

// change changes something about a document that is there.
func (s *Store) change(ctx context.Context, id ID, write func() error) error {
	return s.inTurn(ctx, turnWith{document: id}, func(t *turn) error {
		if _, err := s.record(ctx, id); err != nil {
			return err
		}
		t.did = changed
		err := write()
		if err == nil {
			err = s.data.Sync(ctx, base)
		}
		if err != nil {
			return fmt.Errorf("change document %s: %w", id, err)
		}
		return nil
	})
}

func (s *Store) putPolicy(ctx context.Context, id ID, p policy.Policy) error {
	data, err := p.MarshalBinary()
	if err != nil {
		return err
	}
	return s.data.Put(ctx, policyPrefix.ChildString(id.String()), data)
}

func (s *Store) record(ctx context.Context, id ID) (record, error) {
	key := listPrefix.ChildString(id.String())
	data, err := s.data.Get(ctx, key)
	switch {
	case errors.Is(err, datastore.ErrNotFound):
		return record{}, &NotFoundError{Document: id.String()}
	case err != nil:
		return record{}, fmt.Errorf("read document %s: %w", id, err)
	}
	return parseRecord(id, key, data)
}

func parseRecord(id ID, key datastore.Key, data []byte) (r record, err error) {
	if err = json.Unmarshal(data, &r); err == nil && (!r.Root.Defined() || IDOf(r.Root, r.Name) != id) {
		err = errors.New("it is that of another document")
	}
	if err != nil {
		return record{}, &DamagedError{Key: key.String(), Err: err}
	}
	return r, nil
}

// Package pins keeps the pins of a repository: blocks that a user wants to stay, each
// under a name, alone or with everything below it.
package pins

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/souk-p2p/souk/adapter/dag/roots"
)

// MaxName is the length in bytes of the longest name. It is Kubo's.
const MaxName = 255

// Pin says that a block is to stay. A block may be pinned under several names: it stays
// as long as there is one of these pins.
type Pin struct {
	CID  cid.Cid    `json:"cid"`
	Name string     `json:"name"` // may be empty
	Kind roots.Kind `json:"type"`
	Time time.Time  `json:"time"` // when it was pinned
}

// Check returns an error that names what is wrong with a pin.
func (p *Pin) Check() error {
	if !p.CID.Defined() {
		return errors.New("pin: no CID")
	}
	if err := CheckName(p.Name); err != nil {
		return err
	}
	if err := p.Kind.Check(); err != nil {
		return fmt.Errorf("pin %s: type %w", p.CID, err)
	}
	return nil
}

// CheckName returns an error for what cannot be the name of a pin.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("pin name of %d bytes: at most %d are right", len(name), MaxName)
	}
	for _, r := range name {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return fmt.Errorf("pin name %q: UTF-8 without control characters is right", name)
		}
	}
	return nil
}

// Set is the pins in a datastore. Many goroutines may use it.
type Set struct{ data datastore.Datastore }

// New returns the pins that are kept in a datastore under /pins.
func New(d datastore.Datastore) *Set { return &Set{data: d} }

var (
	prefix   = datastore.NewKey("/pins")
	alphabet = base32.HexEncoding.WithPadding(base32.NoPadding)
)

// keyOf is the key of a pin, which is that of no other: a pin is written or removed with
// one write, whole or not at all.
func keyOf(c cid.Cid, name string) datastore.Key {
	return keysOf(c).ChildString("n" + alphabet.EncodeToString([]byte(name)))
}

// keysOf are those of the pins of a block, whatever the version of its CID.
func keysOf(c cid.Cid) datastore.Key {
	v1 := cid.NewCidV1(c.Type(), c.Hash())
	return prefix.ChildString(alphabet.EncodeToString(v1.Bytes()))
}

// Add pins a block, in place of a pin of the same block and name. When it returns nil the
// pin survives a loss of power, and so does everything that was written to the same
// datastore before. It does not look whether the block is there.
func (s *Set) Add(ctx context.Context, p Pin) error {
	if err := p.Check(); err != nil {
		return err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("pin %s: %w", p.CID, err)
	}
	return s.written(ctx, s.data.Put(ctx, keyOf(p.CID, p.Name), value))
}

// Remove removes a pin. It is no error when there is none.
func (s *Set) Remove(ctx context.Context, p Pin) error {
	return s.written(ctx, s.data.Delete(ctx, keyOf(p.CID, p.Name)))
}

func (s *Set) written(ctx context.Context, err error) error {
	if err == nil {
		err = s.data.Sync(ctx, datastore.NewKey("/"))
	}
	if err != nil {
		return fmt.Errorf("write a pin: %w", err)
	}
	return nil
}

// Of yields the pins of one block, ordered by name. An error is yielded last.
func (s *Set) Of(ctx context.Context, c cid.Cid) iter.Seq2[Pin, error] {
	return s.below(ctx, keysOf(c))
}

// All yields every pin, those of a block together. An error is yielded last: also that of
// a damaged entry, because what it pins is not known.
func (s *Set) All(ctx context.Context) iter.Seq2[Pin, error] { return s.below(ctx, prefix) }

func (s *Set) below(ctx context.Context, prefix datastore.Key) iter.Seq2[Pin, error] {
	q := query.Query{Prefix: prefix.String(), Orders: []query.Order{query.OrderByKey{}}}
	return func(yield func(Pin, error) bool) {
		for entry, err := range datastore.QueryIter(ctx, s.data, q) {
			var p Pin
			if err == nil {
				p, err = parse(entry)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// DamagedError says that an entry is no pin.
type DamagedError struct {
	Key string
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the entry %s of the repository's datastore is no pin: %v", e.Key, e.Err)
}

// Unwrap returns why.
func (e *DamagedError) Unwrap() error { return e.Err }

func parse(entry query.Entry) (p Pin, err error) {
	err = json.Unmarshal(entry.Value, &p)
	if err == nil {
		err = p.Check()
	}
	if err == nil && keyOf(p.CID, p.Name).String() != entry.Key {
		err = fmt.Errorf("it is under the key of another")
	}
	if err != nil {
		return Pin{}, &DamagedError{Key: entry.Key, Err: err}
	}
	return p, nil
}

// Name implements [roots.Source].
func (s *Set) Name() string { return "pin" }

// Roots implements [roots.Source].
func (s *Set) Roots(ctx context.Context) iter.Seq2[roots.Root, error] {
	return func(yield func(roots.Root, error) bool) {
		for p, err := range s.All(ctx) {
			if !yield(roots.Root{CID: p.CID, Kind: p.Kind, Name: p.Name}, err) {
				return
			}
		}
	}
}

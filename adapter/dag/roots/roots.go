// Package roots says what of a store is to stay: roots, which come from sources that are
// registered. Pins are one; whoever else relies on stored blocks registers another.
package roots

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/ipfs/go-cid"
)

// Kind says how much stays with a root.
type Kind string

const (
	// Recursive is a root with everything below it.
	Recursive Kind = "recursive"
	// Direct is a root alone.
	Direct Kind = "direct"
	// Partial is a root with everything below it that is here: what is not here is no fault.
	// It is for what is being fetched, and for data of others, and no kind of a pin.
	Partial Kind = "partial"
)

// Check returns an error for what is no kind of a pin.
func (k Kind) Check() error {
	if k != Recursive && k != Direct {
		return fmt.Errorf("%q is neither %q nor %q", string(k), Recursive, Direct)
	}
	return nil
}

// Root is a block that is to stay.
type Root struct {
	CID  cid.Cid
	Kind Kind
	// Source is the name of what has named the root, and Name what it calls it, for people;
	// it may be empty.
	Source, Name string
}

// String names a root for people.
func (r Root) String() string {
	if r.Name == "" {
		return fmt.Sprintf("%s %s", r.Source, r.CID)
	}
	return fmt.Sprintf("%s %s (%q)", r.Source, r.CID, r.Name)
}

// Source names roots. Its methods may be called by many goroutines.
type Source interface {
	// Name is a word for what the roots are, as "pin".
	Name() string
	// Roots yields every root that was named before the call, in any order. An error is
	// yielded last: then nothing is removed, because there may be more.
	Roots(ctx context.Context) iter.Seq2[Root, error]
}

// Registry holds the sources of a store. The zero value is ready to use, by many
// goroutines.
type Registry struct {
	mu      sync.Mutex
	sources []Source
}

// Register adds a source, whose name no other has.
func (r *Registry) Register(s Source) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.sources {
		if other.Name() == s.Name() {
			return fmt.Errorf("roots: a source %q is registered already", s.Name())
		}
	}
	r.sources = append(r.sources, s)
	return nil
}

// All yields the roots of every source, each with the name of its source.
func (r *Registry) All(ctx context.Context) iter.Seq2[Root, error] {
	r.mu.Lock()
	sources := r.sources[:len(r.sources):len(r.sources)]
	r.mu.Unlock()
	return func(yield func(Root, error) bool) {
		for _, s := range sources {
			for root, err := range s.Roots(ctx) {
				if err != nil {
					yield(Root{}, fmt.Errorf("roots of %q: %w", s.Name(), err))
					return
				}
				root.Source = s.Name()
				if !yield(root, nil) {
					return
				}
			}
		}
	}
}

// Of returns a root that is this block, under whatever codec, and whether there is one.
func (r *Registry) Of(ctx context.Context, c cid.Cid) (Root, bool, error) {
	for root, err := range r.All(ctx) {
		if err != nil {
			return Root{}, false, err
		}
		if string(root.CID.Hash()) == string(c.Hash()) {
			return root, true, nil
		}
	}
	return Root{}, false, nil
}

package document

import (
	"bytes"
	"context"
	"iter"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/download/policy"
)

// Presence is how much of a DAG is stored here.
type Presence struct {
	Blocks uint64 // that are here
	Bytes  uint64 // in those
	Absent uint64 // blocks that are known not to be here; what they link to is not known
}

// Complete reports whether every block of the DAG is here.
func (p Presence) Complete() bool { return p.Absent == 0 }

// Partial reports whether some blocks of the DAG are here and some are not.
func (p Presence) Partial() bool { return p.Absent > 0 && p.Blocks > 0 }

// Look finds how much of a DAG is stored here, by looking at its blocks.
type Look func(ctx context.Context, root cid.Cid) (Presence, error)

// Lack is an entry that a policy covers and that is not here, or not all of it.
type Lack struct {
	Entry
	Presence
}

// Missing yields, in the order of keys and from one key on, the entries of a document that
// the policy covers and whose DAGs are not complete here. It reads what the policy covers
// and nothing else, and what it yields is true of the store at about that moment. An error
// is yielded last.
//
// Of a document of a [Store] it looks at a page of entries at a time, and remembers there
// what is complete, which is not looked at again until something is deleted.
func Missing(ctx context.Context, d Document, p policy.Policy, from []byte, look Look) iter.Seq2[Lack, error] {
	if d, kept := d.(*imported); kept {
		return d.missing(ctx, p, from, look)
	}
	return func(yield func(Lack, error) bool) {
		for e, err := range Covered(ctx, d, p, from) {
			var here Presence
			if err == nil {
				here, err = look(ctx, e.CID)
			}
			if err != nil {
				yield(Lack{}, err)
				return
			}
			if !here.Complete() && !yield(Lack{Entry: e, Presence: here}, nil) {
				return
			}
		}
	}
}

// Covered yields the entries of a document that a policy covers, as [Document] scans, from
// one key on. It reads nothing else.
func Covered(ctx context.Context, d Document, p policy.Policy, from []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, r := range p.Ranges(from) {
			for e, err := range d.Scan(ctx, nil, r.From) {
				if err == nil && r.To != nil && bytes.Compare(e.Key, r.To) >= 0 {
					break
				}
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/adapter/dag/roots"
)

// PinRequest says what is to stay.
type PinRequest struct {
	CID  cid.Cid
	Name string
	Kind roots.Kind
	// From is where what is missing is fetched from, unless it is Offline: then what is
	// missing is an error.
	From    Source
	Offline bool
	// Complete says that all of it is known to be stored, by one who holds the store.
	Complete bool
}

// PinProgress is how far the pinning of something has come.
type PinProgress struct {
	Blocks  int64 `json:"blocks"`  // seen
	Fetched int64 `json:"fetched"` // of these, those that were read or fetched
	Bytes   int64 `json:"bytes"`   // in those
}

// PinStatus is a pin and, when that was asked for, what is missing of it.
type PinStatus struct {
	pins.Pin
	// Blocks are those that were looked at and are there, Missing those that are not.
	Blocks  int64 `json:"blocks,omitempty"`
	Missing int64 `json:"missing,omitempty"`
	// FirstMissing is one of them, and Error why it, or what it links to, is not to be had.
	FirstMissing string `json:"first_missing,omitempty"`
	Error        string `json:"error,omitempty"`
}

// PinFilter says which pins: those of a block, or of a name, or of both.
type PinFilter struct {
	CID  cid.Cid // undefined for any
	Name *string // nil for any
}

func (f *PinFilter) matches(p pins.Pin) bool { return f.Name == nil || *f.Name == p.Name }

func (f *PinFilter) String() string {
	switch {
	case f.Name == nil:
		return f.CID.String()
	case !f.CID.Defined():
		return fmt.Sprintf("%q", *f.Name)
	default:
		return fmt.Sprintf("%s under the name %q", f.CID, *f.Name)
	}
}

// NotPinnedError says that there is no such pin.
type NotPinnedError struct{ What string }

func (e *NotPinnedError) Error() string { return e.What + " is not pinned" }

// NotFound marks the error as one that means "not found".
func (e *NotPinnedError) NotFound() bool { return true }

// PinError says that something was not pinned because not all of it can be had.
type PinError struct {
	CID cid.Cid
	Err error
}

func (e *PinError) Error() string { return fmt.Sprintf("%s is not pinned: %v", e.CID, e.Err) }

// Unwrap returns why.
func (e *PinError) Unwrap() error { return e.Err }

// Pins implements [Keeper].
func (s *Storage) Pins(ctx context.Context, verify bool) iter.Seq2[PinStatus, error] {
	return func(yield func(PinStatus, error) bool) {
		for p, err := range s.pins.All(ctx) {
			status := PinStatus{Pin: p}
			if err == nil && verify {
				err = s.look(ctx, &status)
			}
			if !yield(status, err) || err != nil {
				return
			}
		}
	}
}

// look finds what is missing of a pin.
func (s *Storage) look(ctx context.Context, p *PinStatus) error {
	miss := func(c cid.Cid, why error) error {
		if p.Missing++; p.Missing == 1 {
			p.FirstMissing, p.Error = c.String(), why.Error()
		}
		return nil
	}
	if p.Kind == roots.Direct {
		p.Blocks = 1
		if has, err := s.Blocks.Has(ctx, p.CID); err != nil || !has {
			p.Blocks = 0
			return errors.Join(err, miss(p.CID, &NotStoredError{CID: p.CID}))
		}
		return nil
	}
	here, err := s.survey(ctx, p.CID, dag.Options{Missing: miss})
	p.Blocks = int64(here.Blocks)
	if err != nil && context.Cause(ctx) == nil { // a block that is not what its codec says
		p.Error = err.Error()
		return nil
	}
	return err
}

// Unpin implements [Keeper].
func (s *Storage) Unpin(ctx context.Context, which PinFilter) ([]pins.Pin, error) {
	all := s.pins.All(ctx)
	if which.CID.Defined() {
		all = s.pins.Of(ctx, which.CID)
	}
	var found []pins.Pin
	for p, err := range all {
		if err != nil {
			return nil, err
		}
		if which.matches(p) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, &NotPinnedError{What: which.String()}
	}
	for i, p := range found {
		if err := s.pins.Remove(ctx, p); err != nil {
			return found[:i], err
		}
	}
	return found, nil
}

// pin is [Keeper.Pin] for a node that fetches in its way.
func (s *Storage) pin(ctx context.Context, r PinRequest, fetch func(context.Context, Source) (Fetcher, error), progress func(PinProgress)) (pins.Pin, error) {
	p := pins.Pin{CID: r.CID, Name: r.Name, Kind: r.Kind, Time: time.Now().UTC().Truncate(time.Second)}
	if err := p.Check(); err != nil {
		return p, &InvalidError{Err: err}
	}
	defer s.Blocks.Hold()()
	if !r.Complete {
		if err := s.complete(ctx, r, fetch, progress); err != nil {
			return p, err
		}
	}
	return p, s.pins.Add(ctx, p)
}

// complete has all that is to be pinned stored.
func (s *Storage) complete(ctx context.Context, r PinRequest, fetch func(context.Context, Source) (Fetcher, error), progress func(PinProgress)) (err error) {
	var from dag.Getter = dag.Local(s.Blocks.Get)
	if !r.Offline {
		f, err := fetch(ctx, r.From)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		from = f
	}
	g := gathering{ctx: ctx, to: s, progress: progress}
	if r.Kind == roots.Direct {
		err = g.one(from, r.CID)
	} else {
		err = dag.Walk(ctx, from, r.CID, dag.Options{Stored: s.Blocks.Has}, g.visit)
	}
	if err == nil {
		err = g.settle()
	}
	if err != nil && context.Cause(ctx) == nil {
		return &PinError{CID: r.CID, Err: orFull(err)}
	}
	return err
}

// gathering has what was fetched stored. An exchange hands blocks out before it has
// stored them, and goes on when it cannot.
type gathering struct {
	ctx      context.Context
	to       *Storage
	progress func(PinProgress)
	done     PinProgress
	recent   []blocks.Block
	bytes    int // in recent
}

// settleBytes is how much an exchange may have got and not stored, about: as much as it
// keeps for that by default.
const settleBytes = 16 << 20

func (g *gathering) one(from dag.Getter, c cid.Cid) error {
	b, err := from.GetBlock(g.ctx, c)
	if err != nil {
		return fmt.Errorf("block %s: %w", c, err)
	}
	return g.visit(c, b)
}

func (g *gathering) visit(_ cid.Cid, b blocks.Block) error {
	g.done.Blocks++
	if b != nil {
		g.done.Fetched++
		g.done.Bytes += int64(len(b.RawData()))
		g.recent = append(g.recent, b)
		g.bytes += len(b.RawData())
	}
	if g.progress != nil {
		g.progress(g.done)
	}
	if g.bytes >= settleBytes {
		return g.settle()
	}
	return nil
}

// settle stores what is not stored yet.
func (g *gathering) settle() error {
	var left []blocks.Block
	for _, b := range g.recent {
		has, err := g.to.Blocks.Has(g.ctx, b.Cid())
		if err != nil {
			return err
		}
		if !has {
			left = append(left, b)
		}
	}
	g.recent, g.bytes = nil, 0
	return g.to.Blocks.PutMany(g.ctx, left)
}

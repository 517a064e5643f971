package node

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
)

// Quarantine is what was put aside of broken blocks.
type Quarantine interface {
	// Quarantined yields every block that was put aside, by CID.
	Quarantined(ctx context.Context) iter.Seq2[QuarantinedBlock, error]
	// Discard removes for good what was put aside of a block, under any CID of it, and
	// returns what that was, or a [NotQuarantinedError].
	Discard(ctx context.Context, c cid.Cid) (QuarantinedBlock, error)
}

// QuarantinedBlock is a block that was put aside.
type QuarantinedBlock struct {
	CID    cid.Cid   `json:"cid"` // version 1, codec raw
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`   // when it was put aside
	Size   int       `json:"size"`   // of the broken bytes that are kept; 0 if none could be read
	Stored bool      `json:"stored"` // the block is here again, whole
}

// NotQuarantinedError says that nothing was put aside of a block.
type NotQuarantinedError struct{ CID cid.Cid }

func (e *NotQuarantinedError) Error() string {
	return fmt.Sprintf("nothing was put aside of %s: \"souk quarantine ls\" lists what was", e.CID)
}

// NotFound marks the error as one that means "not found".
func (e *NotQuarantinedError) NotFound() bool { return true }

// Quarantined implements [Quarantine]. It holds the bytes of one block at a time.
func (s *Storage) Quarantined(ctx context.Context) iter.Seq2[QuarantinedBlock, error] {
	return func(yield func(QuarantinedBlock, error) bool) {
		rows, err := s.data.Query(ctx, query.Query{Prefix: quarantine.String(), Orders: []query.Order{query.OrderByKey{}}, KeysOnly: true})
		if err != nil {
			yield(QuarantinedBlock{}, fmt.Errorf("list what was put aside: %w", err))
			return
		}
		defer rows.Close()
		for row := range rows.Next() {
			err := row.Error
			var b QuarantinedBlock
			if err == nil {
				b, err = s.quarantined(ctx, datastore.RawKey(row.Key))
			}
			if errors.Is(err, datastore.ErrNotFound) {
				continue // discarded meanwhile
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// quarantined reads what was put aside.
func (s *Storage) quarantined(ctx context.Context, key datastore.Key) (b QuarantinedBlock, err error) {
	value, err := s.data.Get(ctx, key)
	if err != nil {
		return b, err
	}
	var q quarantined
	if err := json.Unmarshal(value, &q); err != nil {
		return b, fmt.Errorf("what was put aside at %s cannot be read: %w", key, err)
	}
	b = QuarantinedBlock{CID: q.CID, Reason: q.Reason, Time: q.Time, Size: len(q.Data)}
	b.Stored, err = s.Blocks.Has(ctx, q.CID)
	return b, err
}

// Discard implements [Quarantine].
func (s *Storage) Discard(ctx context.Context, c cid.Cid) (QuarantinedBlock, error) {
	key := quarantine.ChildString(cid.NewCidV1(cid.Raw, c.Hash()).String())
	b, err := s.quarantined(ctx, key)
	if errors.Is(err, datastore.ErrNotFound) {
		return b, &NotQuarantinedError{CID: c}
	}
	if err != nil {
		return b, err
	}
	if err := s.data.Delete(ctx, key); err != nil {
		return b, fmt.Errorf("remove what was put aside of %s: %w", c, err)
	}
	return b, s.data.Sync(ctx, quarantine)
}

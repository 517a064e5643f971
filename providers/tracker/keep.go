package tracker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/ipfs/go-datastore"
	dsquery "github.com/ipfs/go-datastore/query"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

const (
	keepEvery  = time.Minute              // at most so often
	keepPace   = 62500 * time.Microsecond // for each piece of the last: no more than 1 MiB/s is written
	chunkBytes = 64 << 10                 // of one piece: a tenth of a millisecond of the actor
)

// The keys of what is kept: pieces of a snapshot by generation and number, and
// which generation is whole. One is written beside the last and takes its place
// when it is all there.
var (
	keptUnder  = datastore.NewKey("/tracker")
	wholeKey   = keptUnder.ChildString("whole")
	piecesName = "pieces"
)

func piecesUnder(generation uint64) datastore.Key {
	return keptUnder.ChildString(piecesName).ChildString(fmt.Sprintf("%016x", generation))
}

func pieceKey(generation uint64, n int) datastore.Key {
	return piecesUnder(generation).ChildString(fmt.Sprintf("%08x", n))
}

// keeper is the goroutine that keeps the table: it brings back what was kept, and
// writes a snapshot every minute, or every eight when the table is full. It asks the actor for one piece after the other.
type keeper struct {
	inbox      *actor.Inbox[request]
	store      datastore.Batching
	logger     *zap.Logger
	generation uint64 // that is whole
}

func newKeeper(inbox *actor.Inbox[request], store datastore.Batching, logger *zap.Logger) *keeper {
	return &keeper{inbox: inbox, store: store, logger: logger}
}

func (k *keeper) run(ctx context.Context) {
	if err := k.restore(ctx); err != nil && ctx.Err() == nil {
		k.logger.Warn("the tracker's rows were not restored", zap.Error(err))
	}
	clock := time.NewTimer(keepEvery)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return
		}
		pieces, err := k.write(ctx)
		clock.Reset(pauseAfter(pieces))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.logger.Warn("the tracker's rows were not kept", zap.Error(err))
		}
		_ = k.inbox.Send(ctx, wrote{err}) // Fails only at the end, when nobody counts.
	}
}

// pauseAfter is how long nothing is written after a snapshot of so many pieces.
func pauseAfter(pieces int) time.Duration { return max(keepEvery, time.Duration(pieces)*keepPace) }

// write writes one snapshot beside the last, removes that, and returns how many
// pieces it has written.
func (k *keeper) write(ctx context.Context) (n int, err error) {
	next := k.generation + 1
	for from, more := uint32(0), true; more; n++ {
		p, err := actor.Ask(ctx, k.inbox, func(reply chan<- piece) request { return snapshot{from, reply} })
		if err != nil {
			return n, err
		}
		if err := k.store.Put(ctx, pieceKey(next, n), p.chunk); err != nil {
			return n, fmt.Errorf("tracker: keep piece %d: %w", n, err)
		}
		from, more = p.next, p.next != 0
	}
	if err := k.store.Sync(ctx, piecesUnder(next)); err != nil {
		return n, fmt.Errorf("tracker: keep %d pieces: %w", n, err)
	}
	if err := k.putWhole(ctx, whole{next, n}); err != nil {
		return n, fmt.Errorf("tracker: keep what is whole: %w", err)
	}
	k.generation = next
	return n, k.sweep(ctx)
}

// whole is a generation of which all pieces were written.
type whole struct {
	generation uint64
	pieces     int
}

func (k *keeper) putWhole(ctx context.Context, w whole) error {
	b := binary.BigEndian.AppendUint64(nil, w.generation)
	b = binary.BigEndian.AppendUint32(b, uint32(w.pieces))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := k.store.Put(ctx, wholeKey, b); err != nil {
		return err
	}
	return k.store.Sync(ctx, wholeKey)
}

func readWhole(b []byte) (whole, error) {
	if len(b) != 16 || crc32.Checksum(b[:12], castagnoli) != binary.BigEndian.Uint32(b[12:]) {
		return whole{}, fmt.Errorf("%w: what is whole, %d bytes", ErrDamaged, len(b))
	}
	return whole{binary.BigEndian.Uint64(b), int(binary.BigEndian.Uint32(b[8:]))}, nil
}

// sweep removes the pieces of other generations.
func (k *keeper) sweep(ctx context.Context) error {
	keys, err := k.keys(ctx, keptUnder.ChildString(piecesName))
	if err != nil {
		return fmt.Errorf("tracker: list old pieces: %w", err)
	}
	own := piecesUnder(k.generation).String() + "/"
	for _, key := range keys {
		if strings.HasPrefix(key, own) {
			continue
		}
		if err := k.store.Delete(ctx, datastore.RawKey(key)); err != nil {
			return fmt.Errorf("tracker: remove old piece: %w", err)
		}
	}
	return nil
}

func (k *keeper) keys(ctx context.Context, under datastore.Key) ([]string, error) {
	found, err := k.store.Query(ctx, dsquery.Query{Prefix: under.String(), KeysOnly: true, Orders: []dsquery.Order{dsquery.OrderByKey{}}})
	if err != nil {
		return nil, err
	}
	entries, err := found.Rest()
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys, nil
}

// restore brings back the rows of the generation that is whole. A piece that
// cannot be read is passed over, and counted.
func (k *keeper) restore(ctx context.Context) error {
	b, err := k.store.Get(ctx, wholeKey)
	if errors.Is(err, datastore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return errors.Join(err, k.give(ctx, nil))
	}
	w, err := readWhole(b)
	if err != nil {
		k.generation = uint64(time.Now().UnixNano()) // One that was never written.
		return errors.Join(err, k.give(ctx, nil))
	}
	k.generation = w.generation
	for n := range w.pieces {
		chunk, err := k.store.Get(ctx, pieceKey(w.generation, n))
		err = errors.Join(err, k.give(ctx, chunk))
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			k.logger.Warn("a piece of the tracker's rows was passed over", zap.Int("piece", n), zap.Error(err))
		}
	}
	return nil
}

// give hands a piece to the table. One that is not there is a damaged one.
func (k *keeper) give(ctx context.Context, chunk []byte) error {
	said, err := actor.Ask(ctx, k.inbox, func(reply chan<- error) request { return restore{chunk, reply} })
	return errors.Join(said, err)
}

package document

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"
)

// none is a document that there is not.
var none = IDOf(cidOf("none"), "none")

func cidOf(text string) cid.Cid {
	c, err := cid.V1Builder{Codec: cid.DagProtobuf, MhType: 0x12}.Sum([]byte(text))
	if err != nil {
		panic(err)
	}
	return c
}

func entry(key string) Entry {
	return Entry{Key: []byte(key), CID: cidOf(key), Size: uint64(len(key)), Metadata: []byte("of " + key)}
}

// these yields entries, without an error.
func these(all ...Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// entriesOf are those with the keys.
func entriesOf(keys ...string) []Entry {
	all := make([]Entry, len(keys))
	for i, key := range keys {
		all[i] = entry(key)
	}
	return all
}

// numbered are n entries, in no order, of several pages and runs.
func numbered(n int) []Entry {
	all := make([]Entry, n)
	for i := range all {
		all[i] = entry(fmt.Sprintf("dir%d/%04d", i%7, (i*7919)%n))
		all[i].Metadata = make([]byte, 500)
	}
	return all
}

var errPower = errors.New("the power is gone")

// disk is a datastore that counts what is done with it, and fails for good after some
// writes. A batch is a write for each of its changes.
type disk struct {
	datastore.Batching
	reads  atomic.Int64
	left   atomic.Int64               // writes
	before func(op, key string) error // what is done with a key; may be nil
}

func newDisk() *disk {
	d := &disk{Batching: dssync.MutexWrap(datastore.NewMapDatastore())}
	d.left.Store(math.MaxInt64)
	return d
}

func (d *disk) begin(op string, key datastore.Key) error {
	if d.before == nil {
		return nil
	}
	return d.before(op, key.String())
}

func (d *disk) write(op string, key datastore.Key, do func() error) error {
	if d.left.Add(-1) < 0 {
		return errPower
	}
	if err := d.begin(op, key); err != nil {
		return err
	}
	return do()
}

func (d *disk) Get(ctx context.Context, key datastore.Key) ([]byte, error) {
	d.reads.Add(1)
	if err := d.begin("get", key); err != nil {
		return nil, err
	}
	return d.Batching.Get(ctx, key)
}

func (d *disk) Put(ctx context.Context, key datastore.Key, value []byte) error {
	return d.write("put", key, func() error { return d.Batching.Put(ctx, key, value) })
}

func (d *disk) Delete(ctx context.Context, key datastore.Key) error {
	return d.write("delete", key, func() error { return d.Batching.Delete(ctx, key) })
}

func (d *disk) Sync(ctx context.Context, key datastore.Key) error {
	if err := d.begin("sync", key); err != nil {
		return err
	}
	return d.Batching.Sync(ctx, key)
}

// once has something happen at the first operation with a key that begins so.
func (d *disk) once(op string, prefix datastore.Key, do func() error) {
	var done atomic.Bool
	d.before = func(o, key string) error {
		if o != op || !strings.HasPrefix(key, prefix.String()) || !done.CompareAndSwap(false, true) {
			return nil
		}
		return do()
	}
}

// hang has the first such operation not return before it is let go, whatever becomes of its
// context.
func (d *disk) hang(op string, prefix datastore.Key) (letGo func()) {
	free := make(chan struct{})
	d.once(op, prefix, func() error { <-free; return nil })
	return func() { close(free) }
}

func (d *disk) Batch(context.Context) (datastore.Batch, error) {
	return datastore.NewBasicBatch(d), nil
}

// newStore returns a store that is closed with the test.
func newStore(t *testing.T, d datastore.Batching) *Store {
	s := NewStore(d)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

// rows are the keys that there are.
func (d *disk) rows(t *testing.T) (all []string) {
	for key, err := range keysBelow(t.Context(), d, base) {
		require.NoError(t, err)
		all = append(all, key.String())
	}
	return all
}

// create makes a document of entries.
func create(t *testing.T, s *Store, name string, all ...Entry) Info {
	t.Helper()
	one, err := s.Create(t.Context(), Draft{Name: name, Root: cidOf(name)}, these(all...))
	require.NoError(t, err)
	return one
}

// open returns a document that is there.
func open(t *testing.T, s *Store, id ID) Document {
	t.Helper()
	d, err := s.Document(t.Context(), id)
	require.NoError(t, err)
	return d
}

// keys are those of a scan, until its error.
func keys(entries iter.Seq2[Entry, error]) (all []string, err error) {
	for e, err := range entries {
		if err != nil {
			return all, err
		}
		all = append(all, string(e.Key))
	}
	return all, nil
}

package stress

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/multiformats/go-multihash"
)

// blockSize is that of the blocks that are made on the fly.
const blockSize = 256 << 10

// endless is a datastore of blocks that are made when they are read, so that it
// takes no memory: the same bytes, and then a number. They can be read only.
type endless struct {
	datastore.Batching
	numbers map[string]uint64 // by multihash
	cids    []cid.Cid
}

func newEndless(n int) *endless {
	e := &endless{Batching: inMemory(), numbers: make(map[string]uint64, n)}
	begun := sha256.New()
	begun.Write(make([]byte, blockSize-8))
	for i := range uint64(n) {
		c := cid.NewCidV1(cid.Raw, endWith(begun, i))
		e.numbers[string(c.Hash())] = i
		e.cids = append(e.cids, c)
	}
	return e
}

// endWith returns the hash of what was hashed and a number.
func endWith(begun hash.Hash, number uint64) multihash.Multihash {
	state, err := begun.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // sha256 can be marshalled.
	}
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
	h.Write(binary.BigEndian.AppendUint64(nil, number))
	sum, err := multihash.Encode(h.Sum(nil), multihash.SHA2_256)
	if err != nil {
		panic(err) // The length is right.
	}
	return sum
}

func (e *endless) number(key datastore.Key) (uint64, error) {
	number, known := e.numbers[string(hashOf(key))]
	if !known {
		return 0, datastore.ErrNotFound
	}
	return number, nil
}

func (e *endless) Has(_ context.Context, key datastore.Key) (bool, error) {
	_, err := e.number(key)
	return err == nil, nil
}

func (e *endless) GetSize(_ context.Context, key datastore.Key) (int, error) {
	_, err := e.number(key)
	return blockSize, err
}

func (e *endless) Get(_ context.Context, key datastore.Key) ([]byte, error) {
	number, err := e.number(key)
	if err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint64(make([]byte, blockSize-8, blockSize), number), nil
}

// void is a datastore that forgets what it is given.
type void struct{ datastore.Batching }

func newVoid() void { return void{inMemory()} }

func (void) Put(context.Context, datastore.Key, []byte) error { return nil }

func (void) Batch(context.Context) (datastore.Batch, error) { return voidBatch{}, nil }

type voidBatch struct{}

func (voidBatch) Put(context.Context, datastore.Key, []byte) error { return nil }
func (voidBatch) Delete(context.Context, datastore.Key) error      { return nil }
func (voidBatch) Commit(context.Context) error                     { return nil }

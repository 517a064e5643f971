package unixfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/adapter/dag"
)

// distantStore answers through one pipe: a request takes a round trip, and the
// blocks of all requests follow each other at the pipe's bandwidth, each call's
// in an order of its own.
type distantStore struct {
	*mapStore
	roundTrip time.Duration
	// perSecond is the bandwidth in bytes, without a bound when zero.
	perSecond int64

	pipe   sync.Mutex
	free   time.Time
	calls  int
	blocks int
}

func (s *distantStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	out := make(chan blocks.Block)
	var found []blocks.Block
	for _, i := range rand.New(rand.NewPCG(uint64(len(cs)), 1)).Perm(len(cs)) {
		if b, err := s.mapStore.GetBlock(ctx, cs[i]); err == nil {
			found = append(found, b)
		}
	}
	times := s.schedule(found)
	go func() {
		defer close(out)
		for i, b := range found {
			time.Sleep(time.Until(times[i]))
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// schedule returns when each block will have passed the pipe.
func (s *distantStore) schedule(found []blocks.Block) []time.Time {
	s.pipe.Lock()
	defer s.pipe.Unlock()
	s.calls++
	s.blocks += len(found)
	if start := time.Now().Add(s.roundTrip); s.free.Before(start) {
		s.free = start
	}
	out := make([]time.Time, len(found))
	for i, b := range found {
		if s.perSecond > 0 {
			s.free = s.free.Add(time.Duration(int64(len(b.RawData())) * int64(time.Second) / s.perSecond))
		}
		out[i] = s.free
	}
	return out
}

// TestLargeFileKeepsAPipeFull: what a file costs beyond its bytes is the way
// down to the first leaf.
func TestLargeFileKeepsAPipeFull(t *testing.T) {
	const size, roundTrip, perSecond = 200 << 20, 100 * time.Millisecond, 12_500_000
	near := newMapStore()
	root, err := AddReader(t.Context(), near, io.LimitReader(counted{counter: new(uint64)}, size), AddOptions{})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		far := &distantStore{mapStore: near, roundTrip: roundTrip, perSecond: perSecond}
		began := time.Now()
		require.NoError(t, Cat(t.Context(), far, root.CID, io.Discard, CatOptions{}))
		ideal := time.Duration(int64(size)*int64(time.Second)/perSecond) + 3*roundTrip
		require.Less(t, time.Since(began), ideal+ideal/100)
		require.Less(t, far.calls, size/(1<<20), "calls must be batches")
		t.Logf("%.4f of ideal, %d calls", float64(time.Since(began))/float64(ideal), far.calls)
	})
}

// counted delivers a counter and zeros every 512 bytes: chunks that all differ, and cost
// nothing even where the race detector looks at each write of a byte.
type counted struct{ counter *uint64 }

func (z counted) Read(p []byte) (int, error) {
	clear(p)
	var number [8]byte
	for at := 0; at < len(p); at += 512 {
		*z.counter++
		binary.LittleEndian.PutUint64(number[:], *z.counter)
		copy(p[at:], number[:])
	}
	return len(p), nil
}

// TestSmallFilesDoNotCostARoundTripEach: a tree costs its depth in round trips,
// however many files it has.
func TestSmallFilesDoNotCostARoundTripEach(t *testing.T) {
	const roundTrip = 100 * time.Millisecond
	near, tr := newMapStore(), make(tree)
	for i := range 600 {
		tr[fmt.Sprintf("%d/%d/%d", i%5, i%30, i)] = treeEntry{data: string(pattern(40, i))}
	}
	root := addTree(t, near, filepath.Join(t.TempDir(), "in"), tr)
	synctest.Test(t, func(t *testing.T) {
		far := &distantStore{mapStore: near, roundTrip: roundTrip}
		began := time.Now()
		sum, err := Get(t.Context(), far, root.CID, filepath.Join(t.TempDir(), "out"), GetOptions{})
		require.NoError(t, err)
		require.Equal(t, uint64(600), sum.Files)
		// The root, two levels of directories, files, leaves.
		require.Equal(t, 5*roundTrip, time.Since(began))
	})
}

func TestShardedListingOverlapsItsShards(t *testing.T) {
	near := newMapStore()
	root := addNames(t, near, numbered(30_000, "some longer name %d"))
	synctest.Test(t, func(t *testing.T) {
		far := &distantStore{mapStore: near, roundTrip: time.Second}
		began := time.Now()
		require.Len(t, listNames(t, far, root.CID), 30_000)
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
	})
}

func TestARepeatedBlockIsAskedForOnceAWindow(t *testing.T) {
	near := newMapStore()
	root, err := AddReader(t.Context(), near, bytes.NewReader(make([]byte, 8<<20)), AddOptions{ChunkSize: 1 << 10})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		far := &distantStore{mapStore: near, roundTrip: time.Second}
		var got bytes.Buffer
		require.NoError(t, Cat(t.Context(), far, root.CID, &got, CatOptions{}))
		require.Equal(t, 8<<20, got.Len())
		require.Less(t, far.blocks, 20)
	})
}

func TestRangesReadOnlyWhatTheyNeed(t *testing.T) {
	near := newMapStore()
	data := pattern(100_000, 1)
	root, err := AddReader(t.Context(), near, bytes.NewReader(data), AddOptions{ChunkSize: 16})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Uint64Range(0, 100_100).Draw(t, "offset")
		length := rapid.Uint64Range(0, 5_000).Draw(t, "length")
		s := &countingStore{mapStore: near}
		var got bytes.Buffer
		require.NoError(t, Cat(context.Background(), s, root.CID, &got, CatOptions{Offset: offset, Length: length}))
		from := min(offset, uint64(len(data)))
		to := uint64(len(data))
		if length > 0 {
			to = min(from+length, to)
		}
		require.True(t, bytes.Equal(data[from:to], got.Bytes()))
		require.LessOrEqual(t, s.asked, int(to-from)/16+int(to-from)/16/174+6)
	})
}

// countingStore counts the blocks that are asked for.
type countingStore struct {
	*mapStore
	asked int
}

func (s *countingStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	s.asked += len(cs)
	return s.mapStore.GetBlocks(ctx, cs)
}

// TestMemoryDoesNotGrowWithTheFile adds a file to a store that forgets it, and
// reads one that a store makes up.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const size, ceiling = 300 << 20, 96 << 20
	forget := &forgetfulStore{nodes: newMapStore()}
	root, err := AddReader(t.Context(), forget, io.LimitReader(counted{counter: new(uint64)}, size), AddOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(size), root.Size)
	require.Less(t, forget.peak, uint64(ceiling))

	forget.peak = 0
	var n countWriter
	require.NoError(t, Cat(t.Context(), forget, root.CID, &n, CatOptions{}))
	require.Equal(t, countWriter(size), n)
	require.Less(t, forget.peak, uint64(ceiling))
}

type countWriter int64

func (n *countWriter) Write(p []byte) (int, error) {
	*n += countWriter(len(p))
	return len(p), nil
}

// forgetfulStore keeps the nodes of files and the places of their leaves, and
// makes leaves again when they are asked for. It samples the heap.
type forgetfulStore struct {
	mu     sync.Mutex
	nodes  *mapStore
	leaves map[cid.Cid]uint64
	added  uint64
	count  int
	peak   uint64
}

func (s *forgetfulStore) sample() {
	if s.count++; s.count%16 != 0 {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.peak = max(s.peak, m.HeapAlloc)
}

func (s *forgetfulStore) PutMany(ctx context.Context, bs []blocks.Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample()
	for _, b := range bs {
		if b.Cid().Type() != cid.Raw {
			if err := s.nodes.PutMany(ctx, []blocks.Block{b}); err != nil {
				return err
			}
			continue
		}
		if s.leaves == nil {
			s.leaves = make(map[cid.Cid]uint64)
		}
		s.leaves[b.Cid()] = s.added
		s.added += uint64(len(b.RawData()))
	}
	return nil
}

func (s *forgetfulStore) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample()
	offset, leaf := s.leaves[c]
	if !leaf {
		return s.nodes.GetBlock(ctx, c)
	}
	counter := offset / 512
	data := make([]byte, min(DefaultChunkSize, s.added-offset))
	if _, err := (counted{counter: &counter}).Read(data); err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}

func (s *forgetfulStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return dag.Local(s.GetBlock).GetBlocks(ctx, cs)
}

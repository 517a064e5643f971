package mirror

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

// world is a node with a document of a hundred entries, ten in each of ten directories.
type world struct {
	t    *testing.T
	docs *document.Store
	id   document.ID
	m    *Mirror

	mu      sync.Mutex
	here    map[cid.Cid]bool
	fails   map[string]error
	fetched []string
	active  int
	most    int // active at a time
	takes   time.Duration
	looking time.Duration // from what a look has seen to its end
	looks   int
	// deaf are keys of entries whose fetch does not end before this is closed, whatever it
	// is told.
	deaf map[string]chan struct{}
}

func cidOf(key string) cid.Cid {
	c, err := cid.V1Builder{Codec: cid.Raw, MhType: 0x12}.Sum([]byte(key))
	if err != nil {
		panic(err)
	}
	return c
}

// inWorld plays a test in virtual time.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, docs: document.NewStore(dssync.MutexWrap(datastore.NewMapDatastore())),
			here: map[cid.Cid]bool{}, fails: map[string]error{}, deaf: map[string]chan struct{}{}, takes: time.Second,
		}
		w.id = w.create("some", 100)
		w.restart(Config{})
		defer func() { require.NoError(t, w.docs.Close(t.Context())) }()
		defer func() { require.NoError(t, w.m.Close()) }()
		test(t, w)
	})
}

// create makes a document of entries in ten directories.
func (w *world) create(name string, entries int) document.ID {
	one, err := w.docs.Create(w.t.Context(), document.Draft{Name: name, Root: cidOf("root")}, func(yield func(document.Entry, error) bool) {
		for i := range entries {
			key := fmt.Sprintf("%d/%02d", i%10, i)
			if !yield(document.Entry{Key: []byte(key), CID: cidOf(key), Size: 10}, nil) {
				return
			}
		}
	})
	require.NoError(w.t, err)
	return one.ID
}

// restart replaces the mirror by another, which looks and fetches as the world does where
// cfg says nothing else.
func (w *world) restart(cfg Config) {
	if w.m != nil {
		require.NoError(w.t, w.m.Close())
	}
	cfg.Documents = w.docs
	if cfg.Look == nil {
		cfg.Look = w.look
	}
	if cfg.Fetch == nil {
		cfg.Fetch = w.fetch
	}
	if cfg.Window == 0 {
		cfg.Window = 8
	}
	w.m = New(cfg)
	require.NoError(w.t, w.m.Resume(w.t.Context()))
}

func (w *world) look(_ context.Context, c cid.Cid) (document.Presence, error) {
	w.mu.Lock()
	w.looks++
	here := w.here[c]
	w.mu.Unlock()
	time.Sleep(w.looking)
	if here {
		return document.Presence{Blocks: 1, Bytes: 10}, nil
	}
	return document.Presence{Absent: 1}, nil
}

func (w *world) fetch(ctx context.Context, of document.ID, e document.Entry, progress func(uint64)) error {
	if of != w.id {
		w.t.Errorf("document %s: entry %s is fetched for another", w.id, e.Key)
	}
	w.mu.Lock()
	if w.here[e.CID] {
		w.t.Errorf("%s is here and is fetched again", e.Key)
	}
	w.active++
	w.most = max(w.most, w.active)
	w.mu.Unlock()
	progress(5)
	err := context.Cause(ctx)
	select {
	case <-time.After(w.takes):
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if deaf := w.deaf[string(e.Key)]; deaf != nil {
		<-deaf
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	if err == nil {
		err = w.fails[string(e.Key)]
	}
	if err == nil {
		w.here[e.CID] = true
		w.fetched = append(w.fetched, string(e.Key))
	}
	return err
}

func (w *world) sync() { require.NoError(w.t, w.m.Sync(w.t.Context(), w.id)) }

func (w *world) policy(parts ...string) {
	p, err := policy.Parse(parts...)
	require.NoError(w.t, err)
	require.NoError(w.t, w.docs.SetPolicy(w.t.Context(), w.id, p))
}

// is fetched are so many of the entries with a prefix.
func (w *world) require(n int) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(w.t, w.fetched, n)
	slices.Sort(w.fetched)
	require.Len(w.t, slices.Compact(slices.Clone(w.fetched)), n, "nothing is fetched twice")
}

// delete deletes the data of entries, as who deletes blocks does.
func (w *world) delete(keys ...string) {
	over, err := w.docs.Deleting(w.t.Context())
	require.NoError(w.t, err)
	w.mu.Lock()
	for _, key := range keys {
		delete(w.here, cidOf(key))
		w.fetched = slices.DeleteFunc(w.fetched, func(f string) bool { return f == key })
	}
	w.mu.Unlock()
	over()
}

func (w *world) wait() { require.NoError(w.t, w.m.Wait(w.t.Context(), w.id)) }

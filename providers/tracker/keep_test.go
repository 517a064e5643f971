package tracker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-datastore"
	dsquery "github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
)

func keeping(store datastore.Batching) Config {
	cfg := generous()
	cfg.Keep = store
	return cfg
}

func memory() datastore.Batching { return dssync.MutexWrap(datastore.NewMapDatastore()) }

// keysIn are the keys of a store.
func keysIn(t *testing.T, store datastore.Batching) []string {
	found, err := store.Query(t.Context(), dsquery.Query{KeysOnly: true, Orders: []dsquery.Order{dsquery.OrderByKey{}}})
	require.NoError(t, err)
	entries, err := found.Rest()
	require.NoError(t, err)
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func TestATrackerThatIsStartedAgainKnowsWhatItKept(t *testing.T) {
	store := memory()
	serve(t, keeping(store), func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		alice.announces("photos")
		bob.announces("photos", within(spans(0x1000, 0x1010)))
		bob.announces("gone")
		bob.announces("gone", withdrawn)
		time.Sleep(keepEvery + time.Second)
		require.EqualValues(t, 1, s.stat().Kept)
		s.connect(3).announces("photos") // Not in the snapshot.
	})
	cfg := keeping(store)
	cfg.Seed = 2
	serve(t, cfg, func(t *testing.T, s *service) {
		time.Sleep(2 * keepEvery) // The bubble's clock begins where the other's did.
		require.EqualValues(t, 3, s.stat().Restored)
		require.Len(t, s.connect(9).finds(aboutPoint("photos", 0x1001)), 2)
		require.Equal(t, 1, s.stat().Table.Withdrawn)
	})
	serve(t, generous(), func(t *testing.T, s *service) {
		require.Empty(t, s.connect(9).finds(about("photos")), "without a place to keep it nothing is known")
	})
}

func TestWhatIsKeptIsReplacedAndDoesNotGrow(t *testing.T) {
	store := memory()
	serve(t, keeping(store), func(t *testing.T, s *service) {
		for n := range 200 {
			c := s.connect(100 + n)
			c.announces("photos", at(manyAddrs(from(100+n).String())...))
			require.NoError(t, c.hangUp())
		}
		time.Sleep(keepEvery + time.Second)
		many := len(keysIn(t, store))
		require.Greater(t, many, 2, "in pieces")
		time.Sleep(10 * keepEvery)
		require.Len(t, keysIn(t, store), many)
		time.Sleep(2 * time.Hour)
		require.Len(t, keysIn(t, store), 2, "a piece without rows, and which is whole")
		require.Zero(t, s.stat().KeepFailed)
	})
}

func TestPiecesThatAreDamagedOrGoneArePassedOverAndCounted(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, store datastore.Batching, key datastore.Key){
		"another byte": func(t *testing.T, store datastore.Batching, key datastore.Key) {
			b, err := store.Get(t.Context(), key)
			require.NoError(t, err)
			b[len(b)/2] ^= 1
			require.NoError(t, store.Put(t.Context(), key, b))
		},
		"cut": func(t *testing.T, store datastore.Batching, key datastore.Key) {
			require.NoError(t, store.Put(t.Context(), key, []byte("souk")))
		},
		"gone": func(t *testing.T, store datastore.Batching, key datastore.Key) {
			require.NoError(t, store.Delete(t.Context(), key))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory()
			rows := 0
			serve(t, keeping(store), func(t *testing.T, s *service) {
				for n := range 200 {
					c := s.connect(100 + n)
					c.announces("photos", at(manyAddrs(from(100+n).String())...))
					require.NoError(t, c.hangUp())
				}
				rows = s.stat().Table.Rows
				time.Sleep(keepEvery + time.Second)
			})
			damage(t, store, pieceKey(1, 0))
			serve(t, keeping(store), func(t *testing.T, s *service) {
				time.Sleep(time.Second)
				stat := s.stat()
				require.EqualValues(t, 1, stat.Damaged)
				require.NotZero(t, stat.Restored)
				require.Less(t, stat.Restored, uint64(rows))
				s.connect(1).announces("photos")
				time.Sleep(keepEvery)
				require.EqualValues(t, 1, s.stat().Kept)
			})
		})
	}
}

func TestATrackerThatCannotReadWhichPiecesAreWholeBeginsAnew(t *testing.T) {
	store := memory()
	require.NoError(t, store.Put(t.Context(), wholeKey, []byte("nonsense")))
	serve(t, keeping(store), func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		time.Sleep(keepEvery + time.Second)
		require.EqualValues(t, 1, s.stat().Damaged)
		require.EqualValues(t, 1, s.stat().Kept)
	})
	serve(t, keeping(store), func(t *testing.T, s *service) {
		time.Sleep(time.Second)
		require.EqualValues(t, 1, s.stat().Restored)
	})
}

// Of a snapshot that was not finished nothing is believed: the one before counts.
func TestASnapshotThatWasNotFinishedDoesNotCount(t *testing.T) {
	store := &broken{Batching: memory()}
	serve(t, keeping(store), func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		time.Sleep(keepEvery + time.Second)
		store.set(errors.New("full"), wholeKey)
		s.connect(2).announces("photos")
		time.Sleep(keepEvery)
		stat := s.stat()
		require.EqualValues(t, 1, stat.Kept)
		require.EqualValues(t, 1, stat.KeepFailed)
	})
	serve(t, keeping(store), func(t *testing.T, s *service) {
		time.Sleep(time.Second)
		require.EqualValues(t, 1, s.stat().Restored)
		store.set(nil, wholeKey)
		time.Sleep(2 * keepEvery)
		require.EqualValues(t, 2, s.stat().Kept)
	})
}

// broken is a store that fails to write one key, or panics.
type broken struct {
	datastore.Batching
	mu  sync.Mutex
	err error
	key datastore.Key
}

func (b *broken) set(err error, key datastore.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.key = err, key
}

func (b *broken) Put(ctx context.Context, key datastore.Key, value []byte) error {
	b.mu.Lock()
	err := b.err
	if key != b.key {
		err = nil
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Batching.Put(ctx, key, value)
}

// The actor answers while a store takes its time.
func TestATrackerAnswersWhileItsStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Batching: memory(), until: make(chan struct{})}
		s := startService(t, keeping(store))
		alice := s.connect(1)
		alice.announces("photos")
		require.NoError(t, alice.hangUp())
		time.Sleep(5 * keepEvery)
		require.Len(t, s.connect(2).finds(about("photos")), 1)
		close(store.until)
		s.stop()
	})
}

type hanging struct {
	datastore.Batching
	until chan struct{}
}

func (h *hanging) Put(ctx context.Context, key datastore.Key, value []byte) error {
	<-h.until
	return h.Batching.Put(ctx, key, value)
}

func TestANewerRowIsNotReplacedByTheOneThatWasKept(t *testing.T) {
	store := memory()
	serve(t, keeping(store), func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		time.Sleep(keepEvery + time.Second)
	})
	slow := &slowly{Batching: store}
	serve(t, keeping(slow), func(t *testing.T, s *service) {
		alice := s.connect(1)
		newer := alice.announces("photos", issued(2*keepEvery), func(r *record.Record) { r.Sequence += 1 << 20 })
		time.Sleep(20 * time.Second)
		require.Zero(t, s.stat().Restored)
		require.Equal(t, newer.Bytes(), s.connect(2).asks(about("photos")).Rows[0].Record)
	})
}

// slowly is a store that reads slowly.
type slowly struct{ datastore.Batching }

func (s *slowly) Get(ctx context.Context, key datastore.Key) ([]byte, error) {
	time.Sleep(5 * time.Second)
	return s.Batching.Get(ctx, key)
}

func TestAFullTableIsNotWrittenEveryMinute(t *testing.T) {
	require.Equal(t, time.Minute, pauseAfter(1))
	full := Limits{}.withDefaults().TableBytes
	pause := pauseAfter(full / chunkBytes)
	require.LessOrEqual(t, float64(full)/pause.Seconds(), float64(1<<20), "bytes a second")
	require.Less(t, pause, 10*time.Minute)
}

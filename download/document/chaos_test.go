package document

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

// chaos is a document whose callers do everything at once, on a disk that takes its time
// and fails now and then, and the DAGs that are complete meanwhile.
type chaos struct {
	*rig
	mu     sync.Mutex // of what follows; it is held for no wait
	rng    *rand.Rand
	keys   []string
	whole  map[cid.Cid]bool
	sweeps []map[cid.Cid]bool // those that are under way, with what was found meanwhile
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{
		rig: &rig{t: t, d: newDisk()}, rng: rand.New(rand.NewPCG(seed, 0)),
		keys: []string{"a", "b", "c", "d", "e"}, whole: map[cid.Cid]bool{},
	}
	c.restart()
	c.id = create(t, c.Store, "some", entriesOf(c.keys...)...).ID
	c.d.before = func(string, string) error {
		time.Sleep(c.while())
		if c.one(40) {
			return errPower
		}
		return nil
	}
	return c
}

// one is true once in so many times.
func (c *chaos) one(in int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(in) == 0
}

func (c *chaos) while() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rng.IntN(3000)) * time.Microsecond
}

func (c *chaos) any() cid.Cid {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cidOf(c.keys[c.rng.IntN(len(c.keys))])
}

// look finds what is complete, which a sweep that is under way leaves from then on.
func (c *chaos) look(_ context.Context, root cid.Cid) (Presence, error) {
	time.Sleep(c.while())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.whole[root] {
		return Presence{Absent: 1}, nil
	}
	for _, found := range c.sweeps {
		found[root] = true
	}
	return Presence{Blocks: 1}, nil
}

func (c *chaos) missing(ctx context.Context) ([]string, error) {
	doc, err := c.Document(ctx, c.id)
	if err != nil {
		return nil, err
	}
	return lacks(Missing(ctx, doc, policy.Everything(), nil, c.look))
}

// delete deletes a block of a DAG.
func (c *chaos) delete(ctx context.Context) error {
	over, err := c.Deleting(ctx)
	if err != nil {
		return err
	}
	defer over()
	time.Sleep(c.while())
	c.lose(c.any(), nil)
	time.Sleep(c.while())
	return nil
}

// lose takes away what was not found meanwhile.
func (c *chaos) lose(root cid.Cid, found map[cid.Cid]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !found[root] {
		c.whole[root] = false
	}
	c.check()
}

func (c *chaos) sweep(ctx context.Context) error {
	going, found := map[cid.Cid]bool{c.any(): true, c.any(): true}, map[cid.Cid]bool{}
	c.mu.Lock()
	c.sweeps = append(c.sweeps, found)
	c.mu.Unlock()
	if err := c.Keep(ctx, func(root cid.Cid) bool { return !going[root] }); err != nil {
		return err // The sweep has deleted nothing, and what it has found costs nothing.
	}
	for root := range going {
		time.Sleep(c.while())
		c.lose(root, found)
	}
	return nil
}

// check looks for marks of what is not complete, as another process would find them.
func (c *chaos) check() {
	ctx := context.Background()
	row, err := c.d.Batching.Get(ctx, epochKey)
	if err != nil && !errors.Is(err, datastore.ErrNotFound) {
		c.t.Error(err)
	}
	epoch, _ := binary.Uvarint(row)
	for key, err := range keysBelow(ctx, c.d.Batching, marksPrefix) {
		row, failed := c.d.Batching.Get(ctx, key)
		if err != nil || failed != nil {
			continue // It went with its document.
		}
		of, width := binary.Uvarint(row)
		marked := page{bits: row[width:]}
		for i, key := range c.keys {
			if of == epoch && marked.has(i) && !c.whole[cidOf(key)] {
				c.t.Errorf("%s is marked and not complete", key)
			}
		}
	}
}

func (c *chaos) act(ctx context.Context) error {
	c.mu.Lock()
	n := c.rng.IntN(10)
	c.mu.Unlock()
	switch {
	case n < 5:
		_, err := c.missing(ctx)
		return err
	case n < 7:
		return c.delete(ctx)
	case n < 8:
		return c.sweep(ctx)
	case n < 9:
		root := c.any()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.whole[root] = true
		return nil
	default:
		return c.SetPolicy(ctx, c.id, policy.Everything())
	}
}

// Whoever fails or gives up, and in whichever order things happen.
func TestMarksHoldWhateverHappensAtOnce(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			c := newChaos(t, seed)
			var callers sync.WaitGroup
			for range 6 {
				callers.Go(func() {
					for range 20 {
						ctx, cancel := context.WithTimeout(context.Background(), 10*c.while())
						if err := c.act(ctx); err != nil && !errors.Is(err, errPower) && ctx.Err() == nil {
							t.Error(err)
						}
						cancel()
						c.mu.Lock()
						c.check()
						c.mu.Unlock()
					}
				})
			}
			callers.Wait()
			c.d.before = nil
			got, err := c.missing(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, c.lacking(), got, "seed %d", seed)
		})
	}
}

func (c *chaos) lacking() (all []string) {
	for _, key := range c.keys {
		if !c.whole[cidOf(key)] {
			all = append(all, key+": absent")
		}
	}
	return all
}

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/figure"
)

// quiet is for how long nothing may have been said for a node to be at rest.
const quiet = time.Second

// outstanding measures what a node keeps for a want that nobody can answer:
// everything on its heap and stacks, divided by the wants.
func outstanding(c *config) error {
	how := "which say so"
	if c.silent {
		how = "which are silent"
	}
	name := fmt.Sprintf("%d wants, %d peers without the blocks, %s", c.wants, c.peers, how)
	for _, m := range without(c.makes, exchanges.MakeBare) {
		sizes := make([]float64, c.runs)
		for i := range sizes {
			bytes, err := c.weigh(m)
			if err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
			sizes[i] = bytes / float64(c.wants)
		}
		row := figure.Row{Suite: suite, Scenario: name, Make: string(m), Values: []figure.Value{
			{Name: "memory of a want", Unit: "B", Number: middle(sizes)},
		}}
		if err := emit(row); err != nil {
			return err
		}
	}
	return nil
}

// weigh returns the bytes by which a node grows with the wants.
func (c *config) weigh(m exchanges.Make) (bytes float64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n, err := newNode(transports[c.transports[0]], m)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	heard := new(atomic.Int64)
	for range c.peers {
		p, err := newPoor(transports[c.transports[0]], c.silent, heard)
		if err != nil {
			return 0, err
		}
		defer p.Close()
		if err := n.Connect(ctx, addrs(p)); err != nil {
			return 0, err
		}
	}
	f := n.Fetcher(ctx)
	wanted := unknown(c.wants + 1)
	if err := ask(ctx, f, wanted[:1]); err != nil { // What is there once is there now.
		return 0, err
	}
	before := atRest(heard, c.limit)
	if err := ask(ctx, f, wanted[1:]); err != nil {
		return 0, err
	}
	after := atRest(heard, c.limit)
	runtime.KeepAlive(wanted)
	return after - before, nil
}

func ask(ctx context.Context, f exchanges.Fetcher, cids []cid.Cid) error {
	got, err := f.GetBlocks(ctx, cids)
	if err != nil {
		return err
	}
	go func(got <-chan blocks.Block) {
		for range got {
		}
	}(got)
	return nil
}

// atRest waits until nothing more is asked, and returns the bytes in use.
func atRest(heard *atomic.Int64, limit time.Duration) float64 {
	heard.Store(time.Now().UnixNano())
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(quiet / 8) {
		if time.Since(time.Unix(0, heard.Load())) > quiet {
			break
		}
	}
	var m runtime.MemStats
	for range 2 { // What has a finalizer, or is in a pool, goes the second time.
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// unknown returns CIDs of blocks that nobody has. Their memory is the caller's.
func unknown(n int) []cid.Cid {
	cids := make([]cid.Cid, n)
	for i := range cids {
		hash, err := mh.Sum(fmt.Appendf(nil, "want %d", i), mh.SHA2_256, -1)
		if err != nil {
			panic(err) // sha2-256 is always there
		}
		cids[i] = cid.NewCidV1(cid.Raw, hash)
	}
	return cids
}

// idle counts the goroutines of a node that does nothing, beside those of its
// host.
func idle(c *config) error {
	for _, m := range without(c.makes, exchanges.MakeBare) {
		counts := make([]float64, c.runs)
		for i := range counts {
			n, err := c.goroutines(m)
			if err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
			counts[i] = float64(n)
		}
		row := figure.Row{Suite: suite, Scenario: "idle node", Make: string(m), Values: []figure.Value{
			{Name: "goroutines", Number: middle(counts)},
		}}
		if err := emit(row); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) goroutines(m exchanges.Make) (int, error) {
	h, err := transports[c.transports[0]].host()
	if err != nil {
		return 0, err
	}
	defer h.Close()
	alone := settled()
	x, err := exchanges.New(m, h)
	if err != nil {
		return 0, err
	}
	return settled() - alone, x.Close()
}

// settled returns the number of goroutines once it stays the same.
func settled() int {
	n := runtime.NumGoroutine()
	for same := 0; same < 10; same++ {
		time.Sleep(20 * time.Millisecond)
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
	}
	return n
}

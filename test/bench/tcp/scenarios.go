package main

import (
	"context"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// scenario is what a client does to a seed that has everything.
type scenario struct {
	word  string // for the flag
	name  string
	ideal time.Duration // what the link takes
	data  []blocks.Block
	// before is done first and not measured; may be nil.
	before func(ctx context.Context, f exchanges.Fetcher) error
	fetch  func(ctx context.Context, f exchanges.Fetcher) error
}

// patience is how long a run may take before it has failed. Boxo's client waits
// for minutes where it has to wait for timeouts.
const patience = 15 * time.Minute

// measured is one run of a scenario.
type measured struct {
	took                 time.Duration
	duplicates, messages uint64
}

func words() []string {
	var all []string
	for _, s := range scenarios(options{link: link{Link: sim.Link{Bandwidth: 1}}}) {
		all = append(all, s.word)
	}
	return all
}

func scenarios(o options) []scenario {
	return []scenario{
		download(o, "fat", 256<<10),
		// A response is larger than the window that a stream begins with: who opens a
		// stream for each waits for it to grow each time.
		download(o, "large", 1<<20),
		flood(o),
		chain(o),
		idle(o),
	}
}

// download fetches everything in one call.
func download(o options, word string, size int) scenario {
	data := corpus.Blocks(1, int(max(1, o.bytes/int64(size))), size)
	return scenario{
		word: word, name: fmt.Sprintf("%g MiB in blocks of %d KiB", float64(corpus.Bytes(data))/(1<<20), size>>10),
		ideal: o.link.Ideal(corpus.Bytes(data)), data: data, fetch: together(data),
	}
}

func flood(o options) scenario {
	data := corpus.Blocks(2, o.wants, 4<<10)
	return scenario{
		word: "flood", name: fmt.Sprintf("%d wants of 4 KiB", o.wants),
		ideal: o.link.Ideal(corpus.Bytes(data)), data: data, fetch: together(data),
	}
}

func together(data []blocks.Block) func(context.Context, exchanges.Fetcher) error {
	return func(ctx context.Context, f exchanges.Fetcher) error { return sim.Fetch(ctx, f, data) }
}

// chain fetches blocks one after the other.
func chain(o options) scenario {
	data := corpus.Blocks(3, o.chain, 4<<10)
	return scenario{
		word: "chain", name: fmt.Sprintf("a chain of %d", o.chain),
		ideal: time.Duration(o.chain) * o.link.Ideal(4<<10), data: data,
		fetch: func(ctx context.Context, f exchanges.Fetcher) error {
			for _, b := range data {
				if _, err := f.GetBlock(ctx, b.Cid()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// idle fetches after a silence in which streams were closed. Boxo's client keeps
// the stream for its wants, as Kubo does.
func idle(o options) scenario {
	data := corpus.Blocks(4, 8, 256<<10)
	first, later := data[:4], data[4:]
	return scenario{
		word: "idle", name: fmt.Sprintf("%d KiB after %s of silence", corpus.Bytes(later)>>10, o.idle),
		ideal: o.link.Ideal(corpus.Bytes(later)), data: data,
		before: func(ctx context.Context, f exchanges.Fetcher) error {
			if err := sim.Fetch(ctx, f, first); err != nil {
				return err
			}
			return pause(ctx, o.idle)
		},
		fetch: together(later),
	}
}

// measure plays the scenario once, between nodes of its own.
func (s scenario) measure(ctx context.Context, sides sim.Sides, l link) (m measured, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p, err := newPair(ctx, sides, l)
	if err != nil {
		return m, err
	}
	defer p.close()
	if err := p.seed.Put(ctx, s.data...); err != nil {
		return m, err
	}
	f := p.client.Fetcher(ctx, p.seed.ID())
	if s.before != nil {
		if err := s.before(ctx, f); err != nil {
			return m, fmt.Errorf("before: %w", err)
		}
	}
	before, begin := p.client.Counters(), time.Now()
	if err := s.fetch(ctx, f); err != nil {
		return m, err
	}
	m.took = time.Since(begin)
	after := p.client.Counters()
	m.duplicates, m.messages = after.DupBlocks-before.DupBlocks, after.MessagesReceived-before.MessagesReceived
	return m, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package engine

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/heaptest"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

// counter is a sender that takes everything at once and counts blocks.
type counter struct{ sent chan int }

func (c counter) Hand(p peer.ID, l network.Lane, m *message.Message, report func(network.Sent)) {
	go func() {
		report(network.Sent{Peer: p, Lane: l})
		c.sent <- len(m.Blocks)
	}()
}

// BenchmarkEngine measures the way from wantlists of 512 entries to messages,
// with a store in memory and a network that takes everything at once.
func BenchmarkEngine(b *testing.B) {
	for _, size := range []int{1 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			n := min(10_000, 256<<20/size)
			bs := many(n, size)
			shelf := newShelf()
			shelf.put(bs...)
			sent := counter{make(chan int, 1024)}
			e, err := New(Config{Sender: sent, Peers: newDoors(alice), Store: shelf})
			require.NoError(b, err)
			e.Start()
			defer e.Stop(context.Background())
			b.SetBytes(int64(n * size))
			b.ReportAllocs()
			for b.Loop() {
				go wantInSteps(e, bs, 512)
				for got := 0; got < n; {
					got += <-sent.sent
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}

func wantInSteps(e *Engine, bs []blocks.Block, step int) {
	entries := wantAll(bs)
	for len(entries) > 0 {
		some := entries[:min(step, len(entries))]
		entries = entries[len(some):]
		_ = e.ReceiveWants(context.Background(), network.Wants{From: alice, Entries: some})
	}
}

// BenchmarkMemoryOfAWant measures what a subscription costs, its CID included.
func BenchmarkMemoryOfAWant(b *testing.B) {
	const n = 16384
	bs := many(n, 64)
	for b.Loop() {
		s := newState(Limits{}, 4, 1)
		before := heaptest.Held()
		for i := range 4 {
			p := peer.ID(rune('A' + i))
			entries := make([]message.Entry, n)
			for j, blk := range bs {
				entries[j] = wantBlock(copied(blk))
			}
			s.wants(time.Unix(1, 0), p, 0, entries, false, 0)
		}
		b.ReportMetric(float64(heaptest.Held()-before)/(4*n), "bytes/want")
		runtime.KeepAlive(s)
	}
}

// copied returns the block under a CID with memory of its own, as one from the
// wire has.
func copied(b blocks.Block) blocks.Block {
	digest := append([]byte(nil), b.Cid().Hash()...)
	c := b.Cid().Prefix()
	fresh, err := blocks.NewBlockWithCid(b.RawData(), cid.NewCidV1(c.Codec, digest))
	if err != nil {
		panic(err)
	}
	return fresh
}

package network

import (
	"context"
	"crypto/sha256"
	"io"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

const benchBlock = 256 << 10

// BenchmarkBlocks moves blocks of 256 KiB through LaneBlocks, over loopback TCP
// with Noise, verified by the receiver.
func BenchmarkBlocks(b *testing.B) { benchmarkBlocks(b, benchBlock, 1) }

// BenchmarkSmallBlocks moves blocks of 1 KiB, 128 in a message.
func BenchmarkSmallBlocks(b *testing.B) { benchmarkBlocks(b, 1<<10, 128) }

func benchmarkBlocks(b *testing.B, size, perMessage int) {
	from, to := newNode(b, newHost(b)), newNode(b, newHost(b))
	from.start(quietSinks(nil))
	arrived := make(chan int, 1024)
	to.start(quietSinks(arrived))
	connect(b, from.host, to.host)
	from.untilConnected(to.host.ID())
	m := &message.Message{}
	for i := range perMessage {
		m.Blocks = append(m.Blocks, blockOf(i, size))
	}
	b.SetBytes(int64(size * perMessage))
	b.ReportAllocs()
	b.ResetTimer()
	sent := make(chan Sent, 2)
	go func() {
		for i := range b.N + 2 {
			if i >= 2 {
				if s := <-sent; s.Err != nil {
					panic(s.Err)
				}
			}
			if i < b.N {
				from.Hand(to.host.ID(), LaneBlocks, m, func(s Sent) { sent <- s })
			} else {
				sent <- Sent{}
			}
		}
	}()
	for left := b.N * perMessage; left > 0; {
		left -= <-arrived
	}
}

func quietSinks(arrived chan<- int) Sinks {
	s := (&node{}).sinks()
	s.Heard = func(_ context.Context, _ Heard) error { return nil }
	s.Answers = func(_ context.Context, a Answers) error {
		a.Release()
		arrived <- len(a.Blocks)
		return nil
	}
	return s
}

// BenchmarkBareStream is the limit in practice: the same bytes over one libp2p
// stream, hashed by the receiver.
func BenchmarkBareStream(b *testing.B) {
	from, to := newHost(b), newHost(b)
	done := make(chan error, 1)
	to.SetStreamHandler("/bare", func(s p2pnet.Stream) {
		block := make([]byte, benchBlock)
		for range b.N {
			if _, err := io.ReadFull(s, block); err != nil {
				done <- err
				return
			}
			sha256.Sum256(block)
		}
		done <- s.Close()
	})
	connect(b, from, to)
	st := raw(b, from, to, "/bare")
	block := blocks.Block(blockOf(1, benchBlock)).RawData()
	b.SetBytes(benchBlock)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		_, err := st.Write(block)
		require.NoError(b, err)
	}
	require.NoError(b, <-done)
	b.StopTimer()
	require.NoError(b, st.Close())
}

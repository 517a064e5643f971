package network

import (
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// pour lets bytes come at a rate for a while, in packets.
func pour(b *bursts, from time.Time, d time.Duration, rate float64) time.Time {
	const packet = 1250
	step := time.Duration(packet / rate * float64(time.Second))
	at := from
	for ; at.Sub(from) < d; at = at.Add(step) {
		b.add(packet, at)
	}
	return at
}

func TestABurstIsWhatComesWithoutAPause(t *testing.T) {
	var b bursts
	at := pour(&b, time.Unix(1, 0), 50*time.Millisecond, 1e6)
	require.InEpsilon(t, 1e6, b.take(), 0.05)
	require.Zero(t, b.take(), "it was taken")
	pour(&b, at.Add(time.Second), 50*time.Millisecond, 2e6)
	require.InEpsilon(t, 2e6, b.take(), 0.05, "the pause does not count")
}

func TestAShortBurstSaysNothing(t *testing.T) {
	var b bursts
	at := time.Unix(1, 0)
	for range 10 {
		at = pour(&b, at, 8*time.Millisecond, 1e6).Add(10 * time.Millisecond)
	}
	require.Zero(t, b.take())
}

// When a loss is repaired, all that waited for it is read at once.
func TestWhatComesAtOnceAfterALossIsNoBurst(t *testing.T) {
	var b bursts
	at := pour(&b, time.Unix(1, 0), 100*time.Millisecond, 1e6).Add(50 * time.Millisecond)
	for range 40 {
		b.add(1250, at)
	}
	pour(&b, at.Add(time.Millisecond), 50*time.Millisecond, 1e6)
	require.InEpsilon(t, 1e6, b.take(), 0.05)
}

func TestAFastBurstIsShort(t *testing.T) {
	var b bursts
	pour(&b, time.Unix(1, 0), 6*time.Millisecond, 100e6)
	require.InEpsilon(t, 100e6, b.take(), 0.05)
}

// How much of a block has come is said while it comes, and counted with it.
func TestALargeBlockIsHeardOfWhileItComes(t *testing.T) {
	a, b := pair(t)
	block := blockOf(1, 2<<20)
	require.NoError(t, a.send(b.host.ID(), LaneBlocks, &message.Message{Blocks: []blocks.Block{block}}).Err)
	b.until("the block arrives", func() bool { return len(b.heard) == 1 })
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.progress)
	last := b.heard[0]
	for _, h := range b.progress {
		require.Positive(t, h.Part)
		require.LessOrEqual(t, int64(h.Part), h.Read)
		require.Less(t, h.Part, 2<<20+100)
		require.Equal(t, last.Began, h.Began)
	}
	require.Zero(t, last.Part)
	require.GreaterOrEqual(t, last.Read, int64(2<<20))
	require.False(t, last.At.Before(last.Began))
}

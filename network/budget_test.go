package network

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/message"
)

// share makes an allowance of a peer, as if a stream of it were read.
func share(b *budget, p peer.ID) *allowance {
	in := &inbound{peer: p, ctx: context.Background()}
	if _, ok := b.admit(in, 1000, time.Now()); !ok {
		panic("not admitted")
	}
	return in.share
}

// claimed takes bytes in a goroutine and returns where the outcome comes.
func claimed(a *allowance, bytes int) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- a.take(bytes) }()
	synctest.Wait()
	return outcome
}

func requireWaits(t *testing.T, outcome <-chan error) {
	t.Helper()
	select {
	case err := <-outcome:
		t.Fatalf("does not wait: %v", err)
	default:
	}
}

func TestAPeerWaitsForWhatItsConsumersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1000, 100, time.Minute)
		a := share(b, "p")
		require.NoError(t, a.take(90))
		c := a.handOn(90)
		second := claimed(a, 20)
		requireWaits(t, second)
		require.True(t, share(b, "q").try(100), "another peer does not wait")
		time.Sleep(time.Hour) // However slow the consumer is.
		requireWaits(t, second)
		c.release()
		c.release()
		require.NoError(t, <-second)
		a.give(20)
		require.Equal(t, 100, b.taken())
	})
}

func TestUnfinishedFramesDoNotBlockEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1000, 100, time.Minute)
		first, second, third := share(b, "p"), share(b, "p"), share(b, "p")
		require.NoError(t, first.take(45))
		require.NoError(t, second.take(45))
		require.NoError(t, first.take(45), "the first to need it goes over the limit")
		require.NoError(t, first.take(45), "until its frame is handed on")
		waits := claimed(second, 45)
		requireWaits(t, waits)
		other := claimed(third, 45)
		c := first.handOn(135)
		requireWaits(t, waits)
		c.release()
		require.NoError(t, <-waits)
		require.NoError(t, <-other, "the next one leads")
		require.True(t, third.try(100))
		require.False(t, second.try(100))
	})
}

func TestAFullNodeKeepsRoomForSmallPeersAndGivesUpAfterTheFrameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1600, 800, time.Minute)
		big, other := share(b, "big"), share(b, "other")
		require.NoError(t, big.take(800))
		require.NoError(t, other.take(400))
		late := claimed(other, 100)
		requireWaits(t, late)
		small := share(b, "small")
		require.NoError(t, small.take(50), "the last quarter is for those who hold little")
		time.Sleep(time.Minute)
		require.ErrorIs(t, <-late, errNoRoom)
		again := claimed(other, 100)
		big.close()
		require.NoError(t, <-again)
	})
}

func TestAClaimEndsWithItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1000, 100, time.Minute)
		ctx, cancel := context.WithCancelCause(context.Background())
		in := &inbound{peer: "p", ctx: ctx}
		b.admit(in, 10, time.Now())
		require.NoError(t, in.share.take(100))
		in.share.handOn(100)
		outcome := claimed(in.share, 1)
		cancel(ErrClosed)
		require.ErrorIs(t, <-outcome, ErrClosed)
		require.Empty(t, b.waiting)
	})
}

// A random history never takes more than the node has, and leaves nothing.
func TestTheBudgetIsKeptAndReturned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(4000, 1000, time.Minute)
		peers := []peer.ID{"p", "q", "r", "s", "t", "u"}
		var shares []*allowance
		for i := range 12 {
			shares = append(shares, share(b, peers[i%len(peers)]))
		}
		var credits []*credit
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			a := rapid.SampledFrom(shares).Draw(t, "share")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				a.try(rapid.IntRange(1, 1000).Draw(t, "bytes"))
			case 1:
				credits = append(credits, a.handOn(a.held))
			case 2:
				a.give(a.held)
			case 3:
				if len(credits) > 0 {
					rapid.SampledFrom(credits).Draw(t, "credit").release()
				}
			}
			checkBudget(t, b, shares)
		}
		for _, c := range credits {
			c.release()
		}
		for _, a := range shares {
			a.close()
		}
		require.Zero(t, b.taken())
	})
}

func checkBudget(t *rapid.T, b *budget, shares []*allowance) {
	held, used := 0, 0
	for _, a := range shares {
		held += a.held
	}
	for _, acct := range b.accounts {
		used += acct.used
		held += acct.onHand
	}
	if held != b.used || used != b.used || b.used > b.node {
		t.Fatalf("held %d, in accounts %d, used %d of %d", held, used, b.used, b.node)
	}
}

func TestBlocksThatAreNotReleasedStopTheReader(t *testing.T) {
	a, b := newNode(t, newHost(t), func(c *Config) { c.ReceivePeer = 1 << 20 }), startNode(t, newHost(t))
	s := a.sinks()
	s.Answers = func(_ context.Context, answers Answers) error {
		a.note(func() { a.answers = append(a.answers, answers) })
		return nil
	}
	a.start(s)
	connect(t, a.host, b.host)
	b.untilConnected(a.host.ID())
	go func() {
		for i := range 40 {
			reported := make(chan Sent, 1)
			b.Hand(a.host.ID(), LaneBlocks, &message.Message{Blocks: []blocks.Block{blockOf(i, 256<<10)}},
				func(s Sent) { reported <- s })
			if (<-reported).Err != nil {
				return
			}
		}
	}()
	// A block is counted with some memory around it.
	a.until("the budget is used up", func() bool { return len(a.answers) >= 3 })
	for released := 0; released < 40; released++ {
		a.until("the next block arrives", func() bool { return len(a.answers) > released })
		a.mu.Lock()
		held := len(a.answers) - released
		a.answers[released].Release()
		a.mu.Unlock()
		require.LessOrEqual(t, held, 4)
	}
	a.until("everything is given back", func() bool { return a.Stat().Receiving == 0 || a.noteLater() })
}

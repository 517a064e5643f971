package sim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Refusal asks peers none of which has the block, and returns the error that
// the fetch ends with. The ideal is one round trip.
func Refusal(w *World, sides Sides, peers int, l Link) (Figures, *session.FetchError, []*Node) {
	named, client := w.Nodes(peers, sides.Seed, l), w.Node(sides.Client, l)
	absent := corpus.Blocks(1, 1, 1)[0].Cid()
	w.Connect(client, named...)
	w.Settle()
	w.Begin()
	var failed *session.FetchError
	w.do(func() error {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		defer cancel()
		_, err := client.Exchange.Fetcher(ctx, ids(named)...).GetBlock(ctx, absent)
		if !errors.As(err, &failed) {
			return errors.Join(errors.New("the fetch did not fail with what each peer answered"), err)
		}
		return nil
	})
	return w.figures(l.RoundTrip, nil, named, client), failed, named
}

// When every named peer has answered DONT_HAVE the fetch fails within two round
// trips, and the error names each of them with its answer.
func TestNamedPeersThatAllRefuse(t *testing.T) {
	for _, s := range []Sides{souk, boxoToSouk} {
		for _, peers := range []int{1, 2, 16, 40} {
			t.Run(fmt.Sprintf("%d of %s", peers, s), func(t *testing.T) {
				var failed *session.FetchError
				var named []peer.ID
				f := play(t, func(w *World) Figures {
					figures, err, nodes := Refusal(w, s, peers, lan)
					failed, named = err, ids(nodes)
					return figures
				})
				require.LessOrEqual(t, f.Took, 2*lan.RoundTrip+time.Millisecond) // the bytes take a little time as well
				require.True(t, failed.NotFound())
				require.NoError(t, failed.Err)
				requireAnswers(t, failed, named, session.DontHave)
			})
		}
	}
}

// A named peer that cannot be reached is named as such.
func TestNamedPeerThatIsGone(t *testing.T) {
	var failed *session.FetchError
	var gone peer.ID
	play(t, func(w *World) Figures {
		there, client, nobody := w.Node(exchanges.MakeSouk, lan), w.Node(exchanges.MakeSouk, lan), w.Node(exchanges.MakeSouk, lan)
		gone = nobody.ID()
		w.Close(nobody)
		w.Connect(client, there)
		w.Settle()
		w.Begin()
		w.do(func() error {
			ctx, cancel := w.limit()
			defer cancel()
			_, err := client.Exchange.Fetcher(ctx, gone).GetBlock(ctx, corpus.Blocks(1, 1, 1)[0].Cid())
			errors.As(err, &failed)
			return nil
		})
		return Figures{Took: w.Took()}
	})
	require.NotNil(t, failed)
	requireAnswers(t, failed, []peer.ID{gone}, session.Unreachable)
	require.ErrorIs(t, failed, session.ErrNoProviders)
}

// A deadline says what each peer had answered until then, whether it is that of
// the call or that of the session.
func TestDeadlineSaysWhatEachPeerAnswered(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole session %t", whole), func(t *testing.T) {
			failed, named, took := runIntoDeadline(t, whole)
			require.NotNil(t, failed)
			require.ErrorIs(t, failed, context.DeadlineExceeded)
			require.True(t, failed.Timeout())
			require.False(t, failed.NotFound())
			requireAnswers(t, failed, []peer.ID{named}, session.NoAnswer)
			require.InDelta(t, 5, took.Seconds(), 0.1)
		})
	}
}

// runIntoDeadline asks a peer that never answers, for five seconds.
func runIntoDeadline(t *testing.T, wholeSession bool) (failed *session.FetchError, named peer.ID, took time.Duration) {
	f := play(t, func(w *World) Figures {
		deaf, client := w.Handled(lan, Deaf), w.Node(exchanges.MakeSouk, lan)
		named = deaf.ID()
		w.Connect(client, deaf)
		w.Settle()
		w.Begin()
		w.do(func() error {
			ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
			defer cancel()
			life := w.ctx
			if wholeSession {
				life = ctx
			}
			_, err := client.Exchange.Fetcher(life, named).GetBlock(ctx, corpus.Blocks(1, 1, 1)[0].Cid())
			errors.As(err, &failed)
			return nil
		})
		return Figures{Took: w.Took()}
	})
	return failed, named, f.Took
}

func requireAnswers(t *testing.T, failed *session.FetchError, peers []peer.ID, outcome session.Outcome) {
	t.Helper()
	answered := make(map[peer.ID]session.Outcome)
	for _, a := range failed.Answers {
		answered[a.Peer] = a.Outcome
	}
	require.Len(t, answered, len(peers))
	for _, p := range peers {
		require.Contains(t, failed.Error(), p.String())
		require.Equal(t, outcome, answered[p])
	}
}

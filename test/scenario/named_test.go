package scenario

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// When every named peer has answered DONT_HAVE the fetch fails within two round
// trips, and the error names each of them with its answer.
func TestNamedPeersThatAllRefuse(t *testing.T) {
	absent := corpus.Blocks(1, 1, 1)[0]
	for _, peers := range []int{1, 2, 16, 40} {
		t.Run(fmt.Sprint(peers), func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				named, client := w.Nodes(peers, s.Seed, lan), w.Node(s.Client, lan)
				w.Connect(client, named...)
				w.Settle()
				w.Begin()
				err := w.Miss(client, absent.Cid(), time.Minute, named...)
				w.Within(2*lan.RoundTrip + time.Millisecond) // the bytes take a little time as well
				w.Check(func(t require.TestingT) {
					failed := failure(t, err)
					require.True(t, failed.NotFound())
					require.NoError(t, failed.Err)
					requireAnswers(t, failed, sim.IDs(named), session.DontHave)
				})
			})
		})
	}
}

// A named peer that cannot be reached is named as such.
func TestNamedPeerThatIsGone(t *testing.T) {
	absent := corpus.Blocks(1, 1, 1)[0]
	play(t, func(w *sim.World) {
		there, client, gone := w.Node(souk, lan), w.Node(souk, lan), w.Node(souk, lan)
		w.Close(gone)
		w.Connect(client, there)
		w.Settle()
		err := w.Miss(client, absent.Cid(), time.Minute, gone)
		w.Check(func(t require.TestingT) {
			failed := failure(t, err)
			requireAnswers(t, failed, []peer.ID{gone.ID()}, session.Unreachable)
			require.ErrorIs(t, failed, session.ErrNoProviders)
		})
	})
}

// A deadline says what each peer had answered until then, whether it is that of
// the call or that of the session.
func TestDeadlineSaysWhatEachPeerAnswered(t *testing.T) {
	absent := corpus.Blocks(1, 1, 1)[0]
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole session %t", whole), func(t *testing.T) {
			play(t, func(w *sim.World) {
				deaf, client := w.Handled(lan, sim.Deaf), w.Node(souk, lan)
				w.Connect(client, deaf)
				w.Settle()
				w.Begin()
				var err error
				w.Try(func(ctx context.Context) error {
					short, cancel := context.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					life := ctx
					if whole {
						life = short
					}
					_, err = client.Exchange.Fetcher(life, deaf.ID()).GetBlock(short, absent.Cid())
					return nil
				})
				w.Check(func(t require.TestingT) {
					require.InDelta(t, 5, w.Took().Seconds(), 0.1)
					failed := failure(t, err)
					require.ErrorIs(t, failed, context.DeadlineExceeded)
					require.True(t, failed.Timeout())
					require.False(t, failed.NotFound())
					requireAnswers(t, failed, []peer.ID{deaf.ID()}, session.NoAnswer)
				})
			})
		})
	}
}

func failure(t require.TestingT, err error) *session.FetchError {
	var failed *session.FetchError
	require.ErrorAs(t, err, &failed)
	return failed
}

func answers(failed *session.FetchError) map[peer.ID]session.Outcome {
	answered := make(map[peer.ID]session.Outcome)
	for _, a := range failed.Answers {
		answered[a.Peer] = a.Outcome
	}
	return answered
}

func requireAnswers(t require.TestingT, failed *session.FetchError, peers []peer.ID, outcome session.Outcome) {
	answered := answers(failed)
	require.Len(t, answered, len(peers))
	for _, p := range peers {
		require.Contains(t, failed.Error(), p.String())
		require.Equal(t, outcome, answered[p])
	}
}

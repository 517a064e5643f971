package scenario

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver"
	serving "github.com/souk-p2p/souk/resolver/server"
	"github.com/souk-p2p/souk/test/sim"
)

// A peer to whom the rules deny everything gets no value, either: on a stream that was
// open before it is refused, another is not taken. What it waits for comes when the rule
// goes.
func TestAResolverRefusesWhomTheRulesDeny(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(4, kib)
		s := server(w, lan, app)
		denied, allowed := client(w, lan, []*party{s}), client(w, lan, []*party{s})
		denied.fetches(w, keys[:1])
		deny(w, s.Node, denied.Node)
		allowed.fetches(w, keys[1:])
		w.Try(func(ctx context.Context) error { return denied.FetchAll(ctx, keys[1:]) })
		w.Pass(time.Second)
		refused := s.stat(w).Serving.Outcomes[serving.OutcomeRefused]
		w.Check(func(t require.TestingT) {
			require.Equal(t, 1, denied.app.count())
			require.GreaterOrEqual(t, refused, uint64(3))
			require.Equal(t, 1+3, app.seen().produced, "for who was allowed alone")
		})
		deny(w, s.Node)
		denied.awaits(w, keys)
		denied.idle(w)
	})
}

// Whoever wants the same large value at the same time has it produced once, and its
// parts come out of what is kept.
func TestALargeValueThatManyWantIsProducedOnce(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(1, mib)
		s := server(w, lan, app, func(c *resolver.Config) {
			c.Producer = unhurried{app, 100 * time.Millisecond}
		})
		var askers []*party
		for range 4 {
			askers = append(askers, client(w, lan, []*party{s}))
		}
		for _, a := range askers {
			w.Try(func(ctx context.Context) error { return a.FetchAll(ctx, keys) })
		}
		for _, a := range askers {
			a.awaits(w, keys)
		}
		stat := s.stat(w).Serving
		w.Check(func(t require.TestingT) {
			require.Equal(t, 1, app.seen().produced)
			require.EqualValues(t, 3, stat.Merged)
			require.EqualValues(t, 4*3, stat.Hits, "the parts behind the first")
		})
	})
}

// A peer that asks for very much and a slow Producer do not keep another from its share.
func TestAPeerWithFewWishesIsServedBesideOneWithMany(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(400, kib)
		s := server(w, lan, app, func(c *resolver.Config) {
			c.Producer = unhurried{app, 20 * time.Millisecond}
			c.Serving.Producing, c.Serving.PeerProducing = 2, 2
		})
		greedy := client(w, lan, []*party{s}, func(c *resolver.Config) { c.Limits.Outstanding = 200 })
		modest := client(w, lan, []*party{s})
		w.Try(func(ctx context.Context) error { return greedy.FetchAll(ctx, keys) })
		w.Pass(time.Second)
		w.Begin()
		modest.fetches(w, keys[390:])
		w.Within(500 * time.Millisecond) // Alone it takes ten times 20 ms, by two.
		w.Check(func(t require.TestingT) { require.Less(t, greedy.app.count(), 300) })
	})
}

// unhurried is a Producer that takes its time.
type unhurried struct {
	*application
	takes time.Duration
}

// Produce implements [resolver.Producer].
func (u unhurried) Produce(ctx context.Context, k resolver.Key) ([]byte, error) {
	select {
	case <-time.After(u.takes):
		return u.application.Produce(ctx, k)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

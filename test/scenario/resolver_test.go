package scenario

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/sim"
)

func TestAResolverFetchesWhatAPeerHas(t *testing.T) {
	for _, size := range []int{0, 1, kib, 256 * kib, 256*kib + 1, 3 * mib} {
		play(t, func(w *sim.World) {
			app := newApplication()
			keys := app.has(4, size)
			c := client(w, lan, []*party{server(w, lan, app)})
			w.Begin()
			c.fetches(w, keys)
			w.Within(time.Minute)
			c.idle(w)
			w.Check(func(t require.TestingT) {
				require.Equal(t, string(worth(3, size)), string(c.app.seen().got[keys[3]]))
				require.Empty(t, c.app.seen().failed)
			})
		})
	}
}

func TestAResolverAsksTargetsAndNobodyElse(t *testing.T) {
	play(t, func(w *sim.World) {
		app, empty := newApplication(), newApplication()
		keys := app.has(2, kib)
		has, hasNot := server(w, lan, app), server(w, lan, empty)
		c := client(w, lan, []*party{has, hasNot})
		w.Try(func(ctx context.Context) error {
			return c.FetchTargeted(ctx, keys[0], []peer.ID{hasNot.ID()})
		})
		w.Pass(5 * time.Second)
		w.Check(func(t require.TestingT) {
			require.Zero(t, app.seen().produced, "there is no fallback")
			require.Positive(t, empty.seen().produced)
			require.Zero(t, c.app.count())
		})
		w.Try(func(ctx context.Context) error {
			return c.FetchTargeted(ctx, keys[0], []peer.ID{has.ID()})
		})
		c.awaits(w, keys[:1])
		c.fetches(w, keys[1:])
		c.idle(w)
	})
}

func TestATargetIsAskedWhenItComesToBeAPeer(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(1, kib)
		s, set := server(w, lan, app), resolver.NewSet()
		c := client(w, lan, nil, func(c *resolver.Config) { c.Peers = set })
		w.Try(func(ctx context.Context) error { return c.FetchTargeted(ctx, keys[0], []peer.ID{s.ID()}) })
		w.Pass(time.Minute)
		w.Check(func(t require.TestingT) {
			require.Zero(t, app.seen().produced)
			set.Add(peer.AddrInfo{ID: s.ID(), Addrs: s.Addrs()})
		})
		c.awaits(w, keys)
	})
}

func TestGetReturnsTheValueThatIsGood(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(1, 300*kib)
		c := client(w, lan, []*party{server(w, lan, app)})
		several := []*getting{c.gets(w, keys[0]), c.gets(w, keys[0]), c.gets(w, keys[0], resolver.WithAttempts(1))}
		for _, g := range several {
			value, err := g.await(w)
			w.Check(func(t require.TestingT) {
				require.NoError(t, err)
				require.Equal(t, string(worth(0, 300*kib)), string(value))
			})
		}
		w.Check(func(t require.TestingT) { require.Equal(t, 1, app.seen().produced, "one fetch for all") })
		c.idle(w)
	})
}

func TestGetEndsWithoutAValueForAReason(t *testing.T) {
	play(t, func(w *sim.World) {
		c := client(w, lan, []*party{server(w, lan, newApplication())})
		missing := keyOf(0, []byte("missing"))
		fails := func(want error, g *getting) {
			_, err := g.await(w)
			w.Check(func(t require.TestingT) { require.ErrorIs(t, err, want) })
		}
		fails(resolver.ErrDeadline, c.gets(w, missing, resolver.WithDeadline(time.Now().Add(time.Second))))
		fails(resolver.ErrAttempts, c.gets(w, missing, resolver.WithAttempts(2)))
		cancelled := c.gets(w, missing)
		w.Pass(time.Second)
		w.Try(func(ctx context.Context) error { return c.Cancel(ctx, missing) })
		fails(resolver.ErrCancelled, cancelled)
		w.Try(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := c.Get(ctx, missing); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		})
		_, err := c.gets(w, "short").await(w)
		w.Check(func(t require.TestingT) {
			require.ErrorAs(t, err, new(*resolver.KeyError))
			require.Empty(t, c.app.seen().failed, "the Consumer hears nothing of it")
		})
		c.idle(w)
		closed := c.gets(w, missing)
		w.Pass(time.Second)
		w.Do(c.Resolver.Close)
		fails(resolver.ErrClosed, closed)
		fails(resolver.ErrClosed, c.gets(w, missing))
	})
}

func TestTheConsumerHearsOfFetchesThatAreEnded(t *testing.T) {
	play(t, func(w *sim.World) {
		c := client(w, lan, []*party{server(w, lan, newApplication())})
		keys := make([]resolver.Key, 10)
		for n := range keys {
			keys[n] = keyOf(n, []byte("missing"))
		}
		w.Try(func(ctx context.Context) error {
			return errors.Join(c.FetchAll(ctx, keys[:9]), c.Fetch(ctx, keys[9], resolver.WithAttempts(3)))
		})
		w.Pass(10 * time.Second)
		w.Try(func(ctx context.Context) error {
			return errors.Join(c.Cancel(ctx, keys[0], keys[0]), c.Retain(ctx, func(k resolver.Key) bool { return k != keys[1] }))
		})
		w.Pass(time.Second)
		w.Check(func(t require.TestingT) {
			require.Len(t, c.app.seen().failed, 3)
			require.Equal(t, []error{resolver.ErrCancelled}, c.app.seen().failed[keys[0]])
			require.Equal(t, []error{resolver.ErrCancelled}, c.app.seen().failed[keys[1]])
			require.ErrorIs(t, c.app.seen().failed[keys[9]][0], resolver.ErrAttempts)
		})
		w.Try(func(ctx context.Context) error { return c.Clear(ctx) })
		w.Pass(time.Second)
		w.Check(func(t require.TestingT) { require.Len(t, c.app.seen().failed, len(keys)) })
		c.idle(w)
	})
}

// farther is the way of an honest peer when another is to be asked first.
var farther = sim.Link{RoundTrip: 300 * time.Millisecond, Bandwidth: 100 * mbs}

// A peer that lies is blocked, counted in the ledger, and leaves the targets.
func TestAPeerThatLiesIsBlocked(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(20, kib)
		liar := scripted(w, lan, func(_ int, r *wire.Request) []byte {
			return says(&wire.Response{ID: r.ID, Data: []byte("lie")})
		})
		c := client(w, lan, []*party{liar})
		w.Try(func(ctx context.Context) error { return c.FetchTargeted(ctx, keys[0], []peer.ID{liar.ID()}) })
		w.Pass(time.Second)
		w.Check(func(t require.TestingT) { require.Positive(t, c.faults(liar)["value"]) })
		blocked := c.peer(w, liar.Node)
		w.Check(func(t require.TestingT) {
			require.Equal(t, "blocked", blocked.Not)
			require.Equal(t, "value", blocked.Fault)
			require.Zero(t, blocked.Targets)
		})

		d := client(w, lan, []*party{liar, server(w, farther, app)})
		d.fetches(w, keys)
		d.idle(w)
		w.Check(func(t require.TestingT) {
			require.LessOrEqual(t, d.app.seen().refused, 2, "what it was asked before the first verdict")
		})
		stat := d.stat(w)
		w.Check(func(t require.TestingT) { require.Equal(t, 1, stat.Blocked) })
	})
}

// odd are peers that do what none should, and what the ledger says of them. With each an
// honest one is there, from which the value comes.
var odd = []struct {
	name   string
	fault  string // that is counted; "" for none
	script func(nth int, r *wire.Request) []byte
}{
	{"another id", "unasked", func(_ int, r *wire.Request) []byte {
		return says(&wire.Response{ID: r.ID + 1000, Data: []byte("x")})
	}},
	{"an answer twice", "unasked", func(_ int, r *wire.Request) []byte {
		return says(&wire.Failure{ID: r.ID, Code: wire.CodeNone}, &wire.Failure{ID: r.ID, Code: wire.CodeNone})
	}},
	{"never", "", func(int, *wire.Request) []byte { return nil }},
	{"garbage in a frame", "protobuf", func(int, *wire.Request) []byte { return []byte{3, 0xff, 0xff, 0xff} }},
	{"a frame without an end", "frame-length", func(int, *wire.Request) []byte {
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	}},
	{"a value over the limit", "block-too-large", func(_ int, r *wire.Request) []byte {
		parts := wire.Parts{Size: 64 * mib, Hashes: make([]byte, 256*wire.HashSize)}
		return says(&wire.Response{ID: r.ID, Data: make([]byte, wire.PartSize), Parts: parts})
	}},
	{"a part that is none", "value", func(_ int, r *wire.Request) []byte {
		parts := wire.Split(make([]byte, wire.PartSize+1))
		data := make([]byte, wire.PartSize)
		data[0] = 1
		return says(&wire.Response{ID: r.ID, Data: data, Parts: parts})
	}},
	{"a request", "protobuf", func(_ int, r *wire.Request) []byte { return says(&wire.Request{ID: r.ID, Key: r.Key}) }},
}

func TestOddPeersCostThemselvesAndNobodyElse(t *testing.T) {
	for _, o := range odd {
		t.Run(o.name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				app := newApplication()
				keys := app.has(50, kib)
				bad := scripted(w, lan, o.script)
				c := client(w, lan, []*party{bad, server(w, farther, app)})
				w.Begin()
				c.fetches(w, keys)
				w.Within(2 * time.Minute)
				w.Pass(time.Minute)
				c.idle(w)
				w.Check(func(t require.TestingT) {
					if o.fault == "" {
						require.Empty(t, c.faults(bad))
					} else {
						require.Positive(t, c.faults(bad)[o.fault], "%v", c.faults(bad))
					}
				})
			})
		})
	}
}

// A peer that answers with the number of a request to another has answered nothing.
func TestAnAnswerForAnotherPeerCountsForNobody(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(1, kib)
		asked := make(chan wire.ID, 64)
		silent := scripted(w, lan, func(_ int, r *wire.Request) []byte {
			asked <- r.ID
			return nil
		})
		thief := scripted(w, lan, func(_ int, r *wire.Request) []byte {
			answer := says(&wire.Failure{ID: r.ID, Code: wire.CodeNone})
			select {
			case id := <-asked:
				return append(answer, says(&wire.Response{ID: id, Data: worth(0, kib)})...)
			default:
				return answer
			}
		})
		c := client(w, lan, []*party{silent, thief})
		w.Try(func(ctx context.Context) error { return c.Fetch(ctx, keys[0]) })
		w.Pass(time.Minute)
		w.Check(func(t require.TestingT) {
			require.Zero(t, c.app.count())
			require.Positive(t, c.faults(thief)["unasked"])
			require.Empty(t, c.faults(silent))
		})
	})
}

// An answer that comes when its fetch was cancelled is dropped, good or not, and nobody
// is blamed.
func TestAnAnswerAfterCancelIsDropped(t *testing.T) {
	play(t, func(w *sim.World) {
		app := newApplication()
		keys := app.has(1, kib)
		late := make(chan struct{})
		slow := scripted(w, lan, func(_ int, r *wire.Request) []byte {
			<-late
			return says(&wire.Response{ID: r.ID, Data: []byte("lie")})
		})
		c := client(w, lan, []*party{slow})
		w.Try(func(ctx context.Context) error { return c.Fetch(ctx, keys[0]) })
		w.Pass(time.Second)
		w.Try(func(ctx context.Context) error { return c.Cancel(ctx, keys[0]) })
		w.Pass(time.Second)
		w.Check(func(require.TestingT) { close(late) })
		w.Pass(time.Second)
		w.Check(func(t require.TestingT) {
			require.Zero(t, c.app.seen().refused, "the Consumer does not see it")
			require.Equal(t, []error{resolver.ErrCancelled}, c.app.seen().failed[keys[0]])
			require.Empty(t, c.faults(slow))
		})
		c.idle(w)
	})
}

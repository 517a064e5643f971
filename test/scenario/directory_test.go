package scenario

import (
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	soukx "github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// k is how many candidates a query names and a want is asked of: the default.
const k = 8

// square is a node among a hundred connected peers that it does not know, and
// the candidates that its directory names.
type square struct {
	*sim.World
	client    *sim.Node
	routing   *sim.Routing
	strangers []*sim.Recorder
	named     []*sim.Recorder
}

func newSquare(w *sim.World, strangers int, has []blocks.Block, opts ...soukx.Option) *square {
	s := &square{World: w, routing: &sim.Routing{}, strangers: w.Recorders(strangers, lan, sim.Serve(has))}
	s.client = w.Node(souk, lan, exchanges.WithRouting(s.routing), exchanges.WithSouk(opts...))
	w.Connect(s.client, sim.Nodes(s.strangers)...)
	return s
}

// names adds candidates with a script, which the directory names for the data.
func (s *square) names(count int, data []blocks.Block, script sim.Script) []*sim.Recorder {
	rs := s.Recorders(count, lan, script)
	s.routing.Announce(data, sim.Nodes(rs)...)
	s.named = append(s.named, rs...)
	return rs
}

// fetches fetches within the time; at most K candidates may have a want to answer
// at the same time.
func (s *square) fetches(data []blocks.Block, within time.Duration) {
	s.Settle()
	s.Begin()
	s.Fetch(s.client, data)
	s.Within(within)
	s.Settle()
	s.Check(func(t require.TestingT) { require.LessOrEqual(t, sim.MostPending(s.named), k) })
}

// Where the directory names who has it, a hundred connected peers that nobody has
// named hear nothing: no want, no sample and no cancel.
func TestAHundredStrangersHearNothing(t *testing.T) {
	one, many := corpus.Blocks(1, 1, 64*kib), corpus.Blocks(2, 40, 64*kib)
	ways := map[string]struct {
		data []blocks.Block
		with func(s *square, data []blocks.Block)
	}{
		"eight candidates, one has it": {one, func(s *square, data []blocks.Block) {
			s.names(k-1, data, sim.Serve(nil))
			s.names(1, data, sim.Serve(data))
		}},
		"a slow directory, and they are to be dialled": {many, func(s *square, data []blocks.Block) {
			s.routing.Pace = 1900 * time.Millisecond
			s.names(1, data, sim.Serve(data))
		}},
		"most of them never answer": {many, func(s *square, data []blocks.Block) {
			s.names(k-2, data, nil)
			s.names(1, data, sim.Serve(nil))
			s.names(1, data, sim.Serve(data))
		}},
		"those that it names first have nothing": {many, func(s *square, data []blocks.Block) {
			s.names(k, data, sim.Serve(nil))
			s.names(k, data, sim.Serve(data))
		}},
		"the source is busy": {many, func(s *square, data []blocks.Block) {
			slow := s.Node(souk, sim.Link{RoundTrip: lan.RoundTrip, Bandwidth: 2 * mbs})
			s.Put(slow, data...)
			s.routing.Announce(data, slow)
		}},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				s := newSquare(w, 100, way.data)
				way.with(s, way.data)
				s.fetches(way.data, 30*time.Second)
				s.Untouched(s.strangers...)
				if len(way.data) == 1 {
					s.Check(func(t require.TestingT) {
						require.LessOrEqual(t, sim.Count(s.named, sim.WantHave, sim.WantBlock), k+1, "and the block of one that said HAVE")
					})
				}
			})
		})
	}
}

// One of a hundred connected peers has a block, and the directory names it after a
// round trip: it is asked then, and nobody else.
func TestTheDirectoryAnswersFast(t *testing.T) {
	data := corpus.Blocks(1, 1, 4*kib)
	for _, m := range []exchanges.Make{souk, boxo} {
		t.Run(string(m), func(t *testing.T) {
			play(t, func(w *sim.World) {
				s := newSquare(w, 99, data)
				s.routing.Pace = lan.RoundTrip
				holder := w.Node(m, lan)
				w.Put(holder, data...)
				w.Connect(s.client, holder)
				s.routing.Announce(data, holder)
				s.fetches(data, lan.RoundTrip*22/10)
				s.Untouched(s.strangers...)
				w.Traffic(holder, data, nil)
				s.Check(func(t require.TestingT) { require.Len(t, s.routing.Queries(), 1) })
			})
		})
	}
}

// The same with a flood: everybody is asked, which is what the others would see
// otherwise.
func TestAFloodAsksAHundredStrangers(t *testing.T) {
	data := corpus.Blocks(1, 1, 64*kib)
	play(t, func(w *sim.World) {
		s := newSquare(w, 100, data, soukx.WithFlood())
		s.names(k-1, data, sim.Serve(nil))
		s.names(1, data, sim.Serve(data))
		s.fetches(data, 30*time.Second)
		s.Check(func(t require.TestingT) { require.Equal(t, 100, sim.Asked(s.strangers)) })
	})
}

// Connected peers that have nothing see one want and its cancel, while one of them
// has everything.
func TestStrangersSeeOneWantAndItsCancel(t *testing.T) {
	data := corpus.Blocks(1, 101, kib)
	play(t, func(w *sim.World) {
		seed, client, strangers := w.Node(souk, lan), w.Node(souk, lan), w.Nodes(5, souk, lan)
		w.Put(seed, data...)
		w.Connect(client, append(strangers, seed)...)
		w.Settle()
		w.Fetch(client, data)
		w.Settle()
		w.Hears(2, strangers...)
	})
}

// Strangers are asked when the directory knows nobody who has it: after it was asked
// again where it names somebody, after its time where it says nothing, and not all of
// them.
func TestStrangersAreAskedWhereTheDirectoryFails(t *testing.T) {
	data := corpus.Blocks(1, 20, 64*kib)
	ways := map[string]struct {
		with   func(s *square)
		within time.Duration
		asked  int // queries
	}{
		"it names nobody":             {func(*square) {}, time.Second, 2}, // for the root, and for what is missing
		"its candidates have nothing": {func(s *square) { s.names(k, data, sim.Serve(nil)) }, 2 * time.Second, 2},
		"it is stuck":                 {func(s *square) { s.routing.Stuck = true }, 3 * time.Second, 1},
		"its candidates never answer": {func(s *square) { s.names(k, data, nil) }, 4 * time.Second, 2},
		"it names who is cut off": {func(s *square) {
			for _, r := range s.names(k, data, nil) {
				s.Cut(r.Node)
			}
		}, 3 * time.Second, 2},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				s := newSquare(w, 30, data)
				way.with(s)
				s.fetches(data, way.within)
				s.Check(func(t require.TestingT) {
					require.Len(t, s.routing.Queries(), way.asked)
					require.LessOrEqual(t, sim.Asked(s.strangers), k)
				})
			})
		})
	}
}

// Peers that the caller names are asked, and neither strangers nor the directory.
func TestNamedPeersAloneAreAsked(t *testing.T) {
	data := corpus.Blocks(1, 20, 64*kib)
	play(t, func(w *sim.World) {
		s := newSquare(w, 100, data)
		holder := w.Recorder(lan, sim.Serve(data))
		s.names(k, data, sim.Serve(data))
		w.Connect(s.client, holder.Node)
		w.Settle()
		w.Fetch(s.client, data, holder.Node)
		w.Settle()
		s.Untouched(append(s.strangers, s.named...)...)
		s.Check(func(t require.TestingT) { require.Empty(t, s.routing.Queries()) })
	})
}

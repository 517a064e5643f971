package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// Of two calls for the same block one is given up; the other gets it, whether
// they are of one session or of two. (When a call of boxo's ends, the wants of its
// session that other calls wait for are withdrawn, too.)
func TestCancelOfOneCallKeepsTheOther(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	cs := corpus.CIDs(block)
	ways := []struct {
		name  string
		sides []sim.Sides
		calls func(w *sim.World, n *sim.Node) (first, second *sim.Call)
	}{
		{"one session", bothToSouk, func(w *sim.World, n *sim.Node) (first, second *sim.Call) {
			s := w.Session(n)
			return s.Call(cs), s.Call(cs)
		}},
		{"two sessions", mixed, func(w *sim.World, n *sim.Node) (first, second *sim.Call) {
			return w.Call(n, cs), w.Call(n, cs)
		}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			each(t, way.sides, func(w *sim.World, s sim.Sides) {
				later, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Connect(client, later)
				w.Settle()
				first, second := way.calls(w, client)
				w.Pass(time.Second)
				w.Wants(later, client, block...)
				first.Cancel()
				w.Pass(time.Second)
				w.Wants(later, client, block...)
				w.Put(later, block...)
				second.Await(block...)
				w.Check(func(t require.TestingT) { require.Empty(t, first.Got()) })
				w.Pass(time.Second)
				w.Wants(later, client)
			})
		})
	}
}

// A session that ends takes its wants along, and none of another session's.
func TestSessionsAreIndependent(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		later, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Connect(client, later)
		w.Settle()
		ending := w.Session(client)
		first := ending.Call(corpus.CIDs(block))
		w.Pass(time.Second)
		ending.End()
		first.Finish()
		second := w.Call(client, corpus.CIDs(block))
		w.Pass(time.Second)
		w.Put(later, block...)
		second.Await(block...)
	})
}

// Wants leave a peer's list with the calls behind them, when their time is out
// and when they are given up: of eleven one is left.
func TestWantsLeaveWithTheirCalls(t *testing.T) {
	data := corpus.Blocks(1, 20, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		server, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Connect(client, server)
		w.Settle()
		missed := w.Miss(client, data[0].Cid(), time.Second)
		w.Check(func(t require.TestingT) { require.Error(t, missed) })
		w.Pass(time.Second)
		w.Wants(server, client)

		one := w.Subscribe(client, corpus.CIDs(data[:1]), server)
		ten := w.Subscribe(client, corpus.CIDs(data[10:]), server)
		w.Pass(time.Second)
		w.Wants(server, client, append(data[10:20:20], data[0])...)
		ten.Cancel()
		w.Pass(time.Second)
		w.Wants(server, client, data[0])
		one.Cancel()
		w.Pass(time.Second)
		w.Wants(server, client)
	})
}

// A want and its cancel may be given in any quick order: who wants the block last
// gets it, and a peer that has it never keeps a want that was withdrawn.
func TestCancelAndWantInQuickTurns(t *testing.T) {
	data := corpus.Blocks(1, 40, kib)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		server, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Connect(client, server)
		w.Settle()
		inOneSession := w.Session(client)
		for i, b := range data {
			for turn := range 4 {
				call := inOneSession.Call(corpus.CIDs(data[i : i+1]))
				w.Pass(time.Duration(turn*i) * time.Millisecond) // to one and a half round trips
				call.Cancel()
			}
			last := inOneSession.Call(corpus.CIDs(data[i : i+1]))
			if i%2 == 0 {
				w.Pass(time.Duration(i) * time.Millisecond)
			}
			w.Put(server, b)
			w.Begin()
			last.Await(b)
			w.Within(2 * time.Second)
		}
		w.Settle()
		w.Wants(server, client)
	})
}

// Two thousand wants are outstanding at a peer; the one block that it then gets
// comes, to the call that asked for it and to no other. A peer keeps only some of
// so many wants, and those that it keeps for us change in turn within a minute.
func TestOneOfVeryManyWantsIsAnswered(t *testing.T) {
	data := corpus.Blocks(1, 2049, 64)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		later, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Connect(client, later)
		w.Settle()
		session := w.Session(client)
		zero, rest := session.Call(corpus.CIDs(data[:1])), session.Call(corpus.CIDs(data[1:]))
		w.Settle()
		w.Put(later, data[0])
		w.Begin()
		zero.Await(data[0])
		w.Within(time.Minute)
		w.Check(func(t require.TestingT) { require.Empty(t, rest.Got()) })
	})
}

// The same, where the block is put at the node that wants it.
func TestOneOfVeryManyWantsIsPutHere(t *testing.T) {
	data := corpus.Blocks(1, 2500, 64)
	play(t, func(w *sim.World) {
		n := w.Node(souk, lan)
		call := w.Call(n, corpus.CIDs(data[1:]))
		w.Pass(50 * time.Millisecond)
		w.Begin()
		w.Put(n, data[17])
		call.Await(data[17])
		w.Within(time.Millisecond)
		w.Check(func(t require.TestingT) { require.Len(t, call.Got(), 1) })
	})
}

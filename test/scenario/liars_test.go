package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// The only tracker that a client has is of no use: it lies, is empty, slow or gone.
// A connected peer has the block, and the client gets it all the same; it dials
// ten peers at most of those that the tracker names.
func TestTrackerThatIsOfNoUseStopsNoFetch(t *testing.T) {
	data := corpus.Blocks(1, 20, 4*kib)
	forged := func(r wire.Row) wire.Row {
		r.Record = slices.Clone(r.Record)
		r.Record[len(r.Record)-1] ^= 1 // The signature is at the end.
		return r
	}
	ways := map[string]func(q *wire.Query, rows []wire.Row) *wire.Reply{
		"empty":  func(*wire.Query, []wire.Row) *wire.Reply { return &wire.Reply{} },
		"silent": func(*wire.Query, []wire.Row) *wire.Reply { return nil },
		"names many who have nothing": func(q *wire.Query, rows []wire.Row) *wire.Reply {
			return &wire.Reply{Rows: rows[:min(q.K, len(rows))], Token: []byte("token")}
		},
		"names more than were asked for": func(_ *wire.Query, rows []wire.Row) *wire.Reply {
			return &wire.Reply{Rows: rows}
		},
		"forges": func(q *wire.Query, rows []wire.Row) *wire.Reply {
			var all []wire.Row
			for _, r := range rows[:min(q.K, len(rows))] {
				all = append(all, forged(r))
			}
			return &wire.Reply{Rows: all}
		},
		"refuses": func(*wire.Query, []wire.Row) *wire.Reply {
			return &wire.Reply{Refusal: &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Hour}}
		},
	}
	for name, answer := range ways {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *sim.World) {
				idle := w.Nodes(30, souk, lan)
				var rows []wire.Row
				for _, n := range idle {
					rows = append(rows, w.Row(films, n))
				}
				tracker := w.Acting(lan, func(q *wire.Query) *wire.Reply { return answer(q, rows) })
				holder, client := w.Node(souk, lan), w.Node(souk, lan, sim.Tracked(films, tracker))
				w.Put(holder, data...)
				w.Connect(client, holder)
				w.Settle()
				w.Begin()
				w.Fetch(client, data)
				w.Within(6 * time.Second)
				w.Traffic(holder, data, nil)
				w.Check(func(t require.TestingT) { require.LessOrEqual(t, len(client.Network().Peers()), 2+10) })
			})
		})
	}
}

// Trackers that name a holder which has gone cost the dials; the next answer names
// one that is there.
func TestStaleRowsAreLeftBehind(t *testing.T) {
	data := corpus.Blocks(1, 20, 4*kib)
	play(t, func(w *sim.World) {
		dead, holder := w.Nodes(8, souk, lan), w.Node(souk, lan)
		var rows []wire.Row
		for _, n := range dead {
			rows = append(rows, w.Row(films, n))
			w.Cut(n)
		}
		rows = append(rows, w.Row(films, holder))
		calls := 0
		tracker := w.Acting(lan, func(*wire.Query) *wire.Reply {
			calls++
			if calls == 1 {
				return &wire.Reply{Rows: rows[:8], Token: []byte("first")}
			}
			return &wire.Reply{Rows: rows[8:], Token: []byte("then")}
		})
		client := w.Node(souk, lan, sim.Tracked(films, tracker))
		w.Put(holder, data...)
		w.Begin()
		w.Fetch(client, data)
		w.Within(15 * time.Second)
	})
}

package scenario

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// deny gives a node rules that deny peers everything; without peers it has none.
func deny(w *sim.World, n *sim.Node, peers ...*sim.Node) {
	w.Try(func(ctx context.Context) error {
		if len(peers) == 0 {
			return n.Souk().SetAccessRules(ctx, nil)
		}
		var lines []string
		for _, p := range peers {
			lines = append(lines, "deny peer "+p.ID().String())
		}
		rules, err := access.Parse("rules", strings.NewReader(strings.Join(lines, "\n")))
		if err != nil {
			return err
		}
		return n.Souk().SetAccessRules(ctx, rules)
	})
}

// The only provider that the tracker knows is denied: it hears nothing of the want,
// and the error at the deadline says that it is denied. When the rule goes, it is
// fetched from, and a fetch that waits goes on.
func TestADeniedProviderIsNotFetchedFrom(t *testing.T) {
	data := corpus.Blocks(1, 8, 4*kib)
	for _, connected := range []bool{false, true} {
		play(t, func(w *sim.World) {
			trackers := w.Trackers(1, lan)
			holder, client := w.Node(souk, lan, sim.Tracked(films, trackers...)), w.Node(souk, lan, sim.Tracked(films, trackers...))
			w.Put(holder, data...)
			w.Announce(films, holder)
			w.Connect(client, trackers...)
			if connected {
				w.Connect(client, holder)
			}
			w.Settle()
			deny(w, client, holder)
			asked := holder.Exchange.Counters().WantsReceived // The tracker's probe is one.
			err := w.Miss(client, data[0].Cid(), 10*time.Second)
			w.Check(func(t require.TestingT) {
				failed := failure(t, err)
				require.True(t, failed.Timeout())
				require.Equal(t, session.Denied, answers(failed)[holder.ID()], "%v", failed)
				require.ErrorContains(t, failed, holder.ID().String()+": denied: a rule lets it have nothing")
				require.Equal(t, asked, holder.Exchange.Counters().WantsReceived)
			})
			call := w.Call(client, corpus.CIDs(data))
			w.Settle()
			w.Expect(func() bool { return len(call.Got()) == 0 }, "nothing comes")
			deny(w, client)
			call.Await(data...)
		})
	}
}

// A rule that comes in the middle of a fetch ends it at that peer, and what it still
// sends is not taken.
func TestARuleThatComesInTheMiddleEndsTheFetchFromThatPeer(t *testing.T) {
	data := corpus.Blocks(1, 400, 64*kib)
	play(t, func(w *sim.World) {
		slow := sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 10 * mbs}
		first, client, second := w.Node(souk, slow), w.Node(souk, lan), w.Node(souk, lan)
		w.Put(first, data...)
		w.Put(second, data...)
		w.Connect(client, first)
		w.Settle()
		call := w.Call(client, corpus.CIDs(data))
		w.Pass(3 * time.Second)
		deny(w, client, first)
		got := len(call.Got())
		w.Expect(func() bool { return got > 0 && got < len(data) }, "it is in the middle")
		w.Settle()
		w.Wants(first, client)
		w.Expect(func() bool { return len(call.Got()) == got }, "nothing that the peer had on its way is taken")
		w.Connect(client, second)
		call.Await(data...)
	})
}

// What a denied peer says unasked is ignored, though somebody waits for it.
func TestWhatADeniedPeerSendsUnaskedIsIgnored(t *testing.T) {
	data := corpus.Blocks(1, 2, 4*kib)
	play(t, func(w *sim.World) {
		client, stranger := w.Node(souk, lan), w.Handled(lan, sim.Deaf)
		w.Connect(client, stranger)
		w.Settle()
		call := w.Call(client, corpus.CIDs(data))
		w.Settle()
		deny(w, client, stranger)
		w.Tell(stranger, client, blockMessage(data[0]))
		w.Settle()
		w.Lacks(client, data...)
		w.Expect(func() bool { return len(call.Got()) == 0 }, "it is not taken")
		deny(w, client)
		w.Tell(stranger, client, blockMessage(data[0]))
		w.Settle()
		w.Holds(client, data[0])
	})
}

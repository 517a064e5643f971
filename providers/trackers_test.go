package providers

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// fakeSet says which trackers there are.
type fakeSet chan []client.Tracker

func (f fakeSet) C() <-chan struct{} {
	c := make(chan struct{}, 1)
	if len(f) > 0 {
		c <- struct{}{}
	}
	return c
}

func (f fakeSet) Take() []client.Tracker { return <-f }

func setOf(n int) fakeSet {
	var all []client.Tracker
	for i := range n {
		all = append(all, client.Tracker{AddrInfo: peer.AddrInfo{ID: peer.ID(fmt.Sprint("t", i))}, Latency: usual})
	}
	f := make(fakeSet, 1)
	f <- all
	return f
}

// asker plays trackers that all answer the same.
type asker struct {
	answer   func(ctx context.Context, q wire.Query) (*wire.Reply, error)
	notices  chan wire.Notify // what they announce; the zero Notify ends the subscription
	asked    atomic.Int32
	feedback chan wire.Feedback
}

func (a *asker) Query(ctx context.Context, _ peer.ID, q wire.Query) (*wire.Reply, error) {
	a.asked.Add(1)
	return a.answer(ctx, q)
}

func (a *asker) Feedback(_ context.Context, _ peer.ID, f wire.Feedback) error {
	a.feedback <- f
	return errRefused
}

func (a *asker) Subscribe(ctx context.Context, _ peer.ID, _ wire.About, notice func(wire.Notify)) error {
	for {
		select {
		case n := <-a.notices:
			if len(n.Rows) == 0 {
				return errRefused
			}
			notice(n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// signedNow is a row of somebody who announces at this moment.
func signedNow(t *testing.T) (peer.ID, wire.Row) {
	p := newProvider(t)
	return p.id, p.row(func(rec *record.Record) { rec.Issued = time.Now() })
}

func answering(rows ...wire.Row) func(context.Context, wire.Query) (*wire.Reply, error) {
	return func(context.Context, wire.Query) (*wire.Reply, error) {
		return &wire.Reply{Rows: rows, Token: []byte("token")}, nil
	}
}

// A tracker that was named a moment ago is known to who asks then, although the
// directory had no occasion yet to look.
func TestATrackerThatWasJustNamedIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id, row := signedNow(t)
		set := make(fakeSet, 1)
		d := start(Config{Trackers: &asker{answer: answering(row)}, Set: set})
		defer func() { require.NoError(t, d.Stop(context.Background())) }()
		synctest.Wait()
		set <- <-setOf(1)
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Len(t, peers, 1)
		require.Equal(t, id, peers[0].ID)
	})
}

func TestWhatATrackerSaysIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id, row := signedNow(t)
		a := &asker{answer: answering(row)}
		d := start(Config{Trackers: a, Set: setOf(1)})
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Len(t, peers, 1)
		require.Equal(t, id, peers[0].ID)
		require.Len(t, peers[0].Addrs, 2)
		require.Equal(t, Stat{Asks: 1}, d.Stat())
		require.NoError(t, d.Stop(t.Context()))
	})
}

// Whatever trackers do, who is found without them is found.
func TestTrackersThatFailInWhateverWayLeaveTheFinders(t *testing.T) {
	_, row := signedElsewhere(t)
	for name, c := range map[string]struct {
		answer func(ctx context.Context, q wire.Query) (*wire.Reply, error)
		takes  time.Duration
		stat   Stat
	}{
		"error": {func(context.Context, wire.Query) (*wire.Reply, error) { return nil, errRefused }, 0, Stat{Asks: 3, Failed: 3}},
		"panic": {func(context.Context, wire.Query) (*wire.Reply, error) { panic("a broken client") }, 0, Stat{Asks: 3, Failed: 3}},
		"empty": {answering(), 0, Stat{Asks: 3, Empty: 3}},
		"lies":  {answering(row), 0, Stat{Asks: 3, Empty: 3, Lied: 3}},
		"refusal": {func(context.Context, wire.Query) (*wire.Reply, error) {
			return &wire.Reply{Refusal: &wire.Refusal{Code: wire.CodeNotServed}}, nil
		}, 0, Stat{Asks: 3, Refused: 3}},
		"silence": {func(ctx context.Context, _ wire.Query) (*wire.Reply, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, askTimeout + 2*(2*usual+lateMargin), Stat{Asks: 3, Hedges: 2, Failed: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := start(Config{Trackers: &asker{answer: c.answer}, Set: setOf(3), Finders: []Finder{fixedNames("a")}})
				began := time.Now()
				peers, err := d.Find(t.Context(), "films", 8)
				require.NoError(t, err)
				require.Equal(t, "a", namesOf(peers))
				require.Equal(t, c.takes, time.Since(began))
				synctest.Wait()
				require.Equal(t, c.stat, d.Stat())
				require.NoError(t, d.Stop(t.Context()))
			})
		})
	}
}

// signedElsewhere is a row about another namespace.
func signedElsewhere(t *testing.T) (peer.ID, wire.Row) {
	p := newProvider(t)
	return p.id, p.row(func(rec *record.Record) { rec.Namespace = "songs" })
}

// One that does not even return when its time is out costs its place, and nobody
// waits for it but Stop.
func TestTrackerThatIsStuckHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		a := &asker{answer: func(context.Context, wire.Query) (*wire.Reply, error) { <-let; return nil, errRefused }}
		d := start(Config{Trackers: a, Set: setOf(1), Finders: []Finder{fixedNames("a")}})
		began := time.Now()
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Equal(t, "a", namesOf(peers))
		require.Equal(t, askTimeout, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, d.Stop(ctx), context.DeadlineExceeded)
		close(let)
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestFastTrackerAnswersInPlaceOfASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, row := signedNow(t)
		a := &asker{}
		a.answer = func(ctx context.Context, q wire.Query) (*wire.Reply, error) {
			if a.asked.Load() == 1 {
				time.Sleep(time.Second)
			}
			return answering(row)(ctx, q)
		}
		d := start(Config{Trackers: a, Set: setOf(2)})
		began := time.Now()
		peers, err := d.Find(t.Context(), "films", 1)
		require.NoError(t, err)
		require.Len(t, peers, 1)
		require.Equal(t, 2*usual+lateMargin, time.Since(began))
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestJudgementsReachTheTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id, row := signedNow(t)
		a := &asker{answer: answering(row), feedback: make(chan wire.Feedback, 1)}
		d := start(Config{Trackers: a, Set: setOf(1)})
		l := open(t, d)
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 1}))
		require.NotEmpty(t, heard(l))
		j := wire.Judgement{Peer: id, Outcome: wire.OutcomeServed, Samples: sample("x")}
		require.NoError(t, l.Judge(t.Context(), "films", j))
		began := time.Now()
		require.Equal(t, wire.Feedback{Token: []byte("token"), Peers: []wire.Judgement{j}}, <-a.feedback)
		require.Equal(t, gatherFor, time.Since(began))
		require.NoError(t, l.Judge(t.Context(), "films", j))
		time.Sleep(time.Minute)
		require.Empty(t, a.feedback, "once")
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestWatchDeliversWhoAnnounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id, row := signedNow(t)
		_, lie := signedElsewhere(t)
		a := &asker{notices: make(chan wire.Notify)}
		d := start(Config{Trackers: a, Set: setOf(1)})
		ctx, cancel := context.WithCancel(t.Context())
		peers, err := d.Watch(ctx, "films")
		require.NoError(t, err)
		a.notices <- wire.Notify{Rows: []wire.Row{row}}
		require.Equal(t, id, (<-peers).ID)
		a.notices <- wire.Notify{}
		a.notices <- wire.Notify{Rows: []wire.Row{row, lie}}
		require.Equal(t, id, (<-peers).ID, "of another subscription")
		require.Equal(t, Stat{Subscriptions: 2, Lied: 1}, d.Stat())
		cancel()
		_, open := <-peers
		require.False(t, open)

		peers, err = d.Watch(t.Context(), "films")
		require.NoError(t, err)
		require.NoError(t, d.Stop(t.Context()))
		_, open = <-peers
		require.False(t, open)
		_, err = d.Watch(t.Context(), "films")
		require.ErrorIs(t, err, actor.ErrClosed)
	})
}

func TestWatcherThatDoesNotReceiveKeepsTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{notices: make(chan wire.Notify)}
		d := start(Config{Trackers: a, Set: setOf(1)})
		l := open(t, d)
		require.NoError(t, l.Watch(t.Context(), Query{Namespace: "films"}))
		var last peer.ID
		for range 2 * mostUnread {
			id, row := signedNow(t)
			a.notices <- wire.Notify{Rows: []wire.Row{row}}
			last = id
		}
		synctest.Wait()
		c := <-l.C()
		require.Len(t, c.Peers, mostUnread)
		require.Equal(t, last, c.Peers[mostUnread-1].ID)
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestWhatWeThinkOfAPeerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, first := signedNow(t)
		good, second := signedNow(t)
		score := func(p peer.ID) float64 {
			if p == bad {
				return 0.1
			}
			return 0.9
		}
		d := start(Config{Trackers: &asker{answer: answering(first, second)}, Set: setOf(1), Score: score})
		peers, err := d.Find(t.Context(), "films", 2)
		require.NoError(t, err)
		require.Equal(t, namesOf([]peer.AddrInfo{{ID: good}, {ID: bad}}), namesOf(peers))
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestWithoutASetThereAreNoTrackers(t *testing.T) {
	run(t, Config{Trackers: &asker{}, Finders: []Finder{fixedNames("a")}}, func(t *testing.T, d *Directory) {
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Equal(t, "a", namesOf(peers))
	})
}

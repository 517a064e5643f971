package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

func listening(c *Config) { c.ListKey = listKey }

// listOf is a list that the key with the number has signed.
func listOf(t testing.TB, key byte, sequence uint64, peers ...peer.ID) []byte {
	l := record.Trackers{Sequence: sequence, Issued: time.Now()}
	for _, p := range peers {
		l.List = append(l.List, record.Tracker{Peer: p, Addrs: infoOf(p, "/ip4/192.0.2.1/tcp/1").Addrs})
	}
	s, err := record.SignTrackers(keyOf(key), l)
	require.NoError(t, err)
	return s.Bytes()
}

// lists is a tracker that gives out a list, and counts how often.
func lists(signed []byte, asked chan<- uint64) func(*conversation) {
	return func(c *conversation) {
		for m := c.next(); m != nil; m = c.next() {
			get, is := m.(*wire.GetTrackers)
			if !is {
				c.answer(m)
				continue
			}
			asked <- get.Known
			c.say(&wire.Trackers{ID: get.ID, Signed: signed})
		}
	}
}

func (w *world) set() []peer.ID {
	var ids []peer.ID
	for _, t := range w.watch.Take() {
		ids = append(ids, t.ID)
	}
	return ids
}

func TestTheSetIsThePinnedTrackersWithoutOurselves(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		<-w.watch.C()
		require.ElementsMatch(t, []peer.ID{first, second}, w.set())
		require.Len(t, w.state(first).Addrs, 2, "of both mentions")
		set := w.watch.Take()
		require.Less(t, set[0].ID, set[1].ID)
		set[0].Addrs = nil
		set[1].ID = self
		require.ElementsMatch(t, []peer.ID{first, second}, w.set(), "a copy was taken")
		require.Empty(t, w.watch.C())
	}, func(c *Config) {
		c.Pinned = []peer.AddrInfo{
			infoOf(self), infoOf(second), infoOf(first, "/ip4/192.0.2.1/tcp/1"),
			infoOf(first, "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2"), infoOf(""),
		}
	})
}

func TestASignedListJoinsThePinnedTrackers(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 16)
		third := peerOf(4)
		w.runs(first, lists(listOf(t, 9, 7, third, self, second), asked))
		<-w.watch.C()
		w.requireUp(first)
		synctest.Wait()
		require.Zero(t, <-asked)
		<-w.watch.C()
		require.ElementsMatch(t, []peer.ID{first, second, third}, w.set())
		require.Len(t, w.state(third).Addrs, 1)
		w.runs(third, honest())
		w.requireUp(third)

		w.runs(second, lists(listOf(t, 9, 6, peerOf(5)), asked))
		w.requireUp(second)
		synctest.Wait()
		require.EqualValues(t, 7, <-asked, "it says which one it has")
		require.ElementsMatch(t, []peer.ID{first, second, third}, w.set(), "an older list is passed over")
	}, listening)
}

func TestATrackerThatANewerListLeavesOutIsLeft(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 16)
		third := peerOf(4)
		w.runs(first, lists(listOf(t, 9, 7, third), asked))
		w.runs(second, lists(listOf(t, 9, 8), asked))
		w.runs(third, func(c *conversation) { c.next(); silent(c) })
		w.requireUp(first)
		synctest.Wait()
		call := make(chan error, 1)
		go func() {
			_, err := w.asks(third, time.Minute)
			call <- err
		}()
		w.requireUp(second)
		require.ErrorIs(t, <-call, ErrUnknown)
		require.ElementsMatch(t, []peer.ID{first, second}, w.set(), "the pinned ones stay")
		_, err := w.asks(third, time.Minute)
		require.ErrorIs(t, err, ErrUnknown)
	}, listening)
}

func TestATrackerIsAskedForItsListOnceAnHourAndAfterItWasLost(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 64)
		w.runs(first, lists(nil, asked))
		uses := func() int {
			w.requireUp(first)
			synctest.Wait()
			return len(asked)
		}
		require.Equal(t, 1, uses())
		for range 5 {
			time.Sleep(11 * time.Minute)
			require.Equal(t, 1, uses())
		}
		time.Sleep(11 * time.Minute)
		require.Equal(t, 2, uses())
		w.parting(first)
		require.Equal(t, 3, uses())
	}, listening)
}

func TestAListThatIsNotOfTheKeyIsAFault(t *testing.T) {
	cases := map[string]func(t *testing.T) []byte{
		"of another key": func(t *testing.T) []byte { return listOf(t, 8, 7, peerOf(4)) },
		"forged": func(t *testing.T) []byte {
			b := listOf(t, 9, 7, peerOf(4))
			b[len(b)-1] ^= 1
			return b
		},
		"no list":           func(*testing.T) []byte { return []byte("trackers") },
		"with too many":     func(t *testing.T) []byte { return tooLong(t, record.MaxTrackers+1) },
		"with a peer twice": func(t *testing.T) []byte { return joined(t, listOf(t, 9, 7, peerOf(4)), listOf(t, 9, 8, peerOf(4))) },
	}
	for name, list := range cases {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				asked := make(chan uint64, 64)
				w.runs(first, lists(list(t), asked))
				_, _ = w.asks(first, time.Minute)
				<-asked
				synctest.Wait()
				require.True(t, w.state(first).Down(time.Now()))
				require.ElementsMatch(t, []peer.ID{first, second}, w.set())
			}, listening)
		})
	}
}

// tooLong is a signed list with n trackers, which no signer makes.
func tooLong(t *testing.T, n int) []byte {
	var lists [][]byte
	for i := range n {
		lists = append(lists, listOf(t, 9, 7, peerOf(byte(30+i))))
	}
	return joined(t, lists...)
}

// joined is a list of what is in several, signed as it should be: the fields of
// messages that follow each other are those of one message.
func joined(t *testing.T, lists ...[]byte) []byte {
	var payload []byte
	for _, l := range lists {
		num, _, n := protowire.ConsumeTag(l)
		require.EqualValues(t, 1, num)
		part, _ := protowire.ConsumeBytes(l[n:])
		payload = append(payload, part...)
	}
	signature, err := keyOf(9).Sign(append([]byte("souk-tracker-list:"), payload...))
	require.NoError(t, err)
	b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), payload)
	return protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), signature)
}

func TestTheLongestListIsTaken(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 1)
		w.runs(first, lists(tooLong(t, record.MaxTrackers), asked))
		w.requireUp(first)
		synctest.Wait()
		require.Len(t, w.set(), record.MaxTrackers+2)
	}, listening)
}

func TestAListOfTheFutureIsPassedOverWithoutBlame(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 1)
		s, err := record.SignTrackers(keyOf(9), record.Trackers{Sequence: 9, Issued: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		w.runs(first, lists(s.Bytes(), asked))
		w.requireUp(first)
		synctest.Wait()
		require.Len(t, asked, 1)
		require.False(t, w.state(first).Down(time.Now()))
	}, listening)
}

func TestWithoutAKeyNobodyIsAskedForAList(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		asked := make(chan uint64, 1)
		w.runs(first, lists(listOf(t, 9, 7, peerOf(4)), asked))
		w.requireUp(first)
		synctest.Wait()
		require.Empty(t, asked)
	})
}

func TestConnectionsToTrackersAreHeldWhileSomethingIsAtStake(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		announce := func(ns record.Namespace, change ...func(*record.Record)) {
			refused, err := w.Announce(ctx, first, recordOf(t, 1, ns, change...).Bytes())
			require.NoError(t, err)
			require.Nil(t, refused)
		}
		w.runs(first, honest())
		w.requireUp(first)
		require.Zero(t, w.holdsNow(), "a question is nothing to hold on to")

		announce("photos")
		announce("films")
		require.Equal(t, map[string]int{first.String() + " under souk-tracker": 1}, w.holds)
		announce("photos", func(r *record.Record) { r.TTL = 0 })
		require.Equal(t, 1, w.holdsNow())
		announce("films", func(r *record.Record) { r.TTL = 0 })
		require.Zero(t, w.holdsNow())

		announce("photos")
		time.Sleep(record.DefaultTTL - time.Minute)
		_, err := w.Touch(ctx, first, []wire.Touched{{Namespace: "photos", Sequence: 1}})
		require.NoError(t, err)
		time.Sleep(record.DefaultTTL - time.Minute)
		require.Equal(t, 1, w.holdsNow())
		time.Sleep(2 * time.Minute)
		require.Zero(t, w.holdsNow(), "the row has ended")

		cancel, ended := w.subscribes(nothing)
		require.Equal(t, 1, w.holdsNow())
		cancel()
		<-ended
		require.Zero(t, w.holdsNow())
		announce("photos")
	})
}

func TestARowThatTheTrackerHasLostIsNoStake(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			c.answer(c.next())
			c.say(&wire.Receipt{ID: idOf(c.next()), Refusals: []wire.Refusal{{Code: wire.CodeUnknownRow}}})
			silent(c)
		})
		ctx := context.Background()
		_, err := w.Announce(ctx, first, recordOf(t, 1, "photos").Bytes())
		require.NoError(t, err)
		require.Equal(t, 1, w.holdsNow())
		_, err = w.Touch(ctx, first, []wire.Touched{{Namespace: "photos", Sequence: 1}})
		require.NoError(t, err)
		require.Zero(t, w.holdsNow())
	})
}

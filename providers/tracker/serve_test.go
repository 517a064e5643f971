package tracker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

func TestWhoAnnouncesIsFoundUntilItWithdraws(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		r := alice.announces("photos")
		reply := bob.asks(about("photos"))
		require.Equal(t, r.Bytes(), reply.Rows[0].Record)
		require.Equal(t, record.AddrSet(1), reply.Rows[0].Verified)
		require.NotEmpty(t, reply.Token)
		require.Empty(t, alice.finds(about("photos")), "nobody is told of itself")
		alice.announces("photos", withdrawn)
		require.Empty(t, bob.finds(about("photos")))
		alice.announces("nothing", withdrawn)
	})
}

func TestWhatWasAnnouncedOutlivesTheStreamAndEndsWithItsTime(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		alice.announces("photos")
		require.NoError(t, alice.hangUp())
		time.Sleep(time.Hour - 2*time.Second)
		require.Len(t, s.connect(2).finds(about("photos")), 1)
		time.Sleep(2 * time.Second)
		require.Empty(t, s.connect(2).finds(about("photos")))
		require.Zero(t, s.stat().Table.Namespaces)
	})
}

func TestATouchKeepsWhatIsThereAndNamesWhatIsNot(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		a, b := alice.announces("a"), alice.announces("b")
		old := a
		a = alice.announces("a")
		time.Sleep(20 * time.Second)
		require.Equal(t, []wire.Refusal{
			{Code: wire.CodeUnknownRow, Item: 0, Stored: a.Record().Sequence},
			{Code: wire.CodeUnknownRow, Item: 2},
		}, alice.touches(old, b, alice.signed("c")))
		require.Empty(t, alice.touches(a, b))
		time.Sleep(time.Hour - time.Second)
		require.Len(t, s.connect(2).finds(about("b")), 1)
		require.Len(t, s.connect(2).finds(about("a")), 1)
	})
}

func TestAPeerIsFoundAtTheAddressesThatItWasSeenAtAndNoThirdPartyIsNamed(t *testing.T) {
	relay := "/ip4/5.5.5.5/udp/1/quic-v1/p2p/" + idOf(9).String() + "/p2p-circuit"
	for _, c := range []struct {
		name, seen           string
		addrs                []string
		verified, unverified record.AddrSet
	}{
		{"its own", "/ip4/1.2.3.4/tcp/9", []string{"/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/udp/2/quic-v1"}, 0b11, 0},
		{"a victim's", "/ip4/1.2.3.4/tcp/9", []string{"/ip4/9.9.9.9/tcp/1", "/ip4/1.2.3.4/tcp/1"}, 0b10, 0},
		{"a relay, a name and the other family", "/ip4/1.2.3.4/tcp/9", []string{relay, "/dns4/a.example/tcp/1", "/ip6/2001:db8::1/tcp/1"}, 0, 0b111},
		{"private ones of somebody far away", "/ip4/1.2.3.4/tcp/9", []string{"/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"}, 0, 0},
		{"private ones of a neighbour", "/ip4/10.0.0.1/tcp/9", []string{"/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/127.0.0.1/tcp/1"}, 0b1, 0},
		{"loopback on loopback", "/ip4/127.0.0.1/tcp/9", []string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"}, 0b11, 0},
		{"all of somebody behind a relay", relay, []string{"/ip4/1.2.3.4/tcp/1", "/ip4/5.5.5.5/tcp/1", "/ip4/10.0.0.1/tcp/1"}, 0, 0b11},
		{"more unverified ones than are kept", "/ip4/1.2.3.4/tcp/9", []string{
			"/dns4/a.example/tcp/1", "/dns4/b.example/tcp/1", "/dns4/c.example/tcp/1", "/dns4/d.example/tcp/1", "/dns4/e.example/tcp/1",
		}, 0, 0b1111},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve(t, generous(), func(t *testing.T, s *service) {
				s.connectFrom(1, c.seen).announces("photos", at(c.addrs...))
				row := s.connect(2).asks(about("photos")).Rows[0]
				require.Equal(t, c.verified, row.Verified)
				require.Equal(t, c.unverified, row.Unverified)
			})
		})
	}
}

func TestAQueryFindsWideRowsAndNarrowOnesOfItsShard(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob, carol := s.connect(1), s.connect(2), s.connect(3)
		alice.announces("photos")
		bob.announces("photos", within(spans(0x10f0, 0x1110)))
		require.Equal(t, []peer.ID{alice.id, bob.id}, carol.finds(aboutPoint("photos", 0x10ff)))
		require.Equal(t, []peer.ID{alice.id, bob.id}, carol.finds(aboutPoint("photos", 0x1100)))
		require.Equal(t, []peer.ID{alice.id}, carol.finds(aboutPoint("photos", 0x1111)))
		require.Equal(t, []peer.ID{alice.id}, carol.finds(about("photos")))
	})
}

func TestAQueryNamesAKeyOrRolesAndGetsOnlyThose(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob, carol := s.connect(1), s.connect(2), s.connect(3)
		alice.announces("names", func(r *record.Record) { r.Keys = keys(recordKeys("a", "m")) })
		bob.announces("names", func(r *record.Record) { r.Roles = record.Blocks | record.Sync })
		key := about("names")
		key.Key = []byte("k")
		require.ElementsMatch(t, []peer.ID{alice.id, bob.id}, carol.finds(key))
		key.Key = []byte("z")
		require.Equal(t, []peer.ID{bob.id}, carol.finds(key))
		roles := about("names")
		roles.Roles = record.Sync
		require.Equal(t, []peer.ID{bob.id}, carol.finds(roles))
		roles.Roles = 1 << 40
		require.Empty(t, carol.finds(roles))
	})
}

func TestFeedbackCountsWithTheTokenOfTheReply(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		alice.announces("photos")
		reply := bob.asks(about("photos"))
		require.Equal(t, wire.ScoreNew, reply.Rows[0].Score)
		say := func(token []byte, o wire.Outcome) wire.Score {
			bob.send(&wire.Feedback{Token: token, Peers: []wire.Judgement{{Peer: alice.id, Outcome: o}}})
			return bob.asks(about("photos")).Rows[0].Score
		}
		require.Equal(t, wire.ScoreNew, say([]byte("nonsense"), wire.OutcomeServed))
		require.Equal(t, wire.ScoreGood, say(reply.Token, wire.OutcomeServed))
		require.Equal(t, wire.ScoreGood, say(reply.Token, wire.OutcomeDead), "one voice for a network")
		require.EqualValues(t, 1, s.stat().Table.Refused[RefusedUnknown])
	})
}

func TestAStreamOnWhichNothingIsSaidEndsInOrder(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		began := time.Now()
		require.NoError(t, alice.ended())
		require.Equal(t, wire.Idle, time.Since(began))
		require.Zero(t, s.stat().Streams)
	})
}

func TestAStreamStaysWhileItHasASubscription(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		a, b := alice.subscribes(about("a")), alice.subscribes(about("b"))
		time.Sleep(time.Hour)
		require.Equal(t, 1, s.stat().Streams)
		alice.send(&wire.Unsubscribe{ID: a})
		time.Sleep(time.Hour)
		require.Equal(t, 1, s.stat().Streams)
		alice.send(&wire.Unsubscribe{ID: b})
		began := time.Now()
		require.NoError(t, alice.ended())
		require.Equal(t, wire.Idle, time.Since(began))
		require.Zero(t, s.stat().Table.Watches)
	})
}

func TestTheEndOfAStreamEndsItsSubscriptions(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		alice.subscribes(about("a"))
		require.Equal(t, 1, s.stat().Table.Watches)
		require.NoError(t, alice.hangUp())
		require.Zero(t, s.stat().Table.Watches)
		bob := s.connect(2)
		bob.subscribes(about("a"))
		bob.vanish()
		bob.ended()
		require.Zero(t, s.stat().Table.Watches+s.stat().Streams)
	})
}

func TestRequestsThatWereReadAreAnsweredWhenTheClientEndsItsSide(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		go func() {
			frame, _ := wire.AppendFrame(nil, &wire.Query{ID: 1, About: about("a"), K: 8})
			frame, _ = wire.AppendFrame(frame, &wire.Query{ID: 2, About: about("a"), K: 8})
			_, _ = alice.up.Write(frame)
			_ = alice.up.Close()
		}()
		require.Equal(t, &wire.Reply{ID: 1}, alice.next())
		require.Equal(t, &wire.Reply{ID: 2}, alice.next())
		require.NoError(t, alice.ended())
	})
}

func TestASubscriberIsToldWithinASecondOfWhatItAskedAbout(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob, carol := s.connect(1), s.connect(2), s.connect(3)
		all, part := alice.subscribes(about("photos")), alice.subscribes(aboutPoint("photos", 0x1000))
		began := time.Now()
		bob.announces("photos")
		notices := map[wire.RequestID]*wire.Notify{}
		for range 2 {
			n := alice.notice()
			notices[n.ID] = n
		}
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.Equal(t, []peer.ID{bob.id}, announcers(t, notices[all].Rows))
		require.Equal(t, []peer.ID{bob.id}, announcers(t, notices[part].Rows))
		alice.announces("photos")
		carol.announces("photos", within(spans(0x1000, 0x1010)))
		n := alice.notice()
		require.Equal(t, part, n.ID)
		require.Equal(t, []peer.ID{carol.id}, announcers(t, n.Rows), "and not of itself")
		require.Empty(t, bob.touches(bob.announces("other")))
	})
}

func TestANoticeAndAnAnswerDoNotMixOnTheStream(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		alice.subscribes(about("photos"))
		bob.announces("photos")
		time.Sleep(2 * time.Second) // The notice is being written, and nobody reads.
		go alice.send(&wire.Query{ID: 99, About: about("photos"), K: 8})
		require.Equal(t, []peer.ID{bob.id}, announcers(t, alice.notice().Rows))
		require.Equal(t, wire.RequestID(99), alice.next().(*wire.Reply).ID)
	})
}

func TestASlowReaderOfNoticesIsToldThatThereIsMore(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		alice.subscribes(about("photos"))
		other := alice.subscribes(about("other"))
		for n := range 3 { // The first is being written, the second waits, the third is more.
			s.connect(10 + n).announces("photos")
			time.Sleep(1100 * time.Millisecond)
		}
		s.connect(20).announces("other")
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, []peer.ID{idOf(10)}, announcers(t, alice.notice().Rows))
		second := alice.notice()
		require.Equal(t, []peer.ID{idOf(11)}, announcers(t, second.Rows))
		require.True(t, second.More)
		require.Equal(t, &wire.Notify{ID: other, More: true}, alice.notice())
		require.Len(t, alice.finds(about("photos")), 3)
	})
}

func TestAReaderThatStopsLosesItsStreamAndHoldsUpNobody(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		alice.subscribes(about("photos"))
		for range 40 {
			bob.announces("photos")
			time.Sleep(time.Second)
		}
		require.Error(t, alice.ended())
		require.Equal(t, 1, s.stat().Streams)
	})
}

func TestANoticeHoldsWhatFitsAndSaysThatThereIsMore(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		id := alice.subscribes(about("photos"))
		for n := range 60 {
			c := s.connect(100 + n)
			c.announces("photos", func(r *record.Record) {
				for i := range 10 {
					r.Addrs = append(r.Addrs, r.Addrs[i])
				}
			})
		}
		n := alice.notice()
		require.Equal(t, id, n.ID)
		require.True(t, n.More)
		require.NotEmpty(t, n.Rows)
		require.LessOrEqual(t, sizeOf(n.Rows), smallFrame)
	})
}

func TestStreamsAreBoundedForAPeerAndForAll(t *testing.T) {
	cfg := generous()
	cfg.Limits.Streams = 6
	serve(t, cfg, func(t *testing.T, s *service) {
		streams := make([]*client, 5)
		for i := range streams {
			streams[i] = s.connect(1)
			synctest.Wait()
		}
		require.ErrorIs(t, streams[4].ended(), ErrBusy)
		require.NoError(t, streams[0].hangUp())
		for n := range 3 {
			s.connect(2 + n).announces("photos")
		}
		require.ErrorIs(t, s.connect(9).ended(), ErrBusy)
		stat := s.stat()
		require.EqualValues(t, 1, stat.StreamsOfPeer)
		require.EqualValues(t, 1, stat.StreamsOfAll)
		require.Equal(t, 6, stat.Streams)
	})
}

func TestATrackerThatStopsEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startService(t, generous())
		alice, bob := s.connect(1), s.connect(2)
		alice.subscribes(about("photos"))
		bob.announces("photos")
		s.stop()
		require.Error(t, alice.ended())
		require.Error(t, bob.ended())
		require.Error(t, s.connect(3).ended())
		require.Zero(t, s.tracker.Stat(t.Context()))
	})
}

func TestTheListOfTrackersIsHandedOutToWhoHasAnOlderOne(t *testing.T) {
	list, err := record.SignTrackers(keyOf(7), record.Trackers{
		List: []record.Tracker{{Peer: idOf(8)}}, Sequence: 5, Issued: time.Now(),
	})
	require.NoError(t, err)
	cfg := generous()
	cfg.List = list.Bytes()
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		for known, want := range map[uint64][]byte{0: list.Bytes(), 4: list.Bytes(), 5: nil, 6: nil} {
			alice.send(&wire.GetTrackers{ID: 1, Known: known})
			require.Equal(t, &wire.Trackers{ID: 1, Signed: want}, alice.next(), known)
		}
	})
}

func TestALongAnswerIsCutWhenManyAreBeingWritten(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		for n := range 64 {
			s.connect(100+n).announces("photos", at(manyAddrs(from(100+n).String())...))
		}
		alice := s.connect(1)
		ask := func() *wire.Reply {
			alice.send(&wire.Query{ID: 1, About: about("photos"), K: 64})
			return alice.next().(*wire.Reply)
		}
		whole := ask()
		require.Len(t, whole.Rows, 64)
		require.Greater(t, sizeOf(whole.Rows), smallFrame)
		synctest.Wait()
		for range longFrames {
			require.True(t, s.tracker.mayWriteLong())
		}
		cut := ask()
		require.NotEmpty(t, cut.Rows)
		require.LessOrEqual(t, sizeOf(cut.Rows), smallFrame)
		require.EqualValues(t, 1, s.stat().Squeezed)
	})
}

func manyAddrs(ip string) (addrs []string) {
	for i := range record.MaxAddrs {
		addrs = append(addrs, fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", ip, 4001+i))
	}
	return addrs
}

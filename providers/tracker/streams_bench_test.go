package tracker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// bare is a stream of libp2p as it is.
type bare struct{ network.Stream }

func (b bare) Peer() peer.ID               { return b.Conn().RemotePeer() }
func (b bare) Remote() multiaddr.Multiaddr { return b.Conn().RemoteMultiaddr() }
func (b bare) SetIdle(time.Duration)       {}
func (b bare) Reset()                      { _ = b.Stream.Reset() }

func newHost(b *testing.B) host.Host {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	require.NoError(b, err)
	b.Cleanup(func() { _ = h.Close() })
	return h
}

// streamTo connects a host of its own to a tracker's and opens a stream.
func streamTo(b *testing.B, to host.Host) network.Stream {
	h := newHost(b)
	require.NoError(b, h.Connect(b.Context(), peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}))
	st, err := h.NewStream(b.Context(), to.ID(), protocol.ID(wire.Protocol))
	require.NoError(b, err)
	return st
}

// thousand fills a namespace of a tracker that has not started.
func thousand(b *testing.B, t *Tracker) {
	now := time.Now()
	for n := range 1000 {
		c := &client{t: b, key: keyOf(n), where: fmt.Sprintf("/ip4/%s/udp/4001/quic-v1", from(n)), s: &service{}}
		s := c.signed("photos")
		v := t.table.Announce(now, announcementOf(s, from(n)))
		require.Equal(b, Verdict{}, v)
	}
}

// BenchmarkQueriesThroughStreams has eight hosts ask a tracker over loopback, each
// with so many queries on their way.
func BenchmarkQueriesThroughStreams(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(fmt.Sprintf("window %d", window), func(b *testing.B) {
			tracker, err := New(Config{Limits: Limits{PeerRate: free, PrefixRate: free}, Seed: 1})
			require.NoError(b, err)
			thousand(b, tracker)
			tracker.Start()
			b.Cleanup(func() { _ = tracker.Stop(context.Background()) })
			served := newHost(b)
			served.SetStreamHandler(wire.Protocol, func(st network.Stream) {
				_ = tracker.Serve(b.Context(), bare{st})
				_ = st.Reset()
			})
			const hosts = 8
			streams := make([]network.Stream, hosts)
			for i := range streams {
				streams[i] = streamTo(b, served)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for i, st := range streams {
				all.Go(func() { askMuch(b, st, (b.N+i)/hosts, window) })
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
			b.ReportMetric(float64(tracker.Busy())/float64(b.Elapsed()), "busy")
		})
	}
}

// askMuch makes n queries, window of them at once.
func askMuch(b *testing.B, st network.Stream, n, window int) {
	in := wire.NewReader(st, wire.Tracker)
	p := record.Point(0x1234)
	room := make(chan struct{}, window)
	go func() {
		for i := range n {
			room <- struct{}{}
			frame, _ := wire.AppendFrame(nil, &wire.Query{ID: wire.RequestID(i + 1), About: wire.About{Namespace: "photos", Point: &p}, K: 8})
			if _, err := st.Write(frame); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	for range n {
		m, err := in.Next()
		if err != nil {
			b.Error(err)
			return
		}
		if r := m.(*wire.Reply); len(r.Rows) != 8 {
			b.Errorf("%d rows", len(r.Rows))
			return
		}
		<-room
	}
}

// BenchmarkAnnouncementsThroughServe has a peer announce without a network, with
// all that a signature costs.
func BenchmarkAnnouncementsThroughServe(b *testing.B) {
	tracker, err := New(Config{Limits: Limits{PeerRate: free, PrefixRate: free}, Seed: 1})
	require.NoError(b, err)
	tracker.Start()
	b.Cleanup(func() { _ = tracker.Stop(context.Background()) })
	s := &service{t: b, tracker: tracker}
	c := s.connect(1)
	frames := make([][]byte, b.N)
	for i := range frames {
		frames[i], err = wire.AppendFrame(nil, &wire.Announce{ID: 1, Record: c.signed("photos").Bytes()})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, f := range frames {
		c.raw(f)
		c.next()
	}
}

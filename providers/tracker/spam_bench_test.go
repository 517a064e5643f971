package tracker

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

// BenchmarkQueriesBesideSpam has b.N announcements of spam made through streams, as
// fast as the tracker takes them, by 64 peers in 16 networks, and one honest peer
// ask a hundred times a second beside them. Rates are off: with them spam waits in
// its own streams, and no more than 512 a second of it comes through.
//
//	go test -run '^$' -bench BesideSpam -benchtime 10000000x ./providers/tracker
func BenchmarkQueriesBesideSpam(b *testing.B) {
	const spammers, networks = 64, 16
	s := startService(b, Config{Limits: Limits{TableBytes: 32 << 20, PeerRate: free, PrefixRate: free}, Seed: 1})
	thousandMore(b, s)
	var all sync.WaitGroup
	frames := make([][][]byte, spammers)
	for i := range frames {
		frames[i] = spamOf(b, s, i, fmt.Sprintf("/ip4/198.51.%d.%d/udp/4001/quic-v1", i%networks, i+1))
	}
	b.ResetTimer()
	done := make(chan struct{})
	for i := range spammers {
		where := fmt.Sprintf("/ip4/198.51.%d.%d/udp/4001/quic-v1", i%networks, i+1)
		c := s.connectFrom(1<<20+i, where)
		go func() { _, _ = io.Copy(io.Discard, c.down) }() // Receipts.
		all.Go(func() {
			for n := range (b.N + i) / spammers {
				if _, err := c.up.Write(frames[i][n%len(frames[i])]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	took := honestly(b, s, done)
	b.StopTimer()
	slices.Sort(took)
	stat := s.tracker.Stat(context.Background())
	require.LessOrEqual(b, stat.Table.Bytes, s.tracker.table.limits.TableBytes)
	require.NotEmpty(b, took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "spam/s")
	b.ReportMetric(float64(stat.Table.Bytes)/float64(1<<20), "MiB")
	b.ReportMetric(float64(stat.Table.Refused[RefusedRate]+stat.Table.Refused[RefusedPrefixRate])/float64(b.N), "refused/op")
}

// thousandMore has honest peers announce.
func thousandMore(b *testing.B, s *service) {
	for n := range 1000 {
		c := s.connect(n)
		_, err := c.up.Write(frameOf(b, &wire.Announce{ID: 1, Record: c.signed("photos").Bytes()}))
		require.NoError(b, err)
		_, err = c.in.Next()
		require.NoError(b, err)
		c.vanish()
	}
}

func frameOf(b *testing.B, m wire.Message) []byte {
	frame, err := wire.AppendFrame(nil, m)
	require.NoError(b, err)
	return frame
}

// spamOf are announcements of many namespaces by one peer, half of which are those
// of others.
func spamOf(b *testing.B, s *service, i int, where string) (all [][]byte) {
	c := &client{t: b, key: keyOf(1<<20 + i), where: where, s: s}
	for n := range 100 {
		namespace := fmt.Sprint("spam ", i, n)
		if n%2 == 0 {
			namespace = "photos"
		}
		all = append(all, frameOf(b, &wire.Announce{ID: 1, Record: c.signed(namespace).Bytes()}))
	}
	return all
}

// honestly asks until done is closed, and returns how long each answer took.
func honestly(b *testing.B, s *service, done <-chan struct{}) (took []time.Duration) {
	asker := 0
	clock := time.NewTicker(10 * time.Millisecond)
	defer clock.Stop()
	c := s.connect(1<<21 + asker)
	question := frameOf(b, &wire.Query{ID: 1, About: wire.About{Namespace: "photos"}, K: 8})
	for {
		if len(took)%50 == 49 { // One peer may ask ten times a second.
			c.vanish()
			asker++
			c = s.connect(1<<21 + asker)
		}
		begin := time.Now()
		_, err := c.up.Write(question)
		require.NoError(b, err)
		m, err := c.in.Next()
		require.NoError(b, err)
		reply := m.(*wire.Reply)
		require.Nil(b, reply.Refusal)
		require.Len(b, reply.Rows, 8)
		took = append(took, time.Since(begin))
		select {
		case <-done:
			return took
		case <-clock.C:
		}
	}
}

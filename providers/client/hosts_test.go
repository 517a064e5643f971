package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
	"github.com/souk-p2p/souk/test/sim"
)

var link = sim.Link{RoundTrip: 40 * time.Millisecond, Bandwidth: 100_000_000}

// asking is a client and a tracker that has a row, in virtual time.
func asking(t *testing.T, f func(t *testing.T, w *sim.World, from, tracker *sim.Carrier, c *client.Client)) {
	sim.Run(t, func(w *sim.World) {
		from, tracker := w.Carrier(link), w.Carrier(link)
		key := tracker.Peerstore().PrivKey(tracker.ID())
		row, err := record.Sign(key, record.Record{
			Namespace: "photos", Sequence: 1, Issued: time.Now(), TTL: record.DefaultTTL, Addrs: tracker.Addrs(),
		})
		require.NoError(t, err)
		tracker.Net.HandleDuplex(wire.Protocol, func(_ context.Context, d *network.Duplex) error {
			return answer(d, wire.Row{Record: row.Bytes(), Verified: 1})
		})
		c := client.New(client.Config{
			Network: client.Over(from.Net), Self: from.ID(),
			Pinned: []peer.AddrInfo{{ID: tracker.ID(), Addrs: tracker.Addrs()}},
		})
		c.Start()
		defer w.Start(from)()
		defer w.Start(tracker)()
		f(t, w, from, tracker, c)
		require.NoError(t, c.Stop(context.Background()))
	})
}

// answer answers the queries of a stream.
func answer(d *network.Duplex, row wire.Row) error {
	for in := wire.NewReader(d, wire.Client); ; {
		m, err := in.Next()
		if err != nil {
			return err
		}
		frame, err := wire.AppendFrame(nil, &wire.Reply{ID: m.(*wire.Query).ID, Rows: []wire.Row{row}})
		if err != nil {
			return err
		}
		if _, err := d.Write(frame); err != nil {
			return err
		}
	}
}

// takes is how long a query takes.
func takes(t *testing.T, c *client.Client, tracker *sim.Carrier) time.Duration {
	t.Helper()
	start := time.Now()
	reply, err := c.Query(context.Background(), tracker.ID(), wire.Query{About: wire.About{Namespace: "photos"}, K: 8})
	require.NoError(t, err)
	require.Len(t, reply.Rows, 1)
	return time.Since(start)
}

func TestAQueryOnAnOpenConnectionTakesOneRoundTrip(t *testing.T) {
	asking(t, func(t *testing.T, w *sim.World, from, tracker *sim.Carrier, c *client.Client) {
		w.Connect(from.Node, tracker.Node)
		time.Sleep(time.Second)
		const most = 45 * time.Millisecond // one round trip of 40 ms and the bytes
		require.Less(t, takes(t, c, tracker), most, "without a stream")
		require.Less(t, takes(t, c, tracker), most, "on the open stream")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, streams(tracker), "nothing is left of the stream")
		require.Less(t, takes(t, c, tracker), most, "on another")
	})
}

// streams are those to a tracker.
func streams(tracker *sim.Carrier) []string {
	var open []string
	for _, conn := range tracker.Network().Conns() {
		for _, s := range conn.GetStreams() {
			if s.Protocol() == wire.Protocol {
				open = append(open, s.ID())
			}
		}
	}
	return open
}

func TestAQueryConnectsAndALostConnectionIsNoticed(t *testing.T) {
	asking(t, func(t *testing.T, w *sim.World, from, tracker *sim.Carrier, c *client.Client) {
		takes(t, c, tracker)
		require.Zero(t, c.Trackers()[0].Lost)
		require.InDelta(t, 42, c.Trackers()[0].Latency.Milliseconds(), 3)
		w.Disconnect(tracker.Node, from.Node)
		time.Sleep(time.Second)
		require.EqualValues(t, 1, c.Trackers()[0].Lost)
		time.Sleep(time.Second)
		takes(t, c, tracker)
		time.Sleep(time.Minute)
		w.Disconnect(tracker.Node, from.Node)
		time.Sleep(time.Second)
		require.EqualValues(t, 2, c.Trackers()[0].Lost, "without a stream, too")
	})
}

func TestANodeThatIsNoTrackerIsDown(t *testing.T) {
	asking(t, func(t *testing.T, _ *sim.World, from, tracker *sim.Carrier, _ *client.Client) {
		c := client.New(client.Config{
			Network: client.Over(tracker.Net), Self: tracker.ID(),
			Pinned: []peer.AddrInfo{{ID: from.ID(), Addrs: from.Addrs()}},
		})
		c.Start()
		_, err := c.Query(context.Background(), from.ID(), wire.Query{About: wire.About{Namespace: "photos"}})
		require.ErrorIs(t, err, network.ErrNotConnected)
		state := c.Trackers()[0]
		require.True(t, state.Down(time.Now()))
		require.Zero(t, state.Lost)
		require.NoError(t, c.Stop(context.Background()))
	})
}

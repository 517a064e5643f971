package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/resolver/server"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/sim"
)

var link = sim.Link{RoundTrip: 40 * time.Millisecond, Bandwidth: 100_000_000}

// value is what every key of two bytes stands for.
func value(key string) []byte { return bytes.Repeat([]byte(key), 1<<19) }

// serving has a server and askers on streams of real networks, in virtual time.
func serving(t *testing.T, askers int, f func(t *testing.T, s *server.Server, at *sim.Carrier, from []*sim.Carrier)) {
	sim.Run(t, func(w *sim.World) {
		s, err := server.New(server.Config{
			KeySize: 2, Produce: func(_ context.Context, key string) ([]byte, error) { return value(key), nil },
			Fail: func(err error) { t.Errorf("the actor broke: %v", err) },
		})
		require.NoError(t, err)
		s.Start()
		at := w.Carrier(link)
		at.Net.HandleDuplex(wire.Protocol, func(ctx context.Context, d *network.Duplex) error { return s.Serve(ctx, d) })
		defer w.Start(at)()
		var from []*sim.Carrier
		for range askers {
			c := w.Carrier(link)
			defer w.Start(c)()
			from = append(from, c)
		}
		defer func() { require.NoError(t, s.Stop(context.Background())) }()
		f(t, s, at, from)
	})
}

func open(t *testing.T, from, to *sim.Carrier) *network.Duplex {
	t.Helper()
	d, err := from.Net.OpenDuplex(context.Background(), peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}, wire.Protocol)
	require.NoError(t, err)
	return d
}

func ask(d *network.Duplex, m *wire.Request) error {
	frame, err := wire.AppendFrame(nil, m)
	if err == nil {
		_, err = d.Write(frame)
	}
	return err
}

// gather fetches a value in parts, as many at a time as there are.
func gather(d *network.Duplex, key string) ([]byte, error) {
	in := wire.NewAnswers(d)
	if err := ask(d, &wire.Request{ID: 1, Key: key}); err != nil {
		return nil, err
	}
	m, err := in.Next()
	if err != nil {
		return nil, err
	}
	first := m.(*wire.Response)
	got := make([][]byte, first.Parts.Count())
	got[0] = first.Data
	for i := 1; i < len(got); i++ {
		if err := ask(d, &wire.Request{ID: wire.ID(1 + i), Key: key, Part: i, List: first.Parts.List()}); err != nil {
			return nil, err
		}
	}
	for range len(got) - 1 {
		m, err := in.Next()
		if err != nil {
			return nil, err
		}
		i := int(m.Number()) - 1
		r, ok := m.(*wire.Response)
		if !ok || !first.Parts.Holds(i, r.Data) {
			return nil, fmt.Errorf("part %d: %v", i, m)
		}
		got[i] = r.Data
	}
	return bytes.Join(got, nil), nil
}

func TestValuesAreServedOverStreams(t *testing.T) {
	serving(t, 4, func(t *testing.T, s *server.Server, at *sim.Carrier, from []*sim.Carrier) {
		done := make(chan error)
		for i, c := range from {
			d := open(t, c, at)
			go func() {
				key := fmt.Sprintf("k%d", i)
				got, err := gather(d, key)
				if err == nil && !bytes.Equal(got, value(key)) {
					err = errors.New("another value")
				}
				if err == nil {
					err = d.CloseWrite()
				}
				if err == nil {
					if _, err = d.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
						err = nil
					}
				}
				done <- errors.Join(err, d.Close())
			}()
		}
		for range from {
			require.NoError(t, <-done)
		}
		synctest.Wait()
		stat := s.Stat(context.Background())
		require.Zero(t, stat.Streams+stat.Unread)
		require.EqualValues(t, 4, stat.Outcomes[server.OutcomeValue])
		require.EqualValues(t, 12, stat.Outcomes[server.OutcomePart])
	})
}

// A stream is idle, then asked on, then idle until it ends; in between the peer waits.
func TestAnIdleStreamEndsInOrder(t *testing.T) {
	serving(t, 1, func(t *testing.T, s *server.Server, at *sim.Carrier, from []*sim.Carrier) {
		d := open(t, from[0], at)
		for id := range wire.ID(2) {
			require.NoError(t, ask(d, &wire.Request{ID: id + 1, Key: "kk", Part: 0}))
			_, err := wire.NewAnswers(d).Next()
			require.NoError(t, err)
			time.Sleep(wire.Idle - time.Second)
		}
		require.Equal(t, 1, s.Stat(context.Background()).Streams)
		_, err := d.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		d.Reset()
		synctest.Wait()
		require.Zero(t, s.Stat(context.Background()).Streams)
	})
}

// A peer that asks and never reads is rid of by the network; another is served.
func TestAStreamThatIsNotReadIsReset(t *testing.T) {
	serving(t, 2, func(t *testing.T, s *server.Server, at *sim.Carrier, from []*sim.Carrier) {
		silent := open(t, from[0], at)
		for id := range wire.ID(40) {
			require.NoError(t, ask(silent, &wire.Request{ID: id + 1, Key: fmt.Sprintf("%02d", id)}))
		}
		got, err := gather(open(t, from[1], at), "kk")
		require.NoError(t, err)
		require.True(t, bytes.Equal(value("kk"), got))
		require.LessOrEqual(t, s.Stat(context.Background()).Unread, 3<<20)
		time.Sleep(5 * time.Minute)
		stat := s.Stat(context.Background())
		require.Zero(t, stat.Streams+stat.Unread+stat.Waiting)
		silent.Reset()
	})
}

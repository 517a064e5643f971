package network

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/message"
)

const talk = protocol.ID("/talk")

// served gives the streams that peers open on the protocol talk. What is sent on
// over ends the one that came last.
func served(n *node) (streams <-chan *Duplex, over chan<- error) {
	came, done := make(chan *Duplex, 16), make(chan error)
	n.HandleDuplex(talk, func(ctx context.Context, d *Duplex) error {
		came <- d
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return came, done
}

func openTo(t testing.TB, from *node, to host.Host) *Duplex {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	d, err := from.OpenDuplex(ctx, peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}, talk)
	require.NoError(t, err)
	return d
}

// talking is a stream between two nodes in virtual time, as seen from both.
func talking(t *testing.T, f func(t *testing.T, a, b *node, from, at *Duplex)) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a, b := startNode(t, ha), startNode(t, hb)
		streams, _ := served(b)
		from := openTo(t, a, hb)
		writeAll(t, from, frames.Append(nil, []byte("hello")))
		at := <-streams
		requireFrame(t, at, "hello")
		f(t, a, b, from, at)
	})
}

func requireFrame(t testing.TB, r io.Reader, want string) {
	t.Helper()
	body, err := frames.Read(bufio.NewReaderSize(oneByOne{r}, 16), 1<<20, nil)
	require.NoError(t, err)
	require.Equal(t, want, string(body))
}

// oneByOne reads no more than is asked for, so that a frame can be read without
// the next.
type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func read(d *Duplex) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, d)
		ended <- err
	}()
	return ended
}

func TestBothSidesOfADuplexWriteWhenTheyLike(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	const count, size = 50, 100_000
	body := bytes.Repeat([]byte("x"), size)
	b.HandleDuplex(talk, func(ctx context.Context, d *Duplex) error {
		if d.Peer() != a.host.ID() || d.Remote() == nil {
			return fmt.Errorf("%s at %s: another peer", d.Peer(), d.Remote())
		}
		return both(d, count, body)
	})
	d := openTo(t, a, b.host)
	require.NoError(t, both(d, count, body))
	require.NoError(t, d.CloseWrite())
	_, err := d.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, d.Close())
	b.until("everything is given back", func() bool {
		return b.Stat().Receiving+a.Stat().Receiving == 0 && b.Stat().Streams == 0 || b.noteLater()
	})
}

// both writes n frames and reads as many at the same time.
func both(d *Duplex, n int, body []byte) error {
	wrote := make(chan error, 1)
	go func() {
		for range n {
			if _, err := d.Write(frames.Append(nil, body)); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	in := bufio.NewReader(d)
	for range n {
		got, err := frames.Read(in, len(body), nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, body) {
			return fmt.Errorf("another frame of %d bytes", len(got))
		}
	}
	return <-wrote
}

func TestOpeningADuplexCostsNoRoundTrip(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a, b := startNode(t, ha), startNode(t, hb)
		b.HandleDuplex(talk, func(_ context.Context, d *Duplex) error {
			_, err := io.Copy(d, d)
			return err
		})
		dial(t, ha, hb)
		start := time.Now()
		d := openTo(t, a, hb)
		defer d.Reset()
		require.Zero(t, time.Since(start))
		writeAll(t, d, frames.Append(nil, []byte("ping")))
		requireFrame(t, d, "ping")
		require.Less(t, time.Since(start), 45*time.Millisecond, "one round trip of 40 ms and the bytes")
	})
}

func TestADuplexConnectsWithTheAddresses(t *testing.T) {
	a, b := startNode(t, newHost(t)), startNode(t, newHost(t))
	streams, _ := served(b)
	d := openTo(t, a, b.host)
	defer d.Reset()
	writeAll(t, d, []byte{0})
	receive(t, streams)
	_, err := a.OpenDuplex(context.Background(), peer.AddrInfo{ID: newHost(t).ID()}, talk)
	require.ErrorIs(t, err, ErrNotConnected)
	require.ErrorAs(t, err, new(*SendError))
}

func TestAPeerWithoutTheProtocolOfADuplexIsAnError(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		d := openTo(t, startNode(t, ha), hb)
		defer d.Reset()
		writeAll(t, d, frames.Append(nil, []byte("anybody?")))
		_, err := d.Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrNotConnected)
	})
	d := openTo(t, startNode(t, newHost(t)), newHost(t))
	defer d.Reset()
	writeAll(t, d, frames.Append(nil, []byte("anybody?")))
	_, err := d.Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrNotConnected)
}

func TestACutConnectionEndsBothSidesOfADuplex(t *testing.T) {
	talking(t, func(t *testing.T, a, b *node, from, at *Duplex) {
		here, there := read(from), read(at)
		require.NoError(t, a.host.Network().ClosePeer(b.host.ID()))
		require.ErrorIs(t, <-here, ErrReset)
		require.ErrorIs(t, <-there, ErrReset)
		_, err := from.Write([]byte{0})
		require.ErrorIs(t, err, ErrReset)
		require.Empty(t, b.allFaults())
	})
}

func TestStopEndsADuplexThatIsRead(t *testing.T) {
	t.Run("by who opened it", func(t *testing.T) {
		talking(t, func(t *testing.T, a, _ *node, from, at *Duplex) {
			here, there := read(from), read(at)
			a.stop()
			require.ErrorIs(t, <-here, ErrClosed)
			require.ErrorIs(t, <-there, ErrReset)
			_, err := a.OpenDuplex(context.Background(), peer.AddrInfo{ID: at.Peer()}, talk)
			require.ErrorIs(t, err, ErrClosed)
		})
	})
	t.Run("by who serves it", func(t *testing.T) {
		talking(t, func(t *testing.T, _, b *node, from, at *Duplex) {
			here, there := read(from), read(at)
			b.stop()
			require.ErrorIs(t, <-here, ErrReset)
			require.ErrorIs(t, <-there, ErrClosed)
		})
	})
}

func TestADuplexThatItsSinkEnds(t *testing.T) {
	for name, c := range map[string]struct{ sink, peer error }{
		"in order":       {nil, nil},
		"with an error":  {io.ErrClosedPipe, ErrReset},
		"behind the end": {io.EOF, nil},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T, ha, hb host.Host) {
				a, b := startNode(t, ha), startNode(t, hb)
				streams, over := served(b)
				d := openTo(t, a, hb)
				defer d.Reset()
				writeAll(t, d, []byte{0})
				writeAll(t, <-streams, frames.Append(nil, []byte("bye")))
				over <- c.sink
				ended := <-read(d)
				require.ErrorIs(t, ended, c.peer)
				require.Empty(t, b.allFaults())
			})
		})
	}
}

func TestAPanicOfADuplexSinkEndsTheStreamAndNothingElse(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a, b := startNode(t, ha), startNode(t, hb)
		b.HandleDuplex(talk, func(context.Context, *Duplex) error { panic("bug") })
		d := openTo(t, a, hb)
		defer d.Reset()
		writeAll(t, d, []byte{0})
		require.ErrorIs(t, <-read(d), ErrReset)
		require.EqualValues(t, 1, b.Stat().Panics)
		require.Zero(t, b.Stat().Streams)
	})
}

func TestADrippingFrameOfADuplexEndsInTime(t *testing.T) {
	drip := func(d *Duplex, first ...byte) <-chan error {
		refused := make(chan error, 1)
		go func() {
			for _, b := range append(first, make([]byte, 99)...) {
				if _, err := d.Write([]byte{b}); err != nil {
					refused <- err
					return
				}
				time.Sleep(10 * time.Second)
			}
			refused <- nil
		}()
		return refused
	}
	for name, length := range map[string][]byte{"in the body": {100}, "in the length": {0x80, 0x01}} {
		t.Run(name, func(t *testing.T) {
			talking(t, func(t *testing.T, a, b *node, from, at *Duplex) {
				start, ended, refused := time.Now(), read(at), drip(from, length...)
				var slow *message.FrameError
				require.ErrorAs(t, <-ended, &slow)
				require.Equal(t, message.FaultFrameSlow, slow.Fault)
				require.InDelta(t, 30, time.Since(start).Seconds(), 0.2)
				at.Reset()
				require.ErrorIs(t, <-refused, ErrReset)
			})
		})
	}
	t.Run("by who serves it", func(t *testing.T) {
		talking(t, func(t *testing.T, a, b *node, from, at *Duplex) {
			ended, refused := read(from), drip(at, 100)
			require.ErrorAs(t, <-ended, new(*message.FrameError))
			from.Reset()
			require.ErrorIs(t, <-refused, ErrReset)
		})
	})
}

func TestThePeerIsBlamedForAFaultThatTheSinkReturns(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		fault message.Fault
	}{
		"length over the limit": {[]byte{0x81, 0x80, 0x80, 0x02}, message.FaultFrameLength},
		"length is not minimal": {[]byte{0x81, 0x00}, message.FaultFrameLength},
		"cut short":             {[]byte{100, 1}, message.FaultFrameCut},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T, ha, hb host.Host) {
				a, b := startNode(t, ha), startNode(t, hb)
				b.HandleDuplex(talk, func(_ context.Context, d *Duplex) error {
					_, err := io.Copy(io.Discard, d)
					return fmt.Errorf("read: %w", err)
				})
				d := openTo(t, a, hb)
				defer d.Reset()
				writeAll(t, d, c.bytes)
				require.NoError(t, d.CloseWrite())
				b.until("the fault is counted", func() bool { return b.faults[c.fault] == 1 })
			})
		})
	}
}

func TestADuplexIsSilentForAsLongAsItMay(t *testing.T) {
	talking(t, func(t *testing.T, _, _ *node, from, at *Duplex) {
		for _, d := range []*Duplex{from, at} {
			ended := read(d)
			time.Sleep(10 * time.Minute)
			require.Empty(t, ended, "for ever is the default")
			d.SetIdle(time.Minute)
			time.Sleep(59 * time.Second)
			d.SetIdle(0)
			time.Sleep(10 * time.Minute)
			require.Empty(t, ended, "it was lifted in time")
			d.SetIdle(time.Minute)
			synctest.Wait()
			d.SetIdle(time.Minute)
			start := time.Now()
			require.ErrorIs(t, <-ended, ErrIdle)
			require.Equal(t, time.Minute, time.Since(start))
		}
	})
}

func TestWhatIsReadOfADuplexCountsUntilItIsReadOn(t *testing.T) {
	talking(t, func(t *testing.T, a, b *node, from, at *Duplex) {
		for _, d := range []struct{ writer, reader *Duplex }{{from, at}, {at, from}} {
			n := d.reader.n
			frame := frames.Append(nil, make([]byte, 200_000))
			wrote := make(chan error, 1)
			go func() { _, err := d.writer.Write(frame); wrote <- err }()
			_, err := io.ReadFull(d.reader, make([]byte, len(frame)))
			require.NoError(t, err)
			require.NoError(t, <-wrote)
			require.EqualValues(t, 200_000, (n.Stat().Receiving+500)/1000*1000, "but for what was read ahead")
			ended := read(d.reader)
			time.Sleep(time.Second)
			require.Zero(t, n.Stat().Receiving)
			d.reader.SetIdle(time.Nanosecond)
			<-ended
		}
	})
}

func TestAResetGivesBackWhatAnUnfinishedFrameTook(t *testing.T) {
	talking(t, func(t *testing.T, a, b *node, from, at *Duplex) {
		writeAll(t, at, frames.Append(nil, make([]byte, 200_000))[:100_000])
		_, err := io.ReadFull(from, make([]byte, 100_000))
		require.NoError(t, err)
		require.NotZero(t, a.Stat().Receiving)
		from.Reset()
		time.Sleep(time.Second)
		require.Zero(t, a.Stat().Receiving)
		require.Empty(t, a.budget.accounts)
		_, err = from.Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrReset)
	})
}

func TestAPeerThatReadsNothingOfADuplexIsSlow(t *testing.T) {
	talking(t, func(t *testing.T, _, _ *node, from, _ *Duplex) {
		start := time.Now()
		var err error
		for err == nil && time.Since(start) < time.Hour {
			_, err = from.Write(frames.Append(nil, make([]byte, 64<<10)))
		}
		require.ErrorIs(t, err, ErrSlow)
		require.Less(t, time.Since(start), time.Minute+allow64K)
		from.Reset()
	})
}

// allow64K is what the bytes of a frame of 64 KiB may take.
const allow64K = 8 * time.Second

func TestDuplexesCountTowardsTheStreamsOfTheirPeer(t *testing.T) {
	simulated(t, func(t *testing.T, ha, hb host.Host) {
		a, b := startNode(t, ha), startNode(t, hb, func(c *Config) { c.InboundStreams = 2 })
		b.HandleDuplex(talk, func(_ context.Context, d *Duplex) error {
			_, err := io.Copy(io.Discard, d)
			return err
		})
		var first *Duplex
		for range 3 {
			d := openTo(t, a, hb)
			defer d.Reset()
			writeAll(t, d, []byte{0})
			time.Sleep(2 * time.Second)
			if first == nil {
				first = d
			}
		}
		require.ErrorIs(t, <-read(first), ErrReset)
		require.Equal(t, 2, b.Stat().Streams)
		require.Equal(t, 1, b.allFaults()[message.FaultFlood])
	})
}

func TestFramesAreFollowedHoweverTheyArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 400), 0, 8).Draw(t, "sizes")
		var stream []byte
		inside := map[int]bool{} // by how much was read
		for _, size := range sizes {
			start := len(stream)
			stream = frames.Append(stream, make([]byte, size))
			for i := start + 1; i < len(stream); i++ {
				inside[i] = true
			}
		}
		f := framing{limit: 400}
		for read := 0; read < len(stream); {
			n := rapid.IntRange(1, len(stream)-read).Draw(t, "piece")
			require.NoError(t, f.pass(stream[read:read+n]))
			read += n
			require.Equal(t, inside[read], f.inside(), "after %d bytes", read)
		}
		require.Equal(t, len(sizes), int(f.frames))
		require.ErrorIs(t, f.pass(frames.Append(nil, make([]byte, 401))), ErrTooLarge)
	})
}

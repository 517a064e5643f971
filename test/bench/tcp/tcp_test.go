package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/sim"
)

// slowLink takes a million bytes a second, of which 100,000 are under way in a
// round trip.
var slowLink = sim.Link{RoundTrip: 100 * time.Millisecond, Bandwidth: 8_000_000}

// start carries what is written to the first end to the second.
func start(l sim.Link) (in, out net.Conn, ended <-chan error) {
	in, from := net.Pipe()
	to, out := net.Pipe()
	done := make(chan error, 1)
	go func() {
		err := carry(l, to, from)
		done <- errors.Join(err, to.Close(), from.Close())
	}()
	return in, out, done
}

func TestALinkDelaysAndThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100 * packetSize
		in, out, ended := start(slowLink)
		begin := time.Now()
		go func() {
			_, _ = in.Write(make([]byte, size))
			in.Close()
		}()
		_, err := out.Read(make([]byte, packetSize))
		require.NoError(t, err)
		require.Equal(t, slowLink.Serial(packetSize)+50*time.Millisecond, time.Since(begin))
		n, err := io.Copy(io.Discard, out)
		require.NoError(t, err)
		require.EqualValues(t, size-packetSize, n)
		require.InDelta(t, slowLink.Serial(size)+50*time.Millisecond, time.Since(begin), float64(time.Millisecond))
		require.NoError(t, <-ended)
	})
}

func TestALinkThatIsNotFullOnlyDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out, ended := start(slowLink)
		for range 3 {
			time.Sleep(time.Second)
			begin := time.Now()
			_, err := in.Write([]byte("little"))
			require.NoError(t, err)
			got := make([]byte, 6)
			_, err = io.ReadFull(out, got)
			require.NoError(t, err)
			require.Equal(t, "little", string(got))
			require.Equal(t, slowLink.Serial(6)+50*time.Millisecond, time.Since(begin))
		}
		require.NoError(t, in.Close())
		require.NoError(t, <-ended)
	})
}

func TestTheQueueOfALinkHoldsWhatIsUnderWayInARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out, ended := start(slowLink)
		var taken atomic.Int64
		go func() {
			for {
				n, err := in.Write(make([]byte, 1000))
				taken.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
		synctest.Wait() // No time has passed.
		require.Less(t, taken.Load(), int64(100_000+3*packetSize))

		// Nobody reads, so that the link fills, and no more.
		time.Sleep(time.Minute)
		require.Less(t, taken.Load(), int64(1_000_000))
		out.Close()
		require.Error(t, <-ended)
	})
}

func TestAClosedProxyLeavesNoConnection(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer echo.Close()
	go func() {
		c, err := echo.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		c.Close()
	}()
	p, err := newProxy(echo.Addr().String(), sim.Link{RoundTrip: 2 * time.Millisecond, Bandwidth: 1e8})
	require.NoError(t, err)
	c, err := net.Dial("tcp", p.addr().String())
	require.NoError(t, err)
	defer c.Close()
	begin := time.Now()
	_, err = c.Write([]byte("there and back"))
	require.NoError(t, err)
	got := make([]byte, 14)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, "there and back", string(got))
	require.GreaterOrEqual(t, time.Since(begin), 2*time.Millisecond)

	p.close()
	_, err = c.Read(got)
	require.Error(t, err)
	_, err = net.Dial("tcp", p.addr().String())
	require.Error(t, err)
}

// Every scenario is played once by all sides, small.
func TestEveryScenarioIsMeasured(t *testing.T) {
	figures := filepath.Join(t.TempDir(), "figures")
	t.Setenv(figure.File, figures)
	require.NoError(t, command(t.Context(), []string{
		"-mbps", "200", "-rtt", "4ms", "-runs", "1", "-size", "1", "-wants", "50", "-chain", "3", "-idle", "10ms",
	}))
	f, err := os.Open(figures)
	require.NoError(t, err)
	defer f.Close()
	rows, err := figure.Read(f)
	require.NoError(t, err)
	require.Len(t, rows, len(words())*len(allSides))
	for _, r := range rows {
		took, _ := r.Of("time")
		ideal, _ := r.Of("ideal")
		require.Greater(t, took, 0.9*ideal, "%+v", r)
	}
}

func TestSizesThatMeanNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-mbps", "0"}, {"-rtt", "-1s"}, {"-runs", "0"}, {"-size", "0"}, {"-wants", "0"}, {"-chain", "-1"}, {"-only", "walk"}, {"-makes", "kubo"},
	} {
		require.Error(t, command(t.Context(), args), "%v", args)
	}
}

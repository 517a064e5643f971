package stress

import (
	"context"
	"flag"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

var outstanding = flag.Int("outstanding", 20_000, "how many wants are outstanding while their bytes are measured; a tenth where there are 8 answers to each")

// mostBytes is what an outstanding want may cost with 8 connected peers, every copy
// of it in the node counted. What the ways of asking below cost beside that is for the
// call: its channels, its set of what was taken in, its accounts.
const mostBytes = 256

const bitswap = protocol.ID("/ipfs/bitswap/1.2.0")

// waiter is a way in which wants come to be outstanding. What it returns has to be
// kept alive.
type waiter func(ctx context.Context, t *testing.T, n *node, from []peer.ID, cs []cid.Cid) any

// An outstanding want costs little, whatever has become of it so far.
func TestBytesOfAnOutstandingWant(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(host.Host) network.StreamHandler
		want   waiter
		pass   time.Duration // since it was wanted
		before int           // that are outstanding already
		wants  int
		most   int
	}{
		"just asked":               {silent, inOneCall, 100 * time.Millisecond, 1, *outstanding, mostBytes},
		"of peers that are silent": {silent, inOneCall, time.Minute, 1, *outstanding, mostBytes},
		"of named peers, silent":   {silent, ofNamed, time.Minute, 1, *outstanding, mostBytes},
		"refused by everybody":     {refusing, inOneCall, time.Minute, *outstanding / 10, *outstanding / 10, mostBytes},
		"streamed":                 {silent, streamed, time.Minute, 1, *outstanding, mostBytes + 48},
		"in calls of ten":          {silent, inCallsOf(10), time.Minute, 1, *outstanding, mostBytes + 160},
		"in calls of one":          {silent, oneByOne, time.Minute, 1, *outstanding, mostBytes + keptOfAGoroutine + 768},
	} {
		t.Run(name, func(t *testing.T) {
			each := bytesEach(t, c.answer, c.want, c.pass, c.before, c.wants)
			t.Logf("%d bytes for each of %d", each, c.wants)
			require.LessOrEqual(t, each, c.most)
		})
	}
}

// bytesEach is what each of many wants adds to the heap of a node with 8 peers that has
// some already: its streams are open. When those added have ended, nothing is left of
// them.
func bytesEach(t *testing.T, answer func(host.Host) network.StreamHandler, want waiter, pass time.Duration, already, wants int) (each int) {
	tally.Add(t, tally.Scenarios, 1)
	cs := absent(t, already+wants)
	old, added := cs[:already], cs[already:]
	play(t, func(t *testing.T, w *sim.World) {
		n, from := nodeWithPeers(t, w, 8, answer)
		first := want(t.Context(), t, n, from, old)
		w.Pass(time.Minute)
		before := sim.Use()
		ctx, cancel := context.WithCancel(t.Context())
		held := want(ctx, t, n, from, added)
		w.Pass(pass)
		during := sim.Use()
		each = (int(during.Heap) - int(before.Heap)) / len(added)
		runtime.KeepAlive(held)
		held = nil
		cancel()
		after := sim.Rest()
		require.LessOrEqual(t, after.Goroutines, before.Goroutines)
		most := keptBytes + keptOfAGoroutine*(during.Goroutines-before.Goroutines)
		require.Less(t, int(after.Heap)-int(before.Heap), most, "when nothing is wanted any more")
		runtime.KeepAlive(first)
	})
	runtime.KeepAlive(cs)
	return each
}

// keptBytes is what a node with 8 peers may remember of them after wants have ended,
// and what the hosts around it may have grown by: WantManager's CIDs of late are 32 KiB
// for each of three kinds, however many there were.
const keptBytes = 1 << 20

// keptOfAGoroutine is what the runtime keeps of one that has ended, for the next, with
// what it waited on.
const keptOfAGoroutine = 640

func nodeWithPeers(t *testing.T, w *sim.World, count int, answer func(host.Host) network.StreamHandler) (*node, []peer.ID) {
	n := newNode(t, w, setup{})
	peers := make([]peer.ID, count)
	for i := range peers {
		p := w.Host(link)
		p.SetStreamHandler(bitswap, answer(p))
		peers[i] = p.ID()
		w.Connect(n.Node, p)
	}
	w.Settle()
	return n, peers
}

// absent are CIDs of blocks that nobody has.
func absent(t *testing.T, n int) []cid.Cid {
	t.Helper()
	cs := make([]cid.Cid, n)
	for i := range cs {
		sum, err := multihash.Sum([]byte{byte(i), byte(i >> 8), byte(i >> 16)}, multihash.SHA2_256, -1)
		require.NoError(t, err)
		cs[i] = cid.NewCidV1(cid.Raw, sum)
	}
	return cs
}

func inOneCall(ctx context.Context, t *testing.T, n *node, _ []peer.ID, cs []cid.Cid) any {
	out, err := n.souk.GetBlocks(ctx, cs)
	require.NoError(t, err)
	return out
}

func ofNamed(ctx context.Context, t *testing.T, n *node, from []peer.ID, cs []cid.Cid) any {
	out, err := n.souk.Subscribe(ctx, cs, from...)
	require.NoError(t, err)
	return out
}

func inCallsOf(size int) waiter {
	return func(ctx context.Context, t *testing.T, n *node, _ []peer.ID, cs []cid.Cid) any {
		var outs []any
		for i := 0; i < len(cs); i += size {
			outs = append(outs, inOneCall(ctx, t, n, nil, cs[i:min(i+size, len(cs))]))
		}
		return outs
	}
}

// oneByOne leaves it to a goroutine each to wait: its stack is not counted.
func oneByOne(ctx context.Context, t *testing.T, n *node, _ []peer.ID, cs []cid.Cid) any {
	for _, c := range cs {
		go func() { _, _ = n.souk.GetBlock(ctx, c) }() // Ends with the context.
	}
	return nil
}

// streamed asks in as many streams as the wants need: a session takes 4,096 of each in.
func streamed(ctx context.Context, t *testing.T, n *node, _ []peer.ID, cs []cid.Cid) any {
	const most = 4096
	s := n.souk.NewSession(ctx)
	var outs []<-chan session.Result
	for i := 0; i < len(cs); i += most {
		in := make(chan cid.Cid)
		outs = append(outs, s.Results(ctx, in))
		for _, c := range cs[i:min(i+most, len(cs))] {
			in <- c
		}
		close(in)
	}
	return outs
}

// silent reads what comes and says nothing.
func silent(host.Host) network.StreamHandler {
	return func(s network.Stream) {
		defer s.Reset()
		_, _ = io.Copy(io.Discard, s)
	}
}

// counting is silent and counts the streams that it reads.
func counting(reading *atomic.Int64) func(host.Host) network.StreamHandler {
	return func(h host.Host) network.StreamHandler {
		return func(s network.Stream) {
			reading.Add(1)
			defer reading.Add(-1)
			silent(h)(s)
		}
	}
}

// refusing answers every want with DONT_HAVE and keeps nothing of it.
func refusing(h host.Host) network.StreamHandler {
	return func(in network.Stream) {
		defer in.Reset()
		out, err := h.NewStream(context.Background(), in.Conn().RemotePeer(), bitswap)
		if err != nil {
			return
		}
		defer out.Reset()
		for d := message.NewDecoder(in, message.V120, message.Limits{}, nil, nil); ; {
			part, err := d.Next()
			if err != nil {
				return
			}
			if m := refusal(part.Wantlist); !m.Empty() {
				if _, err := m.WriteFrame(out, message.V120); err != nil {
					return
				}
			}
		}
	}
}

func refusal(wants []message.Entry) *message.Message {
	m := new(message.Message)
	for _, e := range wants {
		if !e.Cancel {
			m.Presences = append(m.Presences, message.Presence{CID: e.CID})
		}
	}
	return m
}

package hostile

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// loopback is a place on this machine, for what memory and work cost. Its hosts have
// no resource manager: what bounds a peer here is ours.
type loopback struct{}

func (loopback) newHost(t *testing.T, _ bool) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func (loopback) pace() time.Duration { return 2 * time.Millisecond }

// load is a case on loopback: many elements, and what they may cost.
type load struct {
	name     string
	elements int
	// perBlock is how many elements may cost the node and their sender together as
	// much work as one block costs the node and the honest peer.
	perBlock int
	attack   func(x *attacker)
	then     func(x *attacker)
	faults   []message.Fault
	also     []message.Fault
	// heap is how many bytes more than before are in use at most.
	heap uint64
}

// patience is how long the honest peer waits at most on a busy machine.
const patience = 20 * time.Second

// bear runs a case on loopback and checks the rule, as far as the clock of a busy
// machine lets it be checked.
func bear(t *testing.T, c load) {
	a := newArena(t, loopback{})
	defer a.close()
	x := a.newAttacker(v120)
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // So that what is in use is little more than what is needed.
	blockCost := a.blockCost()
	before, rest := a.metrics(), sim.Use()

	work, watch, spent := a.start(), watchHeap(), cpu()
	x.joins()
	c.attack(x)
	a.notices(badInput{faults: c.faults, also: c.also, within: patience}, before)
	if c.then != nil {
		c.then(x)
	}
	spent = cpu() - spent
	took := a.end(work, samples)
	used, element := watch.above(rest.Heap), (spent-time.Duration(len(took))*blockCost)/time.Duration(c.elements)
	t.Logf("%d KiB in use, %s of work for an element and %s for an honest block", used>>10, element, blockCost)
	require.Less(t, used, c.heap, "bytes in use")
	require.Less(t, element, blockCost/time.Duration(c.perBlock), "work")
	require.Less(t, p99(took), patience)

	a.judges(x, badInput{faults: c.faults})
	a.trusts()
	require.NoError(t, x.host.Network().ClosePeer(a.self.ID()))
	close(x.left)
	require.NoError(t, a.until(gone+patience, func() bool { return a.metric("souk_peers network") <= before["souk_peers network"] }))
	require.NoError(t, a.until(gone+patience, func() bool { return a.metric("souk_held_bytes wants") == 0 }))
	require.NoError(t, a.until(patience, func() bool { return runtime.NumGoroutine() <= rest.Goroutines }), "goroutines")
	require.NoError(t, a.until(patience, func() bool { return sim.Use().Heap < rest.Heap+heapSlack }), "bytes")
}

// blockCost is the work of the process for one block that the honest peer fetches.
func (a *arena) blockCost() time.Duration {
	a.t.Helper()
	a.fetches(samples) // warms up
	spent := cpu()
	took := a.fetches(samples)
	return (cpu() - spent) / time.Duration(len(took))
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no reason to
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heapWatch looks at the heap again and again.
type heapWatch struct {
	stop  chan struct{}
	ended chan struct{}
	most  uint64 // bytes, once it has ended
}

func watchHeap() *heapWatch {
	w := &heapWatch{stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(sample)
			w.most = max(w.most, sample[0].Value.Uint64())
			select {
			case <-w.stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return w
}

// above ends the watch and returns by how much the heap was above a size at most.
func (w *heapWatch) above(size uint64) uint64 {
	close(w.stop)
	<-w.ended
	return max(w.most, size) - size
}

// Large numbers cost little: each row says how little.
func TestLoads(t *testing.T) {
	for _, c := range loads() {
		t.Run(c.name, func(t *testing.T) {
			tally.Add(t, tally.BadInputs, 1)
			bear(t, c)
		})
	}
}

func loads() []load {
	const mib = 1 << 20
	const most = (4<<20 - 16) / 2
	million, thousands := size(100_000, 1_000_000), size(500, 10_000)
	wanted := lists(million, func(i int) []byte { return entry(absent(i).Bytes()) })
	withdrawn := lists(million, func(i int) []byte { return entry(absent(i).Bytes(), number(entryCancel, 1)) })
	haves := frame(each(60_000, func(i int) []byte { return have(absent(i)) }))
	begun := frame(field(msgPayload, field(blockData, make([]byte, 2*mib))))[:100]
	return []load{
		{
			name: "two million empty entries", elements: message.MaxElements, perBlock: 16, heap: 16 * mib,
			attack: sending(frame(wantlist(times(most-8, 0x0a, 0)))), faults: faults(message.FaultTooMany), also: faults(message.FaultCID),
		},
		{
			name: "two million empty presences", elements: message.MaxElements, perBlock: 16, heap: 16 * mib,
			attack: sending(frame(times(most, 0x22, 0))), faults: faults(message.FaultTooMany), also: faults(message.FaultCID),
		},
		{
			name: "100,000 empty frames", elements: 100_000, perBlock: 16, heap: 8 * mib,
			attack: sending(times(100_000, 0)), faults: faults(message.FaultFlood),
		},
		{
			name: "a million wants", elements: million, perBlock: 16, heap: 64 * mib,
			attack: func(x *attacker) { x.isRead(wanted) },
			then:   func(x *attacker) { x.wantsAtMost(mostWants) },
		},
		{
			name: "a million cancels of what was never wanted", elements: million, perBlock: 16, heap: 32 * mib,
			attack: func(x *attacker) { x.isRead(withdrawn) },
			then:   func(x *attacker) { require.Zero(x.t, len(x.node.WantsOf(x.host.ID()))) },
		},
		{
			name: "60,000 HAVEs, three times", elements: 180_000, perBlock: 16, heap: 64 * mib,
			attack: sending(haves, haves, haves), faults: faults(message.FaultUnasked),
		},
		{
			name: "thousands of streams that announce 2 MiB each", elements: thousands, perBlock: 1, heap: 32 * mib,
			attack: func(x *attacker) {
				x.parallel(thousands, func() network.Stream { return x.writes(begun) })
				require.LessOrEqual(x.t, x.metric("souk_inbound_streams"), streamsOfPeer+honestStreams)
			},
			faults: faults(message.FaultFlood),
		},
	}
}

// lists are wantlists with n elements together.
func lists(n int, element func(i int) []byte) [][]byte {
	const list = 10_000
	var frames [][]byte
	for from := 0; from < n; from += list {
		frames = append(frames, frame(wantlist(each(list, func(i int) []byte { return element(from + i) }))))
	}
	return frames
}

// isRead sends frames and waits until the node has read them.
func (x *attacker) isRead(frames [][]byte) {
	x.t.Helper()
	const received = "souk_messages_total received"
	before := x.metric(received)
	x.sends(frames...)
	require.NoError(x.t, x.until(time.Minute, func() bool { return x.metric(received) >= before+float64(len(frames)) }))
}

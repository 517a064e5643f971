package hostile

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// badInput is a case.
type badInput struct {
	name string
	// speak is the protocol; 1.2.0 if it is empty.
	speak protocol.ID
	opts  []souk.Option
	// prepare is what has to be there before anything is measured.
	prepare func(x *attacker)
	// attack is what the peer does, once. It is done again until the peer is
	// refused, unless it is legal.
	attack func(x *attacker)
	// then is what has to come of the first time, beside the rule.
	then func(x *attacker)
	// faults are what it amounts to: each of them is counted, and nothing else but
	// perhaps what is in also. None: it is legal, and the peer is not refused.
	faults []message.Fault
	also   []message.Fault
	// hosts is how many there are beside the node, if they are many: libp2p keeps
	// what it learned of them, and they of the node, for a while.
	hosts int
	// within is how long the node may take to notice; 5 s if it is zero.
	within time.Duration
	// once is for what would take too long to repeat until it adds up to a refusal.
	once bool
}

const (
	// samples are how many fetches of the honest peer are compared at least.
	samples = 100
	// mostStrikes is how often an attack is repeated at most: a sixteenth of a
	// strike is enough for a case, and eight strikes are for the node.
	mostStrikes = 16*8 + 8
	// heapSlack is what pools and counters may keep: a bound on leaks, each case
	// of which sends more when it is repeated.
	heapSlack = 4 << 20
	// hostSlack is what libp2p may keep for a host, on both sides of a connection.
	hostSlack = 16 << 10
	// gone is after how long nothing of a peer may be left.
	gone = 5 * time.Second
)

// runAll runs cases in virtual time.
func runAll(t *testing.T, cases []badInput) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tally.Add(t, tally.BadInputs, 1)
			inVirtualTime(t, func(a *arena) { assault(a, c) }, c.opts...)
		})
	}
}

// assault runs a case and checks the rule.
func assault(a *arena, c badInput) {
	a.t.Helper()
	baseline := p99(a.fetches(samples))
	x := a.newAttacker(orDefault(c.speak, v120))
	if c.prepare != nil {
		c.prepare(x)
	}
	before, rest := a.metrics(), sim.Rest()
	work := a.start()
	x.joins()
	c.attack(x)
	if c.then != nil {
		c.then(x)
	}
	a.notices(c, before)
	a.judges(x, c)
	if len(c.faults) > 0 && !c.once {
		a.repeats(x, c)
	}
	require.LessOrEqual(a.t, slices.Max(a.end(work, samples)), 2*baseline, "the honest peer keeps its speed: it waits for no block twice as long as before")
	if len(c.faults) > 0 && !c.once {
		a.refuses(x)
	}
	a.trusts()
	x.leaves(before)
	after := sim.Rest()
	require.LessOrEqual(a.t, after.Goroutines, rest.Goroutines, "goroutines")
	require.Less(a.t, after.Heap, rest.Heap+heapSlack+uint64(c.hosts*hostSlack), "bytes")
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// faultsSince are the reasons that were counted since.
func (a *arena) faultsSince(before map[string]float64) map[string]float64 {
	a.t.Helper()
	counted := make(map[string]float64)
	for name, value := range a.metrics() {
		if reason, ok := strings.CutPrefix(name, "souk_faults_total "); ok && value > before[name] {
			counted[reason] = value - before[name]
		}
	}
	return counted
}

// notices waits until every fault is counted, and checks that no other is.
func (a *arena) notices(c badInput, before map[string]float64) {
	a.t.Helper()
	missing := func(f message.Fault) bool { return a.faultsSince(before)[f.String()] == 0 }
	err := a.until(orDefault(c.within, 5*time.Second), func() bool { return !slices.ContainsFunc(c.faults, missing) })
	counted := a.faultsSince(before)
	require.NoError(a.t, err, "counted are %v", counted)
	for _, f := range slices.Concat(c.faults, c.also) {
		delete(counted, f.String())
	}
	require.Empty(a.t, counted, "nothing else is wrong")
}

// judges checks the score of the peer, which falls when it is at fault.
func (a *arena) judges(x *attacker, c badInput) {
	a.t.Helper()
	r, known := a.node.Ledger(x.host.ID())
	if len(c.faults) == 0 {
		require.Empty(a.t, r.Faults)
		require.False(a.t, known && r.Score < ledger.Unknown, "the score of who did nothing wrong")
		return
	}
	require.True(a.t, known)
	require.Less(a.t, r.Score, ledger.Unknown)
	for _, f := range c.faults {
		require.Contains(a.t, r.Faults, f.String())
	}
}

// repeats does the attack again until the peer is refused.
func (a *arena) repeats(x *attacker, c badInput) {
	a.t.Helper()
	for n := 0; a.metric("souk_refused_total peer") == 0; {
		require.Less(a.t, n, mostStrikes, "repeated without being refused")
		for range 4 {
			c.attack(x)
			n++
		}
		time.Sleep(2 * link.RoundTrip)
	}
}

// refuses checks that the peer is disconnected, for a while and not for ever.
func (a *arena) refuses(x *attacker) {
	a.t.Helper()
	require.NoError(a.t, a.until(gone, func() bool { return x.connections() == 0 }), "the peer is disconnected")
	if a.connect(x.host) == nil {
		require.False(a.t, x.served(), "the peer is refused")
	}
	time.Sleep(time.Minute)
	require.NoError(a.t, a.connect(x.host))
	require.True(a.t, x.served(), "the peer is served again")
}

// trusts checks that the honest peer, which has the attacker's address, was not
// taken for it.
func (a *arena) trusts() {
	a.t.Helper()
	a.fetches(5)
	r, known := a.node.Ledger(a.visitor.ID())
	require.True(a.t, known)
	require.Empty(a.t, r.Faults)
	require.True(a.t, r.Connected)
	require.GreaterOrEqual(a.t, r.Score, ledger.Unknown)
}

// leaves ends the attacker and checks that the node has forgotten it but for a row
// in the ledger, if it exchanged or did something wrong.
func (x *attacker) leaves(before map[string]float64) {
	x.t.Helper()
	require.NoError(x.t, x.host.Network().ClosePeer(x.self.ID()))
	close(x.left)
	x.forgets()
	time.Sleep(gone)
	r, known := x.node.Ledger(x.host.ID())
	require.False(x.t, r.Connected)
	require.Equal(x.t, known, r.Exchanged > 0 || len(r.Faults) > 0, "an account of who exchanged nothing")
	require.Zero(x.t, len(x.node.WantsOf(x.host.ID())))
	now := x.metrics()
	for name := range maps.Keys(now) {
		if kept(name) {
			require.LessOrEqual(x.t, now[name], before[name], name)
		}
	}
}

// kept says that a metric is about what is kept of peers at the moment.
func kept(name string) bool {
	return strings.HasPrefix(name, "souk_peers") || strings.HasPrefix(name, "souk_held_bytes")
}

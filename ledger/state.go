package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// RefreshEvery is the shortest time between two [Scores]. Within a tenth of a
// second nobody's ranking changes for good, and it keeps copying 10,000
// accounts below 1 % of a core.
const RefreshEvery = 100 * time.Millisecond

// decayEvery is how often scores are refreshed while nothing but time passes
// and some penalty decays: a fifteenth of its half life moves a score by at
// most 0.012.
const decayEvery = 40 * time.Second

// smoothing is the weight of a new measurement, as TCP gives it (RFC 6298,
// section 2.3).
const smoothing = 1.0 / 8

// state is the accounts.
type state struct {
	peers, strangers int // bounds

	accounts map[peer.ID]*account
	alien    int // accounts that faults alone keep
	decaying int // accounts with a penalty, as of the last refresh

	faults Faults // of all peers, those without an account as well
	sum    account
	gone   map[peer.ID]struct{} // whose rows are to be removed from where they are kept

	tags []Tag // to be told

	changed   bool      // since the last refresh
	refreshed time.Time // when that was
}

// account is what is known of one peer.
type account struct {
	Counters
	faults    map[message.Fault]uint64 // nil without faults
	penalty   float64                  // weighed faults, decayed up to penaltyAt
	penaltyAt time.Time

	latencyLowest float64       // seconds, 0 when not measured
	latency       float64       // seconds, smoothed
	throughput    float64       // bytes per second, smoothed
	resolver      time.Duration // the measure of a resolver, 0 when there is none

	flow

	tag int // what the connection manager was told that the connection is worth

	lastExchange time.Time // zero when no block passed
	lastActive   time.Time // exchange or fault
	connected    bool

	firstSeen time.Time
	lastSeen  time.Time // when it was last connected or something passed, unless it is connected
	since     time.Time // when connected last changed; zero for never
	agent     string
	addresses []string

	changed bool // since its row was written
	kept    bool // it has a row
}

func newState(peers, strangers int) *state {
	return &state{
		peers:     cmp.Or(peers, DefaultPeers),
		strangers: cmp.Or(strangers, DefaultStrangers),
		accounts:  make(map[peer.ID]*account),
		gone:      make(map[peer.ID]struct{}),
	}
}

// apply adds a batch to the accounts.
func (s *state) apply(now time.Time, b batch) {
	for _, p := range slices.Sorted(maps.Keys(b)) {
		s.applyTally(now, p, b[p])
	}
}

// fault counts n faults of one peer.
func (s *state) fault(now time.Time, p peer.ID, f message.Fault, n uint64) {
	t := new(tally)
	t.addFault(f, n)
	s.applyTally(now, p, t)
}

func (s *state) applyTally(now time.Time, p peer.ID, t *tally) {
	for f, n := range t.faults {
		s.faults[f] += n
	}
	s.sum.Counters.Add(&t.Counters)
	s.sum.pass(now, t.BytesReceived, t.BytesSent)
	a := s.accounts[p]
	if a == nil {
		if !t.lasting() && t.link != LinkUp {
			return // Wants of a peer that is gone.
		}
		a = &account{firstSeen: now}
		s.accounts[p] = a
	} else if a.stranger() {
		s.alien--
	}
	a.add(now, t)
	s.changed = true
	switch {
	case a.stranger():
		s.alien++
	case !a.connected && !a.lasting():
		s.drop(p, a)
	}
	s.evict()
}

// lasting reports whether the tally holds something for which an account is
// kept after the connection.
func (t *tally) lasting() bool { return t.exchanged() || len(t.faults) > 0 }

func (a *account) lasting() bool { return a.exchanged() || len(a.faults) > 0 }

// stranger reports whether nothing but faults keeps the account.
func (a *account) stranger() bool { return !a.connected && !a.exchanged() && len(a.faults) > 0 }

func (a *account) add(now time.Time, t *tally) {
	if t.link == LinkUp && !a.connected {
		a.connected = true
		a.latencyLowest, a.latency = 0, 0 // Another connection may be another path.
		a.since = now
	}
	a.changed = a.changed || t.lasting() || t.link != 0
	a.lastSeen = now
	a.pass(now, t.BytesReceived, t.BytesSent)
	a.Counters.Add(&t.Counters)
	if t.exchanged() {
		a.lastExchange = now
	}
	if t.lasting() {
		a.lastActive = now
	}
	a.blame(now, t.faults)
	a.measure(t)
	if t.link == LinkDown && a.connected {
		a.connected = false
		a.since = now
	}
}

// measure takes in measurements. Those that were merged on the way weigh as
// much as they would have one by one.
func (a *account) measure(t *tally) {
	if t.rtt.n > 0 && (a.latencyLowest == 0 || t.rtt.lowest < a.latencyLowest) {
		a.latencyLowest = t.rtt.lowest
	}
	a.latency = smooth(a.latency, t.rtt)
	a.throughput = smooth(a.throughput, t.rate)
	if t.resolver != 0 {
		a.resolver = max(t.resolver, 0)
	}
}

// receipt returns the receipt of one peer, or none.
func (s *state) receipt(now time.Time, p peer.ID) []Receipt {
	a := s.accounts[p]
	if a == nil {
		return nil
	}
	r := a.receipt(now, p)
	r.History = a.history.tell(now)
	return []Receipt{r}
}

// totals are those of all peers.
func (s *state) totals(now time.Time) Totals {
	t := Totals{Counters: s.sum.Counters, Rates: s.sum.rates.tell(now), Accounts: len(s.accounts), History: s.sum.history.tell(now)}
	for _, a := range s.accounts {
		if a.connected {
			t.Connected++
		}
	}
	return t
}

// seen is when the peer was last there.
func (a *account) seen(now time.Time) time.Time {
	if a.connected {
		return now
	}
	return a.lastSeen
}

// receipts returns all receipts, most bytes exchanged first.
func (s *state) receipts(now time.Time) []Receipt {
	all := make([]Receipt, 0, len(s.accounts))
	for p, a := range s.accounts {
		all = append(all, a.receipt(now, p))
	}
	slices.SortFunc(all, func(x, y Receipt) int {
		return cmp.Or(cmp.Compare(y.Bytes(), x.Bytes()), cmp.Compare(x.Peer, y.Peer))
	})
	return all
}

func (a *account) receipt(now time.Time, p peer.ID) Receipt {
	return Receipt{
		Peer:          p,
		Counters:      a.Counters,
		Exchanged:     a.BlocksSent + a.BlocksReceived,
		Value:         a.debt(),
		LatencyLowest: seconds(a.latencyLowest),
		Latency:       seconds(a.latency),
		Throughput:    a.throughput,
		Resolver:      a.resolver,
		Score:         a.score(now),
		LastExchange:  a.lastExchange,
		Connected:     a.connected,
		FirstSeen:     a.firstSeen,
		LastSeen:      a.seen(now),
		Since:         a.since,
		Rates:         a.rates.tell(now),
		Agent:         a.agent,
		Addresses:     a.addresses, // Replaced, never changed.
		Faults:        a.faultsByName(),
	}
}

// faultsByName is nil when there was none.
func (a *account) faultsByName() map[string]uint64 {
	if len(a.faults) == 0 {
		return nil
	}
	faults := make(map[string]uint64, len(a.faults))
	for f, n := range a.faults {
		faults[f.String()] += n
	}
	return faults
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

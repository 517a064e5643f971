package tracker

import (
	"net/netip"
	"time"
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"
)

// meters are token buckets for those who were active lately, in a fixed number
// of places. When all of a set are taken the fullest goes: with it the least is
// forgotten.
type meters struct {
	rate   Rate
	places []meter
}

type meter struct {
	who  uint64 // hash; 0 for a free place
	at   int64  // Unix nanoseconds when left was right
	left [3]float32
}

// cost is what a request takes of its sender's rates.
type cost struct {
	announces, queries, bytes float64
}

const ways = 8 // places in a set: four cache lines

func newMeters(places int, rate Rate) meters {
	return meters{rate: rate, places: make([]meter, max(ways, powerOfTwo(max(places, 1))))}
}

func (m *meters) bytes() int { return len(m.places) * int(unsafe.Sizeof(meter{})) }

// charge takes what a request costs from the rates of a peer and of its prefix.
// What is refused costs nothing.
func (t *Table) charge(now time.Time, id peer.ID, from netip.Addr, c cost) Verdict {
	at := now.UnixNano()
	p := t.peerMeters.of(at, t.key.text(string(id)))
	if after := t.peerMeters.wait(p, c); after > 0 {
		return Verdict{Refusal: RefusedRate, After: after}
	}
	n := t.prefixMeters.of(at, t.key.words(uint64(prefixOf(from)), 1))
	if after := t.prefixMeters.wait(n, c); after > 0 {
		return Verdict{Refusal: RefusedPrefixRate, After: after}
	}
	p.take(c)
	n.take(c)
	return Verdict{}
}

// Charge takes queries and bytes from the rates of a peer and its prefix, for what
// is no request to the table.
func (t *Table) Charge(now time.Time, id peer.ID, from netip.Addr, queries float64, bytes int) Verdict {
	return t.refuse(t.charge(now, id, from, cost{queries: queries, bytes: float64(bytes)}))
}

// of returns the meter of somebody, filled up to now.
func (m *meters) of(now int64, who uint64) *meter {
	who |= 1
	set := m.places[who>>1&uint64(len(m.places)/ways-1)*ways:][:ways]
	found := &set[0]
	for i := range set {
		if set[i].who == who {
			found = &set[i]
			break
		}
		if m.fullness(now, &set[i]) > m.fullness(now, found) {
			found = &set[i]
		}
	}
	if found.who != who {
		*found = meter{who: who, at: now, left: m.rate.full()}
	}
	m.fill(now, found)
	return found
}

func (r Rate) full() [3]float32 {
	return [3]float32{float32(burst * r.Announces), float32(burst * r.Queries), float32(burst * r.Bytes)}
}

func (m *meters) fill(now int64, who *meter) {
	if now <= who.at {
		return
	}
	passed := float32(float64(now-who.at) / float64(time.Second))
	full := m.rate.full()
	for i := range who.left {
		who.left[i] = min(full[i], who.left[i]+passed*full[i]/burst)
	}
	who.at = now
}

// fullness is how little would be forgotten with a meter.
func (m *meters) fullness(now int64, who *meter) float32 {
	if who.who == 0 {
		return 2
	}
	filled, full := *who, m.rate.full()
	m.fill(now, &filled)
	return min(filled.left[0]/full[0], filled.left[1]/full[1], filled.left[2]/full[2])
}

// wait is how long until somebody can pay, 0 for now. A request that costs more
// than the most there ever is, is paid for with all of that.
func (m *meters) wait(who *meter, c cost) time.Duration {
	full := m.rate.full()
	longest := float32(0)
	for i, price := range c.prices() {
		if missing := min(price, full[i]) - who.left[i]; missing > 0 {
			longest = max(longest, missing/full[i]*burst)
		}
	}
	return time.Duration(float64(longest) * float64(time.Second))
}

func (c cost) prices() [3]float32 {
	return [3]float32{float32(c.announces), float32(c.queries), float32(c.bytes)}
}

func (w *meter) take(c cost) {
	for i, price := range c.prices() {
		w.left[i] = max(0, w.left[i]-price)
	}
}

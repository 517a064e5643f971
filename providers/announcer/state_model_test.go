package announcer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// model is a world in which anything goes wrong, and what was asked for.
type model struct {
	*rapid.T
	*world
	want map[record.Namespace]bool
	away []*station // out of the set
}

func TestAfterFaultsEveryLiveTrackerHasEveryRowWithinAMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			T: t, world: newWorld(t, rapid.IntRange(1, 8).Draw(t, "trackers"), rapid.Uint64().Draw(t, "seed")),
			want: make(map[record.Namespace]bool),
		}
		t.Repeat(map[string]func(*rapid.T){
			"announce": m.announceOne,
			"withdraw": m.withdrawOne,
			"fault":    m.fault,
			"restart":  func(t *rapid.T) { m.restart(m.one(t)) },
			"lost":     func(t *rapid.T) { m.one(t).lost++; m.know() },
			"honest":   func(t *rapid.T) { m.honest(m.one(t)) },
			"clock":    m.clock,
			"suspend":  func(t *rapid.T) { m.world.now = m.world.now.Add(span(t, 3*time.Hour)) },
			"move":     m.move,
			"set":      m.changeSet,
			"wait":     func(t *rapid.T) { m.run(span(t, 2*time.Minute)) },
			"waitLong": func(t *rapid.T) { m.run(span(t, 3*time.Hour)) },
		})
		m.end()
	})
}

func span(t *rapid.T, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, "span"))
}

func (m *model) one(t *rapid.T) *station { return rapid.SampledFrom(m.trackers).Draw(t, "tracker") }

func namespace(t *rapid.T) record.Namespace {
	return record.Namespace(fmt.Sprint("n", rapid.IntRange(0, 5).Draw(t, "namespace")))
}

func (m *model) announceOne(t *rapid.T) {
	ns := namespace(t)
	m.want[ns] = true
	h := Holding{TTL: rapid.SampledFrom([]time.Duration{0, time.Minute, 10 * time.Minute, 2 * time.Hour}).Draw(t, "TTL")}
	if shards := rapid.IntRange(0, 8).Draw(t, "shards"); shards > 0 {
		h.Ranges = narrow(shards)
	}
	m.announce(ns, h)
}

// narrow are ranges in so many shards.
func narrow(shards int) record.Ranges {
	r, err := record.NewRanges(record.Range{From: 0x4000, To: 0x4000 + record.Point(shards)<<8 - 1})
	if err != nil {
		panic(err)
	}
	return r
}

func (m *model) withdrawOne(t *rapid.T) {
	ns := namespace(t)
	delete(m.want, ns)
	m.withdraw(ns)
}

// fault turns a knob of a tracker.
func (m *model) fault(t *rapid.T) {
	s := m.one(t)
	switch rapid.IntRange(0, 4).Draw(t, "fault") {
	case 0:
		s.unreachable = true
		s.lost++
		m.know()
	case 1:
		s.loses = rapid.Float64Range(0, 1).Draw(t, "loses")
	case 2:
		s.hangs = true
	case 3:
		s.shams = true
	default:
		s.refuses = &wire.Refusal{
			Code:       wire.Code(rapid.IntRange(0, wire.NumCodes).Draw(t, "code")),
			RetryAfter: span(t, 3*time.Hour),
			Stored:     rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(m.world.now.Add(time.Hour).UnixMilli()))).Draw(t, "stored"),
		}
	}
}

// honest makes a new tracker of one.
func (m *model) honest(s *station) {
	*s = station{id: s.id, rows: s.rows, lost: s.lost + 1}
	m.know()
}

// clock lets the clocks of all others differ from ours, or a tracker have heard of
// later sequences than there are now.
func (m *model) clock(t *rapid.T) {
	ahead := span(t, 2*time.Hour) - time.Hour
	for _, s := range m.trackers {
		s.ahead = ahead
		for ns, have := range s.rows {
			have.sequence += uint64(ahead.Abs().Milliseconds())
			s.rows[ns] = have
		}
	}
}

func (m *model) move(t *rapid.T) {
	m.s.addresses(m.world.now, []string{fmt.Sprint("a", rapid.IntRange(0, 2).Draw(t, "addrs"))})
	m.settle()
}

// changeSet takes a tracker out of the set, or puts one back.
func (m *model) changeSet(t *rapid.T) {
	if len(m.away) > 0 {
		m.trackers = append(m.trackers, m.away[0])
		m.away = m.away[1:]
	} else if len(m.trackers) > 1 {
		i := rapid.IntRange(0, len(m.trackers)-1).Draw(t, "index")
		m.away = append(m.away, m.trackers[i])
		m.trackers = slices.Delete(m.trackers, i, i+1)
	}
	m.know()
}

// end stops all faults. Trackers that lied, or were away, are replaced by honest
// ones, which know nothing.
func (m *model) end() {
	calm := time.Minute
	for _, s := range m.trackers {
		if m.s.trackers[s.id].alarms > 2 {
			calm += longCheck // Its connection was lost too often for nothing.
		}
		if s.shams || s.refuses != nil || s.ahead != 0 || s.unreachable {
			s.rows = make(map[record.Namespace]stored)
			m.honest(s)
		}
		s.hangs, s.loses, s.downUntil = false, 0, time.Time{}
	}
	m.know()
	m.run(calm)
	for ns := range m.want {
		m.requireHome(ns)
	}
	require.Len(m, m.answers, int(m.asked), "everybody was answered")
	m.run(3 * time.Hour)
	require.Len(m, m.s.claims, len(m.want), "nothing is left of what was withdrawn")
	m.steady()
}

// steady checks how much is said when nothing happens: at most five touches of
// a row within its TTL, and what is signed again.
func (m *model) steady() {
	ttl, rows := record.MaxTTL, 0
	for _, c := range m.s.all {
		ttl = min(ttl, c.holding.TTL)
		rows += len(m.homes(c))
	}
	since := m.world.now
	m.run(ttl)
	require.LessOrEqual(m, m.count("touch", since), 5*rows)
	require.LessOrEqual(m, m.count("announce", since), rows)
}

func TestTheSameSeedMakesTheSameChoices(t *testing.T) {
	play := func() []message {
		w := newWorld(t, 7, 42)
		rng := rand.New(rand.NewPCG(1, 1))
		for n := range 12 {
			w.announce(record.Namespace(fmt.Sprint("n", n)), Holding{Ranges: narrow(1 + n%8)})
			w.trackers[rng.IntN(7)].loses = rng.Float64()
			w.run(time.Minute)
		}
		return w.told
	}
	require.Equal(t, play(), play())
}

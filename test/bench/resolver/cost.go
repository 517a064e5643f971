//go:build simulation

package resolver

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/test/sim/resolving"
)

// cost is what a fetch takes of the processor and of memory.
type cost struct {
	time        time.Duration // from the order to the verdict
	allocations float64
	memory      float64 // bytes of a key that waits, with the 32 bytes of the key
}

// mill is a resolver whose peers answer one after the other, the oldest request first,
// when no more may be asked, and whose Consumer finds everything good.
type mill struct {
	*resolver.Steps
	open []resolver.Ask
	jobs []resolver.Key
}

func (m *mill) Ask(a resolver.Ask)                        { m.open = append(m.open, a) }
func (m *mill) Judge(key resolver.Key, _ []byte)          { m.jobs = append(m.jobs, key) }
func (m *mill) Failed(resolver.Key, error)                {}
func (m *mill) Reply(uint64, resolver.Key, []byte, error) {}
func (m *mill) Ended(time.Duration, error)                {}
func (m *mill) Blocked(peer.ID, bool, time.Time)          {}

// measure orders so many keys at once, has them fetched from so many peers, and says
// what each has cost.
func measure(keys, peers int) (c cost, err error) {
	m := new(mill)
	now := resolving.Began
	if m.Steps, err = resolver.NewSteps(now, resolver.Limits{Rate: -1}, resolving.Self, 1, m); err != nil {
		return c, err
	}
	ids := make([]peer.ID, peers)
	for i := range ids {
		ids[i] = peer.ID(fmt.Sprint("peer ", i))
	}
	m.Members(now, ids)
	before := memory()
	began := time.Now()
	for i := range keys {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		m.Fetch(now, resolver.Order{Key: resolver.Key(sum[:])})
	}
	took := time.Since(began)
	waiting := memory()
	c.memory = float64(waiting.HeapAlloc-before.HeapAlloc) / float64(keys)
	began = time.Now()
	m.grind(now)
	took += time.Since(began)
	c.time = took / time.Duration(keys)
	c.allocations = float64(memory().Mallocs-waiting.Mallocs) / float64(keys)
	if m.Pending() > 0 {
		return c, errors.New("not everything was fetched")
	}
	return c, nil
}

func (m *mill) grind(now time.Time) {
	value := []byte("value")
	for m.Pending() > 0 {
		now = now.Add(time.Microsecond)
		if wake := m.Wake(now); len(m.open) == 0 || !wake.IsZero() && !wake.After(now) {
			m.Turn(now)
			continue
		}
		a := m.open[0]
		m.open = m.open[1:]
		m.Answered(now, a.To, a.ID, resolver.Answer{Data: value})
		for _, key := range m.jobs {
			m.Judged(now, key, true)
		}
		m.jobs = m.jobs[:0]
	}
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

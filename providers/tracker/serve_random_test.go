package tracker

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// runs is how many random runs against the service are made.
var runs = flag.Int("runs", 15, "random runs against the tracker's service")

// crowd is a few peers that do this and that, and what the tracker should know.
type crowd struct {
	t       *testing.T
	s       *service
	chance  *rand.Rand
	clients []*client
	subs    []map[wire.RequestID]bool
	rows    map[rowKey]*knownRow
}

type rowKey struct {
	who       int
	namespace string
}

type knownRow struct {
	signed *record.Signed
	until  time.Time
}

func (c *crowd) namespace() string { return fmt.Sprint("ns", c.chance.IntN(3)) }

func (c *crowd) reconnect(n int) {
	c.clients[n] = c.s.connect(n)
	c.clients[n].listens()
	c.subs[n] = map[wire.RequestID]bool{}
}

func (c *crowd) announce(n int) {
	namespace := c.namespace()
	signed := c.clients[n].announces(namespace, func(r *record.Record) {
		r.TTL = time.Duration(60+c.chance.IntN(7000)) * time.Second
		switch low := record.Point(c.chance.IntN(1 << 14)); c.chance.IntN(4) {
		case 0:
			r.Ranges = spans(low, low+record.Point(c.chance.IntN(700)))
		case 1:
			r.Ranges = spans(low, 0xc000)
		case 2:
			withdrawn(r)
		}
	})
	r := signed.Record()
	if r.Withdrawn() {
		delete(c.rows, rowKey{n, namespace})
		return
	}
	c.rows[rowKey{n, namespace}] = &knownRow{signed, time.Now().Add(r.TTL)}
}

func (c *crowd) touch(n int) {
	for namespace := range 3 {
		if row := c.rows[rowKey{n, fmt.Sprint("ns", namespace)}]; row != nil {
			require.Empty(c.t, c.clients[n].touches(row.signed))
			row.until = row.signed.Record().Until(time.Now())
		}
	}
}

func (c *crowd) ask(n int) {
	namespace, p := c.namespace(), record.Point(c.chance.IntN(1<<14))
	what := about(namespace)
	pointed := c.chance.IntN(2) == 0
	if pointed {
		what = aboutPoint(namespace, p)
	}
	var want []peer.ID
	for key, row := range c.rows {
		ranges := row.signed.Record().Ranges
		in := pointed && ranges.Contains(p) || !pointed && !ranges.Narrow()
		if key.namespace == namespace && key.who != n && in {
			want = append(want, idOf(key.who))
		}
	}
	reply := c.clients[n].asks(what)
	require.ElementsMatch(c.t, want, announcers(c.t, reply.Rows))
	if len(want) > 0 {
		c.clients[n].send(&wire.Feedback{Token: reply.Token, Peers: []wire.Judgement{{Peer: want[0], Outcome: wire.Outcome(c.chance.IntN(5))}}})
	}
}

func (c *crowd) subscribe(n int) {
	if len(c.subs[n]) < wire.MaxSubscriptions {
		c.subs[n][c.clients[n].subscribes(aboutPoint(c.namespace(), record.Point(c.chance.IntN(1<<14))))] = true
	}
}

func (c *crowd) unsubscribe(n int) {
	for id := range c.subs[n] {
		c.clients[n].send(&wire.Unsubscribe{ID: id})
		delete(c.subs[n], id)
		return
	}
}

func (c *crowd) misbehave(n int) {
	client := c.clients[n]
	require.NotEmpty(c.t, client.tell(client.spoilt(c.namespace())))
	client.raw(message(wire.KindReply, number(1, 1)))
	client.raw([]byte{0})
}

// leave ends a stream in order or not; the peer opens another.
func (c *crowd) leave(n int) {
	if c.chance.IntN(2) == 0 {
		require.NoError(c.t, c.clients[n].hangUp())
	} else {
		c.clients[n].vanish()
		c.clients[n].ended()
	}
	c.reconnect(n)
}

// pass lets time pass, after which streams without subscriptions have ended.
func (c *crowd) pass() {
	time.Sleep(time.Duration(1+c.chance.IntN(900)) * time.Second)
	for key, row := range c.rows {
		if !row.until.After(time.Now()) {
			delete(c.rows, key)
		}
	}
	for n := range c.clients {
		select {
		case err := <-c.clients[n].served:
			require.NoError(c.t, err)
			c.reconnect(n)
		default:
		}
	}
}

func (c *crowd) step() {
	n := c.chance.IntN(len(c.clients))
	acts := []func(int){c.announce, c.announce, c.announce, c.touch, c.ask, c.ask, c.subscribe, c.unsubscribe, c.misbehave, c.leave}
	if i := c.chance.IntN(len(acts) + 1); i < len(acts) {
		acts[i](n)
	} else {
		c.pass()
	}
	synctest.Wait()
	require.NoError(c.t, c.s.tracker.table.Audit())
	watches := 0
	for _, subs := range c.subs {
		watches += len(subs)
	}
	require.Equal(c.t, watches, c.s.stat().Table.Watches)
}

func TestTheServiceKnowsWhatItWasToldWhateverPeersDo(t *testing.T) {
	for seed := range *runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			cfg := generous()
			cfg.Limits.BucketRows = 1 + seed%4
			serve(t, cfg, func(t *testing.T, s *service) {
				c := &crowd{
					t: t, s: s, chance: rand.New(rand.NewPCG(uint64(seed), 1)), rows: map[rowKey]*knownRow{},
					clients: make([]*client, 6), subs: make([]map[wire.RequestID]bool, 6),
				}
				for n := range c.clients {
					c.reconnect(n)
				}
				for range 120 {
					c.step()
				}
			})
		})
	}
}

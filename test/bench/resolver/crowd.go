//go:build simulation

package resolver

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/sim/resolving"
)

// crowd is a setting: who is there, and what is fetched.
type crowd struct {
	keys, peers int
	size        int // of a value, in bytes
	trip        time.Duration
	limits      resolver.Limits
	says        string // what is special
	held        bool   // to what is promised
}

// crowds are the rows of the table: what is promised first, and then others, of which
// some have values for less time than it takes to learn what the peers can do. The
// smallest values are held to the promise, too, where the way is as short.
func crowds() []crowd {
	const keys, ample = 10_000, 1 << 30
	main := crowd{keys: keys, peers: 500, size: 64 << 10, trip: 50 * time.Millisecond, held: true}
	all := []crowd{main}
	alone := main
	alone.says, alone.limits.Hedge, alone.held = ", never hedged", -1, false
	all = append(all, alone)
	for _, peers := range []int{500, 100} {
		for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
			for _, trip := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
				c := crowd{keys: keys, peers: peers, size: size, trip: trip}
				c.held = peers == main.peers && trip == main.trip && size <= main.size
				if size*peers > 16<<20 && c.trip != main.trip || size > main.size { // More is under way than may be undelivered.
					c.says, c.limits.Undelivered = ", 1 GiB undelivered", ample
				}
				if c != main {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

func (c *crowd) String() string {
	size := fmt.Sprintf("%d KiB", c.size>>10)
	if c.size >= 1<<20 {
		size = fmt.Sprintf("%d MiB", c.size>>20)
	}
	return fmt.Sprintf("%d keys of %s, %d peers, %d ms%s", c.keys, size, c.peers, c.trip.Milliseconds(), c.says)
}

const (
	handling = 10 * time.Millisecond // what a request takes a peer beside sending: a few reads of a disk
	uplink   = 10_000_000 / 8        // bytes a second of a good peer: a household's
	bad      = 10                    // every so many-th peer is slow, and as many lie
	slowdown = 10                    // of slow peers
	judging  = time.Millisecond      // what the Consumer takes
)

// service is what a value of the size, or a part of one, takes a good peer.
func service(size int) time.Duration {
	return handling + time.Duration(size)*time.Second/uplink
}

// ideal is the time in which the good peers could send everything at their rate, and one
// round trip.
func (c *crowd) ideal() time.Duration {
	good := c.peers - 2*(c.peers/bad)
	each := (c.keys + good - 1) / good
	parts := max(1, (c.size+wire.PartSize-1)/wire.PartSize)
	value := time.Duration(parts)*handling + time.Duration(c.size)*time.Second/uplink
	return c.trip + time.Duration(each)*value
}

// outcome is what a run has come to.
type outcome struct {
	took   time.Duration
	counts resolver.Counts
}

// run fetches all keys once.
func (c *crowd) run(seed uint64) (*outcome, error) {
	r := new(run)
	n, err := resolving.NewNet(seed, c.limits, r)
	if err != nil {
		return nil, err
	}
	r.Net = n
	data := make([]byte, c.size)
	data[0] = 1
	v := resolving.NewValue(data, wire.PartSize)
	n.Values = func(resolver.Key) *resolving.Value { return v }
	n.Jitter = c.trip / 10
	c.populate(n)
	n.Everybody()
	orders := make([]resolver.Order, c.keys)
	for i := range orders {
		sum := sha256.Sum256(fmt.Append(nil, i))
		orders[i].Key = resolver.Key(sum[:])
	}
	n.Fetch(n.Now, orders...)
	if !n.Until(time.Hour, func() bool { return n.Pending() == 0 }) {
		return nil, fmt.Errorf("%d of %d keys have not come within an hour", n.Pending(), c.keys)
	}
	return &outcome{n.Now.Sub(resolving.Began), n.Counts()}, nil
}

func (c *crowd) populate(n *resolving.Net) {
	some := c.peers / bad
	for i, at := range n.Dice.Perm(c.peers) {
		p := &resolving.Peer{ID: peer.ID(fmt.Sprintf("p%04d", i)), Latency: c.trip/2 - c.trip/20}
		p.Serving = func(size int) time.Duration { return service(size) }
		switch {
		case at < some:
			p.Serving = func(size int) time.Duration { return slowdown * service(size) }
		case at < 2*some:
			p.Nature = resolving.Liar
		}
		n.Add(p)
	}
}

// run is a Consumer that knows a right value by its first byte.
type run struct {
	*resolving.Net
}

func (r *run) Ask(a resolver.Ask) { r.Send(a) }

func (r *run) Judge(key resolver.Key, value []byte) {
	good := value[0] == 1
	r.After(judging, func() { r.Judged(r.Now, key, good) })
}

func (r *run) Failed(resolver.Key, error)                { panic("nothing is cancelled") }
func (r *run) Reply(uint64, resolver.Key, []byte, error) {}
func (r *run) Ended(time.Duration, error)                {}
func (r *run) Blocked(peer.ID, bool, time.Time)          {}

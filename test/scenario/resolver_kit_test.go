package scenario

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/sim"
)

// application is what stands on both sides of a resolver: its values are what their
// keys say, by rules of its own.
type application struct {
	slow  time.Duration // that Deliver takes
	stuck chan struct{} // for which Deliver waits; nil for nothing
	mute  bool          // Produce does not answer before its context ends

	mu      sync.Mutex
	values  map[resolver.Key][]byte
	running int // calls of Deliver
	saw     seen
}

// seen is what an application has seen.
type seen struct {
	got      map[resolver.Key][]byte
	refused  int
	failed   map[resolver.Key][]error
	produced int
	most     int // calls of Deliver at once
}

// seen returns what the application has seen so far.
func (a *application) seen() seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.saw
	s.got, s.failed = maps.Clone(s.got), maps.Clone(s.failed)
	return s
}

func newApplication() *application {
	return &application{
		values: make(map[resolver.Key][]byte),
		saw:    seen{got: make(map[resolver.Key][]byte), failed: make(map[resolver.Key][]error)},
	}
}

// keySize is that of all keys: a number, and what the value has to hash to.
const keySize = 8 + sha256.Size

// keyOf is the key of a value, with a number so that equal values have several.
func keyOf(n int, value []byte) resolver.Key {
	sum := sha256.Sum256(value)
	return resolver.Key(append(binary.BigEndian.AppendUint64(nil, uint64(n)), sum[:]...))
}

// worth is value n, of a size.
func worth(n, size int) []byte {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(n + i*i>>3)
	}
	return value
}

// has lets the application have values and returns their keys.
func (a *application) has(count, size int) []resolver.Key {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := make([]resolver.Key, count)
	for n := range keys {
		value := worth(n, size)
		keys[n] = keyOf(n, value)
		a.values[keys[n]] = value
	}
	return keys
}

// Deliver implements [resolver.Consumer].
func (a *application) Deliver(ctx context.Context, k resolver.Key, value []byte) bool {
	a.begin()
	defer a.end()
	select {
	case <-time.After(a.slow):
	case <-ctx.Done():
		return false
	}
	if a.stuck != nil {
		<-a.stuck
	}
	sum := sha256.Sum256(value)
	a.mu.Lock()
	defer a.mu.Unlock()
	if string(sum[:]) != string(k[8:]) {
		a.saw.refused++
		return false
	}
	a.saw.got[k] = value
	return true
}

func (a *application) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running++
	a.saw.most = max(a.saw.most, a.running)
}

func (a *application) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
}

// Failed implements [resolver.Consumer].
func (a *application) Failed(k resolver.Key, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saw.failed[k] = append(a.saw.failed[k], why)
}

// Produce implements [resolver.Producer].
func (a *application) Produce(ctx context.Context, k resolver.Key) ([]byte, error) {
	if a.mute {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saw.produced++
	value, some := a.values[k]
	if !some {
		return nil, resolver.ErrNone
	}
	return value, nil
}

// count is how many values have come.
func (a *application) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.saw.got)
}

// party is a node with a resolver and its application.
type party struct {
	*sim.Node
	*resolver.Resolver
	app *application
}

// resolves gives a node a resolver that asks the given nodes.
func resolves(w *sim.World, n *sim.Node, app *application, of []*sim.Node, change ...func(*resolver.Config)) *party {
	cfg := resolver.Config{
		KeySize: keySize, Consumer: app, Producer: app, Peers: resolver.NewSet(infos(of)...), Seed: 1,
	}
	for _, c := range change {
		c(&cfg)
	}
	p := &party{Node: n, app: app}
	w.Try(func(ctx context.Context) (err error) {
		p.Resolver, err = resolver.New(ctx, n.Souk(), cfg)
		return err
	})
	return p
}

func infos(of []*sim.Node) []peer.AddrInfo {
	all := make([]peer.AddrInfo, len(of))
	for i, n := range of {
		all[i] = peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()}
	}
	return all
}

// server adds a node that serves values and asks nobody.
func server(w *sim.World, l sim.Link, app *application, change ...func(*resolver.Config)) *party {
	return resolves(w, w.Node(souk, l), app, nil, change...)
}

// client adds a node that asks others.
func client(w *sim.World, l sim.Link, of []*party, change ...func(*resolver.Config)) *party {
	nodes := make([]*sim.Node, len(of))
	for i, p := range of {
		nodes[i] = p.Node
	}
	return resolves(w, w.Node(souk, l), newApplication(), nodes, change...)
}

// fetches has keys fetched and waits until all values are there.
func (p *party) fetches(w *sim.World, keys []resolver.Key, opts ...resolver.FetchOption) {
	w.Try(func(ctx context.Context) error { return p.FetchAll(ctx, keys, opts...) })
	p.awaits(w, keys)
}

// awaits waits until the values of keys have come.
func (p *party) awaits(w *sim.World, keys []resolver.Key) {
	w.Try(func(ctx context.Context) error {
		for !p.hasAll(keys) {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
}

func (p *party) hasAll(keys []resolver.Key) bool {
	p.app.mu.Lock()
	defer p.app.mu.Unlock()
	return !slices.ContainsFunc(keys, func(k resolver.Key) bool {
		_, came := p.app.saw.got[k]
		return !came
	})
}

// stat is what the resolver is at.
func (p *party) stat(w *sim.World) (stat resolver.Stat) {
	w.Try(func(ctx context.Context) (err error) {
		stat, err = p.Stat(ctx)
		return err
	})
	return stat
}

// peer is what the resolver knows of another.
func (p *party) peer(w *sim.World, of *sim.Node) (stat resolver.PeerStat) {
	w.Try(func(ctx context.Context) error {
		page, err := p.Peers(ctx, "", 0)
		for _, known := range page.Peers {
			if known.Peer == of.ID() {
				stat = known
			}
		}
		return err
	})
	return stat
}

// idle checks that a resolver has nothing left to do.
func (p *party) idle(w *sim.World) {
	stat := p.stat(w)
	w.Check(func(t require.TestingT) {
		require.Zero(t, stat.Pending)
		require.Zero(t, stat.Judged)
		require.Zero(t, stat.Undelivered)
	})
}

// scripted adds a peer that answers each request with the frames that script returns, on
// the stream on which it came.
func scripted(w *sim.World, l sim.Link, script func(nth int, r *wire.Request) []byte) *party {
	n := w.Host(l)
	w.Do(func() error {
		n.SetStreamHandler(wire.Protocol, func(s network.Stream) {
			defer s.Reset()
			in := wire.NewRequests(s)
			for nth := 0; ; nth++ {
				r, err := in.Next()
				if err != nil {
					return
				}
				if _, err := s.Write(script(nth, r)); err != nil {
					return
				}
			}
		})
		return nil
	})
	return &party{Node: n}
}

// says is messages as frames, also those that are against the rules.
func says(ms ...wire.Message) (frames []byte) {
	for _, m := range ms {
		frame, err := wire.AppendFrame(nil, m)
		if err != nil {
			panic(err)
		}
		frames = append(frames, frame...)
	}
	return frames
}

// getting is a Get in the background.
type getting struct {
	value []byte
	err   error
	done  chan struct{}
}

func (p *party) gets(w *sim.World, k resolver.Key, opts ...resolver.FetchOption) *getting {
	g := &getting{done: make(chan struct{})}
	w.Do(func() error {
		go func() {
			defer close(g.done)
			g.value, g.err = p.Get(context.Background(), k, opts...)
		}()
		return nil
	})
	return g
}

// await waits for the end of a Get.
func (g *getting) await(w *sim.World) ([]byte, error) {
	w.Try(func(ctx context.Context) error {
		select {
		case <-g.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return g.value, g.err
}

// faults are those that a node has counted of a peer, by name.
func (p *party) faults(of *party) map[string]uint64 {
	r, _ := p.Souk().Ledger(of.ID())
	return r.Faults
}

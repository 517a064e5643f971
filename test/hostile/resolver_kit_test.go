package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// almanac is an application of a resolver: a key says how long its value is, and the
// value repeats the key. There is none of keys with an odd number.
type almanac struct{}

const almanacKey = 16

// keyed is a key with a value of so many bytes.
func keyed(size, n int) resolver.Key {
	return resolver.Key(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(size)), uint64(n)))
}

func (almanac) value(k string) []byte {
	size := int(binary.BigEndian.Uint64([]byte(k)))
	return bytes.Repeat([]byte(k), size/almanacKey+1)[:size]
}

func (a almanac) Deliver(_ context.Context, k resolver.Key, value []byte) bool {
	return bytes.Equal(value, a.value(string(k)))
}

func (almanac) Failed(resolver.Key, error) {}

func (a almanac) Produce(_ context.Context, k resolver.Key) ([]byte, error) {
	if size := binary.BigEndian.Uint64([]byte(k)); size > 16<<20 || k[almanacKey-1]%2 == 1 {
		return nil, resolver.ErrNone
	}
	return a.value(string(k)), nil
}

// reader is a node with a resolver of the almanac.
type reader struct {
	*resolver.Resolver
	host     host.Host
	exchange *exchanges.Souk
}

func newReader(t *testing.T, peers resolver.Source, limits resolver.Limits) *reader {
	t.Helper()
	r := &reader{host: loopback{}.newHost(t, true)}
	var err error
	r.exchange, err = exchanges.NewSouk(r.host)
	require.NoError(t, err)
	r.Resolver, err = resolver.New(t.Context(), r.exchange.Exchange, resolver.Config{
		KeySize: almanacKey, Consumer: almanac{}, Producer: almanac{}, Peers: peers, Limits: limits,
	})
	require.NoError(t, err)
	return r
}

func (r *reader) info() peer.AddrInfo { return peer.AddrInfo{ID: r.host.ID(), Addrs: r.host.Addrs()} }

func (r *reader) stat(t *testing.T) resolver.Stat {
	t.Helper()
	s, err := r.Stat(t.Context())
	require.NoError(t, err)
	return s
}

// library is a node with an honest peer, each of which asks the other, and a host that
// both serve and that the node asks as well.
type library struct {
	t            *testing.T
	node, honest *reader
	asked        *resolver.Set // by the node
	host         host.Host     // that means harm
	over         chan struct{}
	began        sync.WaitGroup // what the host does
	n            int            // keys that were asked for
}

func newLibrary(t *testing.T, limits resolver.Limits) *library {
	t.Helper()
	asked := resolver.NewSet()
	l := &library{
		t: t, node: newReader(t, asked, limits), asked: asked, host: loopback{}.newHost(t, true), over: make(chan struct{}),
	}
	l.honest = newReader(t, resolver.NewSet(l.node.info()), resolver.Limits{})
	asked.Add(l.honest.info(), peer.AddrInfo{ID: l.host.ID(), Addrs: l.host.Addrs()})
	require.NoError(t, l.host.Connect(t.Context(), l.node.info()))
	return l
}

// ends has the host leave.
func (l *library) ends() {
	l.t.Helper()
	close(l.over)
	require.NoError(l.t, l.host.Network().ClosePeer(l.node.host.ID()))
	l.began.Wait()
}

// close ends the others, and looks whether something was logged that is a bug.
func (l *library) close() {
	l.t.Helper()
	for _, r := range []*reader{l.node, l.honest} {
		require.NoError(l.t, r.Close())
		require.NoError(l.t, r.exchange.Close())
	}
}

// pulse fetches at the honest peer and at the node in turn, until enough time has passed
// and as many as are compared, and returns how long each took.
func (l *library) pulse(atLeast time.Duration) (took []time.Duration) {
	l.t.Helper()
	for until := time.Now().Add(atLeast); len(took) < size(20, samples) || time.Now().Before(until); l.n++ {
		by := []*reader{l.honest, l.node}[l.n%2]
		ctx, cancel := context.WithTimeout(l.t.Context(), honestLimit)
		begun := time.Now()
		_, err := by.Get(ctx, keyed(1<<10, 2*l.n))
		cancel()
		require.NoError(l.t, err, "the honest peer and the node get every value")
		took = append(took, time.Since(begun))
	}
	return took
}

// wants has the node fetch many keys, from the host as well.
func (l *library) wants() {
	l.t.Helper()
	var keys []resolver.Key
	for n := range wanted {
		keys = append(keys, keyed(1<<10, 2*(n+1<<20)))
	}
	require.NoError(l.t, l.node.FetchAll(l.t.Context(), keys))
}

// wanted is how many keys the node fetches while it is under siege: some rounds of what
// peers may be asked at a time.
const wanted = 300

// does has the host do something again and again, in so many goroutines, until the end.
func (l *library) does(goroutines int, what func(n int) error) {
	for range goroutines {
		l.began.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.over:
					return
				default:
				}
				if what(n) != nil {
					time.Sleep(10 * time.Millisecond) // It was refused.
				}
			}
		})
	}
}

var errOver = errors.New("over")

// open opens a stream of the protocol to the node.
func (l *library) open() (network.Stream, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	return l.host.NewStream(ctx, l.node.host.ID(), wire.Protocol)
}

// asks writes bytes on a stream of their own, again and again, and reads what comes.
func (l *library) asks(frames func(n int) []byte) func(int) error {
	return func(int) error {
		s, err := l.open()
		if err != nil {
			return err
		}
		defer s.Reset()
		l.began.Go(func() { drain(s) })
		for n := 0; ; n++ {
			select {
			case <-l.over:
				return errOver
			default:
			}
			if _, err := s.Write(frames(n)); err != nil {
				return err
			}
		}
	}
}

// drain reads a stream to its end.
func drain(s network.Stream) {
	b := make([]byte, 64<<10)
	for {
		if _, err := s.Read(b); err != nil {
			return
		}
	}
}

// answers has the host serve streams of the node.
func (l *library) answers(serve func(s network.Stream) error) {
	l.host.SetStreamHandler(wire.Protocol, func(s network.Stream) {
		l.began.Add(1)
		defer l.began.Done()
		defer s.Reset()
		_ = serve(s) // It is reset, which is what is wanted.
	})
}

// answering answers each request with frames.
func answering(frames func(r *wire.Request) []byte) func(network.Stream) error {
	return func(s network.Stream) error {
		in := wire.NewRequests(s)
		for {
			r, err := in.Next()
			if err != nil {
				return err
			}
			if _, err := s.Write(frames(r)); err != nil {
				return err
			}
		}
	}
}

// said are messages as frames.
func said(ms ...wire.Message) (frames []byte) {
	for _, m := range ms {
		frame, err := wire.AppendFrame(nil, m)
		if err != nil {
			panic(err) // It is in the code of the test.
		}
		frames = append(frames, frame...)
	}
	return frames
}

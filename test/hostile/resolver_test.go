package hostile

import (
	"bytes"
	"crypto/sha256"
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/resolver/wire"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// siege is what a host does to a resolver.
type siege struct {
	name   string
	begins func(l *library)
	heap   uint64 // bytes more than before that are in use at most
}

// Whatever a host does to a resolver, as who asks or as who is asked: the honest peer and
// the node go on fetching from each other, memory is bounded, and nothing is left.
func TestSiegesOfAResolver(t *testing.T) {
	for _, c := range append(askers(), answerers()...) {
		t.Run(c.name, func(t *testing.T) {
			tally.Add(t, tally.BadInputs, 1)
			endure(t, c)
		})
	}
}

func endure(t *testing.T, c siege) {
	l := newLibrary(t, resolver.Limits{Timeout: time.Second})
	defer l.close()
	alone := p99(l.pulse(0))
	rest, watch, spent, begun := sim.Use(), watchHeap(), cpu(), time.Now()
	c.begins(l)
	l.wants()
	took := l.pulse(time.Duration(size(200, 3000)) * time.Millisecond)
	spent, lasted := cpu()-spent, time.Since(begun)
	stat := l.node.stat(t)
	used := watch.above(rest.Heap)
	t.Logf("%d fetches in %s, p99 %s, %s before; %d KiB in use, %.1f of a core; served %v; faults %v, %+v",
		len(took), lasted.Round(time.Millisecond), p99(took), alone, used>>10, spent.Seconds()/lasted.Seconds(), stat.Serving.Outcomes, stat.Serving.Faults, stat.Counts)
	require.NoError(t, eventually(func() bool { return l.node.stat(t).Pending == 0 }), "every key is had")
	require.Less(t, used, c.heap, "bytes in use")
	require.Less(t, p99(took), patience)
	r, _ := l.node.exchange.Ledger(l.honest.host.ID())
	require.Empty(t, r.Faults)
	l.ends()
	require.NoError(t, eventually(func() bool { return runtime.NumGoroutine() <= rest.Goroutines }), "goroutines")
}

// eventually waits for a condition on a busy machine.
func eventually(met func() bool) error { return new(arena).until(patience, met) }

const mib = 1 << 20

// request is the frame of a request for a value.
func request(n int, key resolver.Key) []byte {
	return said(&wire.Request{ID: wire.ID(n + 1), Key: string(key)})
}

// askers are sieges by a host that asks.
func askers() []siege {
	much := size(1, 16) * mib
	lie := func(n int) wire.List { return sha256.Sum256([]byte{byte(n), byte(n >> 8)}) }
	return []siege{
		{"absent keys at full speed", func(l *library) {
			l.does(2, l.asks(func(n int) []byte { return request(n, keyed(0, 2*n+1)) }))
		}, 64 * mib},
		{"half a frame, a thousand times", func(l *library) {
			l.does(4, func(int) error {
				s, err := l.open()
				if err != nil {
					return err
				}
				_, err = s.Write(request(0, keyed(0, 0))[:5])
				l.began.Go(func() { <-l.over; _ = s.Reset() })
				return err
			})
		}, 64 * mib},
		{"lengths of 2^63-1", func(l *library) {
			l.does(2, func(int) error {
				s, err := l.open()
				if err != nil {
					return err
				}
				defer s.Reset()
				_, err = s.Write(protowire.AppendVarint(nil, 1<<63-1))
				drain(s)
				return err
			})
		}, 64 * mib},
		{"large values, one part of each", func(l *library) {
			l.does(2, l.asks(func(n int) []byte { return request(n, keyed(much, 2*(n%128))) }))
		}, 400 * mib},
		{"large values that are not read", func(l *library) {
			l.does(2, func(int) error {
				s, err := l.open()
				if err != nil {
					return err
				}
				for n := range 64 {
					if _, err := s.Write(request(n, keyed(much, 2*n))); err != nil {
						return err
					}
				}
				<-l.over
				return s.Reset()
			})
		}, 400 * mib},
		{"lists that are none", func(l *library) {
			l.does(2, l.asks(func(n int) []byte {
				return said(&wire.Request{ID: wire.ID(n + 1), Key: string(keyed(much, 2*(n%128))), Part: 1, List: lie(n)})
			}))
		}, 400 * mib},
		{"a list that is none, of one key", func(l *library) {
			l.does(2, l.asks(func(n int) []byte {
				return said(&wire.Request{ID: wire.ID(n + 1), Key: string(keyed(much, 0)), Part: 1, List: lie(n)})
			}))
		}, 400 * mib},
		{"requests that end after each byte", func(l *library) {
			frame := said(&wire.Request{ID: 1, Key: string(keyed(mib, 0)), List: lie(0)})
			l.does(2, func(n int) error {
				s, err := l.open()
				if err != nil {
					return err
				}
				_, err = s.Write(frame[:n%(len(frame)+1)])
				if n%2 == 0 {
					_ = s.Reset()
				} else {
					_ = s.CloseWrite()
					drain(s)
				}
				return err
			})
		}, 64 * mib},
	}
}

// answerers are sieges by a host that is asked.
func answerers() []siege {
	value := func(r *wire.Request) []byte { return almanac{}.value(r.Key) }
	whole := func(r *wire.Request) *wire.Response { return &wire.Response{ID: r.ID, Data: value(r)} }
	large := wire.Split(make([]byte, 16*mib))
	flood := func(answer []byte) func(network.Stream) error {
		return func(s network.Stream) error {
			if _, err := wire.NewRequests(s).Next(); err != nil {
				return err
			}
			all := bytes.Repeat(answer, 1+64<<10/len(answer))
			for {
				if _, err := s.Write(all); err != nil {
					return err
				}
			}
		}
	}
	return []siege{
		{"answers to nothing", func(l *library) { l.answers(flood(said(&wire.Response{ID: 1 << 60}))) }, 64 * mib},
		{"answers to nothing, of one that has left", func(l *library) {
			removed := make(chan struct{})
			l.answers(func(s network.Stream) error {
				r, err := wire.NewRequests(s).Next()
				if err == nil {
					_, err = s.Write(said(whole(r)))
				}
				if err != nil {
					return err
				}
				<-removed
				for begun := time.Now(); ; {
					if _, err := s.Write(said(&wire.Response{ID: 1 << 60})); err != nil {
						assert.Less(l.t, time.Since(begun), patience)
						return err
					}
				}
			})
			_, err := l.node.Get(l.t.Context(), keyed(1<<10, 0), resolver.From(l.host.ID()))
			require.NoError(l.t, err)
			l.asked.Remove(l.host.ID())
			close(removed)
		}, 64 * mib},
		{"answers in large frames", func(l *library) {
			l.answers(answering(func(r *wire.Request) []byte {
				frame := said(whole(r))
				_, n := protowire.ConsumeVarint(frame)
				body := protowire.AppendBytes(protowire.AppendTag(frame[n:], 1000, protowire.BytesType), make([]byte, 300<<10))
				return append(protowire.AppendVarint(nil, uint64(len(body))), body...)
			}))
		}, 64 * mib},
		{"what is no message", func(l *library) { l.answers(flood([]byte{3, 0xff, 0xff, 0xff})) }, 64 * mib},
		{"half an answer", func(l *library) {
			l.answers(func(s network.Stream) error {
				r, err := wire.NewRequests(s).Next()
				if err != nil {
					return err
				}
				frame := said(whole(r))
				_, err = s.Write(frame[:len(frame)/2])
				drain(s)
				return err
			})
		}, 64 * mib},
		{"values of 16 MiB that do not go on", func(l *library) {
			l.answers(answering(func(r *wire.Request) []byte {
				if r.Part > 0 {
					return nil
				}
				return said(&wire.Response{ID: r.ID, Data: make([]byte, wire.PartSize), Parts: large})
			}))
		}, 256 * mib},
		{"parts that change", func(l *library) {
			l.answers(answering(func(r *wire.Request) []byte {
				if r.Part > 0 {
					return said(&wire.Response{ID: r.ID, Data: bytes.Repeat([]byte{byte(r.Part)}, wire.PartSize)})
				}
				return said(&wire.Response{ID: r.ID, Data: make([]byte, wire.PartSize), Parts: large})
			}))
		}, 256 * mib},
		{"each answer twice", func(l *library) {
			l.answers(answering(func(r *wire.Request) []byte { return said(whole(r), whole(r)) }))
		}, 64 * mib},
		{"answers that end after each byte", func(l *library) {
			n := 0
			l.answers(func(s network.Stream) error {
				r, err := wire.NewRequests(s).Next()
				if err != nil {
					return err
				}
				frame := said(whole(r))
				n++
				_, err = s.Write(frame[:n%len(frame)])
				return err
			})
		}, 64 * mib},
	}
}

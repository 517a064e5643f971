package hostile

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// How many streams are read at most: of a peer of which none is idle, of one with
// idle ones, and of the honest peer.
const (
	streamsAtRest = 32.0
	streamsOfPeer = 8 * streamsAtRest
	honestStreams = 2
)

// Streams cost little, and a peer has a bounded number of them.
func TestStreamsThatSayNothing(t *testing.T) {
	runAll(t, []badInput{
		{
			// QUIC lets a connection have 256 of them at a time.
			name: "250, with a byte every ten seconds", once: true,
			attack: func(x *attacker) {
				list := frame(wants(absents(4)...))
				x.parallel(250, func() network.Stream { return x.drips(list) })
			},
			then: func(x *attacker) {
				require.LessOrEqual(x.t, x.metric("souk_inbound_streams"), streamsOfPeer+honestStreams)
				time.Sleep(2 * time.Second)
				x.sends(frame(wants(absent(0))))
				require.NoError(x.t, x.until(time.Second, func() bool {
					return x.metric("souk_inbound_streams") <= streamsAtRest+honestStreams
				}))
			},
			faults: faults(message.FaultFlood, message.FaultFrameSlow), within: time.Minute,
		},
		{
			name: "200 that are never negotiated",
			attack: func(x *attacker) {
				x.parallel(200, func() network.Stream { return x.halfOpen("\x13/multistream/1.0.0\n\x14/ipfs/bits") })
			},
		},
		{
			name: "200 that are opened and nothing more",
			attack: func(x *attacker) {
				x.parallel(200, func() network.Stream { return x.halfOpen("") })
			},
		},
		{
			name: "1,000 one after the other",
			attack: func(x *attacker) {
				for range 1000 {
					x.sends(frame(wants(absent(0))))
				}
			},
		},
	})
}

// halfOpen opens a stream and writes what may be a part of its negotiation.
func (x *attacker) halfOpen(b string) network.Stream {
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Second)
	defer cancel()
	s, err := x.host.Network().NewStream(network.WithNoDial(ctx, "attack"), x.self.ID())
	if err != nil {
		return nil
	}
	if _, err := s.Write([]byte(b)); err != nil {
		return nil
	}
	return s
}

// A peer that reads nothing holds no more than its share of what is being sent, and
// for no longer than a write may take.
func TestARequesterThatNeverReads(t *testing.T) {
	large := corpus.Blocks(21, 12, 1<<20)
	runAll(t, []badInput{{
		name: "12 MiB wanted, and 10,000 more",
		prepare: func(x *attacker) {
			x.deaf = true
			require.NoError(x.t, x.node.Put(x.t.Context(), large...))
		},
		attack: func(x *attacker) {
			x.sends(frame(wants(append(corpus.CIDs(large), absents(10_000)...)...)))
		},
		then: func(x *attacker) {
			most := 0.0
			for range 100 {
				time.Sleep(time.Second)
				most = max(most, x.metric("souk_held_bytes sending"))
			}
			require.Positive(x.t, most)
			require.LessOrEqual(x.t, most, 4.0*(1<<20))
		},
	}})
}

// Peers that come, say something and are gone leave nothing, however many they are.
func TestPeersThatComeAndGo(t *testing.T) {
	const rounds = 5
	visitors := size(20, 1000)
	var crowd []*attacker
	everybody := func(do func(x *attacker)) {
		var all sync.WaitGroup
		for _, x := range crowd {
			all.Go(func() { do(x) })
			time.Sleep(10 * time.Millisecond) // a hundred a second
		}
		all.Wait()
	}
	come := func(say func(x *attacker)) func(x *attacker) {
		return func(*attacker) {
			for range rounds {
				everybody(func(x *attacker) {
					if x.connect(x.host) == nil {
						say(x)
						_ = x.host.Network().ClosePeer(x.self.ID())
					}
				})
			}
		}
	}
	prepare := func(x *attacker) {
		crowd = []*attacker{x}
		for range visitors {
			crowd = append(crowd, x.newAttacker(v120))
		}
	}
	forgotten := func(x *attacker) {
		time.Sleep(gone)
		for _, c := range crowd {
			_, known := x.node.Ledger(c.host.ID())
			require.False(x.t, known)
		}
		x.joins()
	}
	runAll(t, []badInput{
		{name: "and say nothing", prepare: prepare, hosts: visitors, attack: come(func(*attacker) {}), then: forgotten},
		{
			name: "and want something", prepare: prepare, hosts: visitors, then: forgotten,
			attack: come(func(x *attacker) { x.sends(frame(wants(absents(100)...))) }),
		},
		{
			name: "in the middle of a frame", prepare: prepare, hosts: visitors, then: forgotten,
			attack: come(func(x *attacker) { x.writes(frame(wants(absents(100)...))[:50]) }),
		},
	})
}

// A crowd behind one address, or in one network, has the places of a crowd, and does
// not take that of who was of use.
func TestManyIdentities(t *testing.T) {
	const places = 8
	runAll(t, []badInput{
		crowded("behind one address", places, size(40, 1000), (*arena).newAttacker, souk.WithPeersPer(places, 1000)),
		crowded("in one network", places, size(40, 200), (*arena).newNeighbour, souk.WithPeersPer(1000, places)),
	})
}

func crowded(name string, places, identities int, newcomer func(*arena, protocol.ID) *attacker, opt souk.Option) badInput {
	var crowd []*attacker
	return badInput{
		name: name, opts: []souk.Option{opt}, hosts: identities,
		prepare: func(x *attacker) {
			for range identities {
				crowd = append(crowd, newcomer(x.arena, v120))
			}
		},
		attack: func(x *attacker) {
			for _, c := range crowd {
				c.joins()
				c.sends(frame(wants(absents(100)...)))
			}
			time.Sleep(time.Second)
		},
		then: func(x *attacker) {
			require.LessOrEqual(x.t, x.metric("souk_peers engine"), float64(places))
			require.LessOrEqual(x.t, x.metric("souk_peers network"), float64(places))
			require.Positive(x.t, x.metric("souk_refused_total crowd"))
			for _, c := range crowd {
				require.NoError(x.t, c.host.Network().ClosePeer(x.self.ID()))
			}
			time.Sleep(gone)
			require.True(x.t, x.served(), "there is place again")
		},
	}
}

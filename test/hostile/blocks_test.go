package hostile

import (
	"context"
	"crypto/sha512"
	"encoding/binary"
	"testing"
	"time"

	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// A block that nobody asked for is dropped, and is no merit of its sender.
func TestUnaskedBlocks(t *testing.T) {
	unasked := corpus.Blocks(6, 1, 1000)[0]
	runAll(t, []badInput{
		{
			name:   "never wanted",
			attack: sending(frame(block(unasked))),
			then:   func(x *attacker) { x.drops(unasked) },
			faults: faults(message.FaultUnasked),
		},
		{
			name:   "a thousand in one message",
			attack: sending(frame(each(1000, func(i int) []byte { return payload([]byte{1, raw, sha2256, 32}, counter(i)) }))),
			faults: faults(message.FaultUnasked),
		},
		{
			name:   "wanted of another peer",
			attack: func(x *attacker) { x.sends(frame(block(wantedElsewhere(x)))) },
			faults: faults(message.FaultUnasked),
		},
		{
			name: "wanted and withdrawn",
			attack: func(x *attacker) {
				ctx, giveUp := context.WithCancel(x.t.Context())
				done := x.asked(ctx, unasked.Cid())
				x.wanted(unasked.Cid())
				giveUp()
				require.Error(x.t, (<-done).err)
				time.Sleep(30 * time.Second)
				x.sends(frame(block(unasked)))
				x.drops(unasked)
			},
		},
	})
}

// drops checks that a block leaves no trace but the count of a duplicate.
func (x *attacker) drops(b blocks.Block) {
	x.t.Helper()
	require.NoError(x.t, x.until(time.Second, func() bool { return x.node.Stat().DupBlksReceived == 1 }))
	time.Sleep(time.Second)
	require.False(x.t, x.kept(b.Cid()))
}

// wantedElsewhere has the node want a block of the honest peer, for a moment.
func wantedElsewhere(x *attacker) blocks.Block {
	b := x.fresh(1000)
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Second)
	s := x.node.NewSession(ctx, session.WithPeers(x.visitor.ID()), session.WithWaiting())
	go func() {
		defer cancel()
		_, _ = s.GetBlock(ctx, b.Cid())
	}()
	time.Sleep(link.RoundTrip)
	return b
}

// What a peer sends in place of a block that it was asked for leaves the want as it
// is: it is asked of another, and the peer that lied sinks.
func TestBlocksThatAreNotWhatWasAsked(t *testing.T) {
	invalid := faults(message.FaultInvalid)
	answers := func(f func(b blocks.Block) []byte) func(x *attacker) {
		return func(x *attacker) { x.liesAbout(f) }
	}
	runAll(t, []badInput{
		{
			name: "altered bytes", faults: invalid,
			attack: answers(func(b blocks.Block) []byte {
				altered := append([]byte{}, b.RawData()...)
				altered[0] ^= 1
				return payload(b.Cid().Prefix().Bytes(), altered)
			}),
		},
		{
			name: "cut bytes", faults: invalid,
			attack: answers(func(b blocks.Block) []byte {
				return payload(b.Cid().Prefix().Bytes(), b.RawData()[1:])
			}),
		},
		{
			name: "no bytes", faults: invalid,
			attack: answers(func(b blocks.Block) []byte {
				return field(msgPayload, field(blockPrefix, b.Cid().Prefix().Bytes()))
			}),
		},
		{
			name: "another codec", faults: invalid,
			attack: answers(func(b blocks.Block) []byte { return payload([]byte{1, dagPB, sha2256, 32}, b.RawData()) }),
		},
		{
			name: "another hash function", faults: invalid,
			attack: answers(func(b blocks.Block) []byte {
				return payload([]byte{1, raw, sha2512, sha512.Size}, b.RawData())
			}),
		},
		{
			name: "another version", faults: invalid,
			attack: answers(func(b blocks.Block) []byte { return field(msgBlocks, b.RawData()) }),
		},
		{
			name: "a shorter digest", faults: invalid,
			attack: answers(func(b blocks.Block) []byte { return payload([]byte{1, raw, sha2256, 20}, b.RawData()) }),
		},
	})
}

// liesAbout lets the node fetch a block of the attacker, which answers with a lie,
// and of an honest peer that gets it only later.
func (x *attacker) liesAbout(lie func(b blocks.Block) []byte) {
	x.t.Helper()
	b := x.fresh(1000)
	x.answers(func(e *pb.Message_Wantlist_Entry) [][]byte {
		if string(e.GetBlock()) != string(b.Cid().Bytes()) {
			return nil
		}
		if e.GetWantType() == pb.Message_Wantlist_Have {
			return [][]byte{frame(have(b.Cid()))}
		}
		return [][]byte{frame(lie(b))}
	})
	done := x.asked(x.t.Context(), b.Cid(), x.visitor.ID())
	time.Sleep(10 * link.RoundTrip)
	require.False(x.t, x.kept(b.Cid()))
	require.NoError(x.t, x.honest.Put(x.t.Context(), b))
	x.delivers(done, b)
}

// A prefix that does not parse, or contradicts itself, costs no hashing.
func TestPrefixesThatLie(t *testing.T) {
	data := make([]byte, 1000)
	wrong := faults(message.FaultPrefix)
	runAll(t, []badInput{
		{name: "version 7", attack: sending(frame(payload([]byte{7, raw, sha2256, 32}, data))), faults: wrong},
		{
			name: "digest of 2^63-1 bytes", faults: wrong,
			attack: sending(frame(payload(append([]byte{1, raw, sha2256}, binary.AppendUvarint(nil, 1<<63-1)...), data))),
		},
		{name: "digest longer than the hash", attack: sending(frame(payload([]byte{1, raw, sha2256, 33}, data))), faults: wrong},
		{name: "version 0 of another codec", attack: sending(frame(payload([]byte{0, raw, sha2256, 32}, data))), faults: wrong},
		{name: "empty", attack: sending(frame(payload(nil, data))), faults: wrong},
		{name: "one number", attack: sending(frame(payload([]byte{1}, data))), faults: wrong},
		{name: "five numbers", attack: sending(frame(payload([]byte{1, raw, sha2256, 32, 0}, data))), faults: wrong},
		{name: "padded", attack: sending(frame(payload([]byte{0x81, 0, raw, sha2256, 32}, data))), faults: wrong},
		{name: "64 KiB", attack: sending(frame(payload(make([]byte, 64<<10), data))), faults: wrong},
		{name: "none", attack: sending(frame(field(msgPayload, field(blockData, data)))), faults: wrong},
	})
}

// The caller gets a block once, however often it comes.
func TestBlocksThatComeMoreThanOnce(t *testing.T) {
	runAll(t, []badInput{
		{
			name: "a thousand times",
			attack: func(x *attacker) {
				b := x.fresh(100)
				done := x.asked(x.t.Context(), b.Cid())
				x.wanted(b.Cid())
				x.sends(times(1000, frame(block(b))...))
				x.delivers(done, b)
				require.NoError(x.t, x.until(time.Second, func() bool { return x.node.Stat().DupBlksReceived == 999 }))
				require.True(x.t, x.kept(b.Cid()))
			},
		},
		{
			name: "from two peers at once",
			attack: func(x *attacker) {
				b := x.fresh(1000)
				require.NoError(x.t, x.honest.Put(x.t.Context(), b))
				first, second := x.asked(x.t.Context(), b.Cid()), x.asked(x.t.Context(), b.Cid(), x.visitor.ID())
				x.wanted(b.Cid())
				x.sends(frame(block(b)))
				x.delivers(first, b)
				x.delivers(second, b)
			},
		},
		{
			name: "twice in a message",
			attack: func(x *attacker) {
				b := x.fresh(100)
				done := x.asked(x.t.Context(), b.Cid())
				x.wanted(b.Cid())
				x.sends(frame(block(b), block(b)))
				x.delivers(done, b)
			},
		},
	})
}

// Blocks of up to 2 MiB are accepted and served. That of no bytes is known by its
// CID, and served as well.
func TestSizesOfBlocks(t *testing.T) {
	const most = 2 << 20
	nothing := corpus.Blocks(7, 1, 0)[0]
	cases := []badInput{{name: "no bytes", attack: func(x *attacker) {
		x.delivers(x.asked(x.t.Context(), nothing.Cid()), nothing)
		require.NoError(x.t, x.node.Put(x.t.Context(), nothing))
		x.sends(frame(wants(nothing.Cid())))
		x.expect("it is served", func(g got) bool { return g.blocks[""] == 1 })
	}}}
	for name, size := range map[string]int{"one byte": 1, "2 MiB": most} {
		b := corpus.Blocks(7, 1, size)[0]
		cases = append(cases, badInput{name: name, attack: func(x *attacker) {
			done := x.asked(x.t.Context(), b.Cid())
			x.wanted(b.Cid())
			x.sends(frame(block(b)))
			x.delivers(done, b)
			require.NoError(x.t, x.until(time.Second, func() bool { return x.kept(b.Cid()) }))
			x.sends(frame(wants(b.Cid())))
			x.expect("it is served", func(g got) bool { return g.blocks[string(b.RawData())] == 1 })
		}})
	}
	for name, size := range map[string]int{"a byte over 2 MiB": most + 1, "nearly 4 MiB": 4<<20 - 64} {
		b := corpus.Blocks(7, 1, size)[0]
		cases = append(cases, badInput{
			name:   name,
			attack: sending(frame(block(b))),
			then:   func(x *attacker) { require.False(x.t, x.kept(b.Cid())) },
			faults: faults(message.FaultBlockTooLarge), once: true,
		})
	}
	runAll(t, cases)
}

// A caller that wants a block under another codec does not get it under this one.
func TestABlockOfAnotherCodecIsNotDelivered(t *testing.T) {
	runAll(t, []badInput{{
		name: "asked by two callers",
		attack: func(x *attacker) {
			b := x.fresh(1000)
			other := cid.NewCidV1(dagPB, b.Cid().Hash())
			ctx, giveUp := context.WithTimeout(x.t.Context(), 5*time.Second)
			defer giveUp()
			first, second := x.asked(ctx, b.Cid()), x.asked(ctx, other)
			x.wanted(b.Cid())
			x.wanted(other)
			x.sends(frame(block(b)))
			x.delivers(first, b)
			require.ErrorIs(x.t, (<-second).err, context.DeadlineExceeded)
		},
	}})
}

package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// amongGood wants something odd between two blocks that the node has.
func amongGood(odd ...[]byte) func(x *attacker) {
	return func(x *attacker) {
		list := [][]byte{entry(x.data[0].Cid().Bytes(), number(entryDontHave, 1))}
		for _, c := range odd {
			list = append(list, entry(c, number(entryDontHave, 1)))
		}
		x.sends(frame(wantlist(append(list, entry(x.data[1].Cid().Bytes()))...)))
	}
}

// restIsServed expects the two good blocks and no answer to anything else.
func restIsServed(x *attacker) {
	x.t.Helper()
	x.expect("the other entries are served", func(g got) bool { return len(g.blocks) == 2 })
	time.Sleep(time.Second)
	g := x.heard()
	require.Len(x.t, g.blocks, 2)
	require.Empty(x.t, g.haves)
	require.Empty(x.t, g.donts)
}

// An entry with a CID that is wrong is skipped and counted; the others are served.
func TestWantsForWrongCIDs(t *testing.T) {
	digest := bytes.Repeat([]byte{7}, 32)
	v0 := append([]byte{sha2256, 32}, digest...)
	cases := []badInput{
		{name: "empty", attack: amongGood([]byte{}), faults: faults(message.FaultCID)},
		{name: "one byte", attack: amongGood([]byte{1}), faults: faults(message.FaultCID)},
		{name: "trailing bytes", attack: amongGood(append(cidOf(raw, sha2256, digest), 0)), faults: faults(message.FaultCID)},
		{name: "version 0 with trailing bytes", attack: amongGood(append(v0, 0)), faults: faults(message.FaultCID)},
		{name: "version 2", attack: amongGood(append([]byte{2}, cidOf(raw, sha2256, digest)[1:]...)), faults: faults(message.FaultCID)},
		{name: "version 0 with SHA-1", attack: amongGood(append([]byte{sha1, 20}, digest[:20]...)), faults: faults(message.FaultCID)},
		{name: "digest shorter than announced", attack: amongGood(append([]byte{1, raw, sha2256, 32}, digest[:31]...)), faults: faults(message.FaultCID)},
		{name: "padded varints", attack: amongGood(append([]byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, cidOf(raw, sha2256, digest)[1:]...)), faults: faults(message.FaultCID)},

		{name: "169 bytes", attack: amongGood(cidOf(raw, sha2512, make([]byte, 164))), faults: faults(message.FaultCIDTooLong)},
		{name: "1 KiB", attack: amongGood(make([]byte, 1<<10)), faults: faults(message.FaultCIDTooLong)},
		{name: "1 MiB", attack: amongGood(make([]byte, 1<<20)), faults: faults(message.FaultCIDTooLong), once: true},

		{name: "identity of nothing", attack: amongGood(cidOf(raw, identity, nil)), faults: faults(message.FaultIdentity)},
		{name: "identity of 128 bytes", attack: amongGood(cidOf(raw, identity, make([]byte, 128))), faults: faults(message.FaultIdentity)},
		{name: "identity of 129 bytes", attack: amongGood(cidOf(raw, identity, make([]byte, 129))), faults: faults(message.FaultIdentity)},
		{name: "identity of 64 KiB", attack: amongGood(cidOf(raw, identity, make([]byte, 64<<10))), faults: faults(message.FaultCIDTooLong)},

		{name: "unknown hash function", attack: amongGood(cidOf(raw, 0x300000, digest)), faults: faults(message.FaultHash)},
		{name: "SHA-1 outside of git", attack: amongGood(cidOf(raw, sha1, digest[:20])), faults: faults(message.FaultHash)},
		{name: "MD5", attack: amongGood(cidOf(raw, md5, digest[:16])), faults: faults(message.FaultHash)},
		{name: "SHA-256 cut to a byte", attack: amongGood(cidOf(raw, sha2256, digest[:1])), faults: faults(message.FaultHash)},
		{name: "SHA-256 cut to 19 bytes", attack: amongGood(cidOf(raw, sha2256, digest[:19])), faults: faults(message.FaultHash)},
		{name: "SHA-256 of 33 bytes", attack: amongGood(cidOf(raw, sha2256, append(digest, 7))), faults: faults(message.FaultHash)},
	}
	for i := range cases {
		cases[i].then = restIsServed
	}
	runAll(t, cases)
}

// Blocks are found by their multihash: the codec of the CID that asks is that of
// the answer.
func TestOneBlockUnderManyCodecs(t *testing.T) {
	under := func(x *attacker, codec uint64) cid.Cid { return cid.NewCidV1(codec, x.data[0].Cid().Hash()) }
	const most = 100
	runAll(t, []badInput{
		{
			name:   "unknown codec",
			attack: func(x *attacker) { x.sends(frame(wants(under(x, 0x300000)))) },
			then: func(x *attacker) {
				prefix := string(under(x, 0x300000).Prefix().Bytes())
				x.expect("the block comes under the codec", func(g got) bool { return g.prefixes[prefix] == 1 })
			},
		},
		{
			name: "100 codecs",
			attack: func(x *attacker) {
				x.sends(frame(wantlist(each(most, func(i int) []byte { return entry(under(x, uint64(1000+i)).Bytes()) }))))
			},
			then: func(x *attacker) {
				x.expect("each is answered", func(g got) bool { return len(g.prefixes) == most })
				time.Sleep(time.Second)
				require.Len(x.t, x.heard().order, most, "each once")
				r, _ := x.node.Ledger(x.host.ID())
				require.EqualValues(x.t, most, r.BlocksSent)
			},
		},
	})
}

// What proves nothing is neither asked for nor believed.
func TestHashesThatProveNothing(t *testing.T) {
	data := corpus.Blocks(3, 1, 100)[0].RawData()
	sum := sha256.Sum256(data)
	prefix := func(codec, hash uint64, size int) []byte {
		return cidOf(codec, hash, make([]byte, size))[:prefixLen(hash)]
	}
	refusesToAsk := func(c []byte) func(x *attacker) {
		return func(x *attacker) {
			parsed, err := cid.Cast(c)
			require.NoError(x.t, err)
			_, err = x.node.GetBlock(x.t.Context(), parsed)
			require.ErrorAs(x.t, err, new(*message.CIDError))
			require.Empty(x.t, x.heard().wanted)
		}
	}
	wrong := faults(message.FaultHash)
	runAll(t, []badInput{
		{name: "SHA-1", attack: sending(frame(payload(prefix(raw, sha1, 20), data))), then: refusesToAsk(cidOf(raw, sha1, sum[:20])), faults: wrong},
		{name: "MD5", attack: sending(frame(payload(prefix(raw, md5, 16), data))), then: refusesToAsk(cidOf(raw, md5, sum[:16])), faults: wrong},
		{name: "a byte of SHA-256", attack: sending(frame(payload(prefix(raw, sha2256, 1), data))), then: refusesToAsk(cidOf(raw, sha2256, sum[:1])), faults: wrong},
		{name: "19 bytes of SHA-256", attack: sending(frame(payload(prefix(raw, sha2256, 19), data))), then: refusesToAsk(cidOf(raw, sha2256, sum[:19])), faults: wrong},
		{name: "identity", attack: sending(frame(payload(prefix(raw, identity, 100), data))), faults: faults(message.FaultIdentity)},
	})
}

// prefixLen is the length of the prefix of a CIDv1 with a short codec and a digest
// of fewer than 128 bytes.
func prefixLen(hash uint64) int { return 3 + len(binary.AppendUvarint(nil, hash)) }

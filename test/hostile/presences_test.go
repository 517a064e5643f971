package hostile

import (
	"bytes"
	"testing"
	"time"

	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// An answer to what nobody asked is ignored, and nothing of it is kept.
func TestUnaskedPresences(t *testing.T) {
	most := size(20_000, 65_000)
	runAll(t, []badInput{
		{
			name:   "a HAVE for each of thousands",
			attack: sending(frame(each(most, func(i int) []byte { return have(absent(i)) }))),
			faults: faults(message.FaultUnasked),
		},
		{
			name:   "a DONT_HAVE for each of thousands",
			attack: sending(frame(each(most, func(i int) []byte { return dontHave(absent(i)) }))),
			faults: faults(message.FaultUnasked),
		},
		{name: "types of versions to come", attack: sending(frame(presence(absent(0), 7), presence(absent(1), 1<<31)))},
	})
}

// Whatever a peer says of a block, the caller gets it from one that sends it.
func TestPresencesThatMislead(t *testing.T) {
	runAll(t, []badInput{
		{
			name: "HAVE, and nothing comes", faults: faults(message.FaultBroken), within: 15 * time.Second, once: true,
			attack: func(x *attacker) {
				x.says(func(e *pb.Message_Wantlist_Entry) []byte {
					return field(msgPresences, field(presenceCID, e.GetBlock()))
				})
			},
		},
		{
			name: "HAVE 60,000 times", faults: faults(message.FaultBroken), within: 15 * time.Second, once: true,
			attack: func(x *attacker) {
				x.says(func(e *pb.Message_Wantlist_Entry) []byte {
					return bytes.Repeat(field(msgPresences, field(presenceCID, e.GetBlock())), 60_000)
				})
			},
		},
		{
			name: "HAVE and DONT_HAVE",
			attack: func(x *attacker) {
				x.says(func(e *pb.Message_Wantlist_Entry) []byte {
					c := field(presenceCID, e.GetBlock())
					return append(field(msgPresences, c), field(msgPresences, c, number(presenceType, 1))...)
				})
			},
		},
		{
			name: "DONT_HAVE and HAVE", faults: faults(message.FaultBroken), within: 15 * time.Second, once: true,
			attack: func(x *attacker) {
				x.says(func(e *pb.Message_Wantlist_Entry) []byte {
					c := field(presenceCID, e.GetBlock())
					return append(field(msgPresences, c, number(presenceType, 1)), field(msgPresences, c)...)
				})
			},
		},
	})
}

// says lets the attacker answer each want by presences alone, while the node
// fetches from it and from the honest peer, which has the block.
func (x *attacker) says(presences func(e *pb.Message_Wantlist_Entry) []byte) {
	x.t.Helper()
	x.answers(func(e *pb.Message_Wantlist_Entry) [][]byte { return [][]byte{frame(presences(e))} })
	for range 8 {
		b := x.fresh(1000)
		begun := time.Now()
		done := x.asked(x.t.Context(), b.Cid(), x.visitor.ID())
		time.Sleep(3 * time.Second)
		require.NoError(x.t, x.honest.Put(x.t.Context(), b))
		x.delivers(done, b)
		require.Less(x.t, time.Since(begun), 15*time.Second)
	}
}

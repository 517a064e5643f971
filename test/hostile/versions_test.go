package hostile

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
)

// Each version is answered as it can read: blocks of old ones travel in a field of
// their own, and have no presences beside them.
func TestOldVersions(t *testing.T) {
	block := corpus.V0(5, 1, 1000)[0]
	var cases []badInput
	for id, legacy := range map[protocol.ID]bool{v0: true, v100: true, v110: false, v120: false} {
		cases = append(cases, badInput{
			name: "served over " + string(id), speak: id,
			attack: func(x *attacker) {
				require.NoError(x.t, x.node.Put(x.t.Context(), block))
				x.sends(frame(wants(block.Cid(), absent(0))))
			},
			then: func(x *attacker) {
				x.expect("the block comes", func(g got) bool {
					return g.legacy[string(block.RawData())] == count(legacy) && g.blocks[string(block.RawData())] == count(!legacy)
				})
				require.Empty(x.t, x.heard().donts)
			},
		})
	}
	for _, id := range []protocol.ID{v0, v100, v120} {
		cases = append(cases, badInput{
			name: "blocks without a prefix over " + string(id), speak: id,
			attack: func(x *attacker) {
				done := x.asked(x.t.Context(), block.Cid())
				x.wanted(block.Cid())
				x.sends(frame(field(msgBlocks, block.RawData())))
				x.delivers(done, block)
			},
		})
	}
	runAll(t, cases)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

package scenario

import (
	"fmt"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/sim"
)

// Four thousand wants in one call to one seed all come, each once. A server of
// boxo's keeps 1,024 wants of a peer and drops the others without a word.
func TestFourThousandWantsInOneCall(t *testing.T) {
	data := corpus.Blocks(1, 4096, 512)
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprintf("named %t", named), func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Put(seed, data...)
				w.Connect(client, seed)
				w.Settle()
				w.Begin()
				if named {
					w.Fetch(client, data, seed)
				} else {
					w.Fetch(client, data)
				}
				w.Within(3 * time.Second)
				w.Settle()
				w.Traffic(seed, data, nil)
				w.Traffic(client, nil, data)
				w.Wants(seed, client)
			})
		})
	}
}

// The empty block is known by its CID: we ask nobody for it, and serve it to who
// asks.
func TestEmptyBlock(t *testing.T) {
	empty := corpus.Blocks(1, 1, 0)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(seed, empty...)
		w.Connect(client, seed)
		w.Settle()
		w.Fetch(client, empty, seed)
		w.Settle()
		if s.Client == souk {
			w.Hears(0, seed)
			return
		}
		w.Traffic(seed, empty, nil)
		w.Traffic(client, nil, empty)
	})
}

// Blocks of every size that the network promises to carry come as they are.
func TestBlocksOfEverySize(t *testing.T) {
	for _, size := range []int{1, 1023, 1024, 1025, 64 * kib, 256*kib + 1, mib, 2*mib - 1, 2 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := corpus.Blocks(1, 1, size)
			each(t, mixed, func(w *sim.World, s sim.Sides) {
				seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Put(seed, data...)
				w.Connect(client, seed)
				w.Settle()
				w.Fetch(client, data, seed)
			})
		})
	}
}

// CIDs of both versions in one call come under the CIDs that were asked.
func TestMixedVersionsOfCIDs(t *testing.T) {
	data := corpus.Mixed(1, 100, 2*kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(seed, data...)
		w.Connect(client, seed)
		w.Settle()
		w.Fetch(client, data)
		w.Settle()
		w.Traffic(client, nil, data)
	})
}

// The same bytes are asked for under three CIDs, of two versions and two codecs:
// each is answered under its own name, whichever it was put under.
func TestOneBlockUnderSeveralCIDs(t *testing.T) {
	names := aliases(corpus.V0(1, 1, kib)[0])
	for i, put := range names {
		t.Run("put as "+put.Cid().String()[:4]+fmt.Sprint(put.Cid().Type()), func(t *testing.T) {
			each(t, mixed, func(w *sim.World, s sim.Sides) {
				seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Put(seed, names[i])
				w.Connect(client, seed)
				w.Settle()
				w.Fetch(client, names, seed)
			})
		})
	}
}

// aliases are all that have the multihash of a block.
func aliases(b blocks.Block) []blocks.Block {
	cs := []cid.Cid{b.Cid(), cid.NewCidV1(cid.DagProtobuf, b.Cid().Hash()), cid.NewCidV1(cid.Raw, b.Cid().Hash())}
	all := make([]blocks.Block, len(cs))
	for i, c := range cs {
		all[i], _ = blocks.NewBlockWithCid(b.RawData(), c) // Fails only with a debug flag of the package.
	}
	return all
}

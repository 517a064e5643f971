package crash

import (
	"errors"
	"fmt"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/blockstore"
)

// FuzzRecovery does what a program says with a store, and takes the power from it
// at any time, over a database in which somebody else has left a value. Of a
// program each byte is one operation on one of a few blocks.
func FuzzRecovery(f *testing.F) {
	bs := fuzzBlocks([]byte("value"))
	every := []byte{0, 1, 2, 3, 4, 5, 6, 11, 12, 17, 18, 23, 24, 29}
	f.Add(every, "", []byte{}, uint8(0))
	f.Add(append(every, every...), "lower", []byte("value"), uint8(50))
	f.Add([]byte{5}, keyName(bs[0]), []byte("not its bytes"), uint8(0))
	f.Add([]byte{0, 5, 3, 5}, keyName(bs[0]), []byte("not its bytes"), uint8(100))
	f.Fuzz(func(t *testing.T, program []byte, foreign string, value []byte, spared uint8) {
		m := &machine{t: t, disk: NewDisk(uint64(len(program))), spared: int(spared % 101), history: NewHistory(nil)}
		m.open()
		require.NoError(t, m.data.Put(t.Context(), datastore.NewKey("/blocks/"+foreign), value))
		m.blocks = fuzzBlocks(value)
		for _, op := range program[:min(len(program), 64)] {
			m.do(op)
		}
		m.losePower()
		require.NoError(t, m.data.DB.Close())
	})
}

// fuzzBlocks are those that a program works with.
func fuzzBlocks(value []byte) []blocks.Block {
	bs := []blocks.Block{blocks.NewBlock(value)}
	for i, size := range sizes {
		data := fmt.Appendf(nil, "%*d", size, i)
		bs = append(bs, blocks.NewBlock(data[:size]))
	}
	return bs
}

func keyName(b blocks.Block) string { return keys.EncodeToString(b.Cid().Hash()) }

// machine is a store that a program works with.
type machine struct {
	t       *testing.T
	disk    *Disk
	spared  int
	data    *pebbledb.Datastore
	history *History
	blocks  []blocks.Block
}

func (m *machine) open() {
	d, err := m.disk.OpenBlocks()
	require.NoError(m.t, err)
	m.data = d
}

func (m *machine) do(op byte) {
	w := &writer{store: blockstore.New(m.data), history: m.history}
	b := m.blocks[int(op/6)%len(m.blocks)]
	ctx := m.t.Context()
	switch op % 6 {
	case 0:
		require.NoError(m.t, w.put(ctx, b))
	case 1:
		require.NoError(m.t, w.putMany(ctx, m.blocks[int(op/6)%len(m.blocks):]))
	case 2:
		require.NoError(m.t, w.putFetched(ctx, []blocks.Block{b}))
	case 3:
		require.NoError(m.t, w.delete(ctx, b))
	case 4:
		require.NoError(m.t, m.data.DB.Flush())
	case 5:
		m.losePower()
	}
}

// losePower goes on with what is left of the disk. What was acknowledged is
// there, and what is there is whole or known to be damaged.
func (m *machine) losePower() {
	left := m.disk.LosePower(m.spared)
	require.NoError(m.t, m.data.DB.Close())
	m.disk = left
	m.open()
	ctx, s := m.t.Context(), blockstore.New(m.data)
	for c := range m.history.safe {
		require.NoError(m.t, serves(ctx, s, c))
	}
	for c, err := range s.AllKeys(ctx) {
		require.NoError(m.t, err)
		var damaged *blockstore.CorruptError
		if err := serves(ctx, s, c); !errors.As(err, &damaged) {
			require.True(m.t, err == nil || !m.history.put[c], "%v", err)
		}
	}
}

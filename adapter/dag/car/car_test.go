package car

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	carv2 "github.com/ipld/go-car/v2"
	carblocks "github.com/ipld/go-car/v2/blockstore"
	carstorage "github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
)

type absent struct{ c cid.Cid }

func (e *absent) Error() string  { return "absent: " + e.c.String() }
func (e *absent) NotFound() bool { return true }

// memory stores blocks, in the order in which they came.
type memory struct {
	blocks map[cid.Cid]blocks.Block
	order  []cid.Cid
	fails  error
}

func newMemory(bs ...blocks.Block) *memory {
	m := &memory{blocks: map[cid.Cid]blocks.Block{}}
	for _, b := range bs {
		m.blocks[b.Cid()] = b
	}
	return m
}

func (m *memory) get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	if b := m.blocks[c]; b != nil {
		return b, nil
	}
	return nil, &absent{c}
}

func (m *memory) PutMany(_ context.Context, bs []blocks.Block) error {
	if m.fails != nil {
		return m.fails
	}
	for _, b := range bs {
		m.blocks[b.Cid()] = b
		m.order = append(m.order, b.Cid())
	}
	return nil
}

func leaf(t testing.TB, text string) blocks.Block {
	t.Helper()
	return coded(t, cid.Raw, multihash.SHA2_256, text)
}

func coded(t testing.TB, codec, hash uint64, text string) blocks.Block {
	t.Helper()
	c, err := cid.V1Builder{Codec: codec, MhType: hash, MhLength: -1}.Sum([]byte(text))
	require.NoError(t, err)
	b, err := blocks.NewBlockWithCid([]byte(text), c)
	require.NoError(t, err)
	return b
}

func inner(t testing.TB, name string, links ...blocks.Block) blocks.Block {
	t.Helper()
	n := merkledag.NodeWithData([]byte(name))
	n.SetCidBuilder(cid.V1Builder{Codec: cid.DagProtobuf, MhType: multihash.SHA2_256})
	for _, b := range links {
		require.NoError(t, n.AddRawLink("", &format.Link{Cid: b.Cid()}))
	}
	return n
}

// sample is a store with a DAG in it, its root, and its blocks in the order of a file.
func sample(t testing.TB) (*memory, cid.Cid, []cid.Cid) {
	t.Helper()
	a, b, v0 := leaf(t, "a"), leaf(t, strings.Repeat("b", 100_000)), blocks.NewBlock(merkledag.NodeWithData([]byte("version 0")).RawData())
	inline := coded(t, cid.Raw, multihash.IDENTITY, "carried")
	left := inner(t, "left", b, inline, a)
	root := inner(t, "root", left, v0, a)
	return newMemory(a, b, v0, left, root), root.Cid(), []cid.Cid{root.Cid(), left.Cid(), b.Cid(), a.Cid(), v0.Cid()}
}

func export(t testing.TB, m *memory, roots ...cid.Cid) []byte {
	t.Helper()
	var out bytes.Buffer
	done, err := Export(t.Context(), dag.Local(m.get), roots, &out, ExportOptions{})
	require.NoError(t, err)
	require.Positive(t, done.Blocks)
	return out.Bytes()
}

func exportIndexed(t testing.TB, m *memory, roots ...cid.Cid) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "v2.car")
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = ExportIndexed(t.Context(), dag.Local(m.get), roots, f, ExportOptions{})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return path
}

func TestGoCARReadsWhatIsWritten(t *testing.T) {
	m, root, order := sample(t)
	v1 := export(t, m, root)
	require.Equal(t, v1, export(t, m, root), "the same file every time")
	v2, err := os.ReadFile(exportIndexed(t, m, root))
	require.NoError(t, err)
	for version, file := range map[uint64][]byte{1: v1, 2: v2} {
		r, err := carv2.NewBlockReader(bytes.NewReader(file))
		require.NoError(t, err)
		require.Equal(t, version, r.Version)
		require.Equal(t, []cid.Cid{root}, r.Roots)
		for _, c := range order {
			b, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, c, b.Cid())
			require.Equal(t, m.blocks[c].RawData(), b.RawData())
		}
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestTheIndexFindsEveryBlock(t *testing.T) {
	m, root, order := sample(t)
	s, err := carblocks.OpenReadOnly(exportIndexed(t, m, root))
	require.NoError(t, err)
	defer s.Close()
	for _, c := range order {
		b, err := s.Get(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, m.blocks[c].RawData(), b.RawData())
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	m, root, order := sample(t)
	v2, err := os.ReadFile(exportIndexed(t, m, root))
	require.NoError(t, err)
	for version, file := range map[uint64][]byte{1: export(t, m, root), 2: v2} {
		to := newMemory()
		done, err := Import(t.Context(), to, bytes.NewReader(file), ImportOptions{})
		require.NoError(t, err)
		require.Equal(t, order, to.order)
		require.EqualValues(t, 5, done.Blocks)
		require.Equal(t, version, done.Version)
		require.Equal(t, []cid.Cid{root}, done.Roots)
	}
}

func TestFilesOfGoCARAreRead(t *testing.T) {
	m, root, order := sample(t)
	for _, options := range [][]carv2.Option{
		{carv2.WriteAsCarV1(true)}, {}, {carv2.UseDataPadding(100), carv2.UseIndexPadding(50)},
		{carv2.WriteAsCarV1(true), carv2.StoreIdentityCIDs(true), carv2.AllowDuplicatePuts(true)},
	} {
		path := filepath.Join(t.TempDir(), "x.car")
		f, err := os.Create(path)
		require.NoError(t, err)
		w, err := carstorage.NewWritable(f, []cid.Cid{root}, options...)
		require.NoError(t, err)
		inline := coded(t, cid.Raw, multihash.IDENTITY, "carried").Cid()
		for _, c := range append(order, order[0]) {
			require.NoError(t, w.Put(t.Context(), c.KeyString(), m.blocks[c].RawData()))
		}
		require.NoError(t, w.Put(t.Context(), inline.KeyString(), []byte("carried")))
		require.NoError(t, w.Finalize())
		require.NoError(t, f.Close())
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		to := newMemory()
		_, err = Import(t.Context(), to, bytes.NewReader(file), ImportOptions{})
		require.NoError(t, err)
		require.ElementsMatch(t, order, slices.Collect(maps.Keys(to.blocks)))
	}
}

func TestAPartialExportLeavesOutWhatIsMissing(t *testing.T) {
	m, root, order := sample(t)
	delete(m.blocks, order[2])
	var out bytes.Buffer
	_, err := Export(t.Context(), dag.Local(m.get), []cid.Cid{root}, &out, ExportOptions{})
	require.ErrorContains(t, err, order[2].String())
	done, err := Export(t.Context(), dag.Local(m.get), []cid.Cid{root}, &out, ExportOptions{Partial: true})
	require.NoError(t, err)
	require.EqualValues(t, 1, done.Missing)
	require.EqualValues(t, 4, done.Blocks)

	broken := errors.New("broken")
	_, err = Export(t.Context(), dag.Local(func(context.Context, cid.Cid) (blocks.Block, error) { return nil, broken }),
		[]cid.Cid{root}, &out, ExportOptions{Partial: true})
	require.ErrorIs(t, err, broken, "a fault is not an absence")
}

func TestRootsThatShareBlocksShareThemInTheFile(t *testing.T) {
	m, root, order := sample(t)
	to := newMemory()
	done, err := Import(t.Context(), to, bytes.NewReader(export(t, m, order[3], root)), ImportOptions{})
	require.NoError(t, err)
	require.Equal(t, []cid.Cid{order[3], root}, done.Roots)
	require.Equal(t, []cid.Cid{order[3], order[0], order[1], order[2], order[4]}, to.order)
}

func section(head, data []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(head)+len(data))), append(head, data...)...)
}

// imports reads a file and returns how many blocks it gave, and the error.
func imports(t testing.TB, file []byte) (int, error) {
	t.Helper()
	to := newMemory()
	_, err := Import(t.Context(), to, bytes.NewReader(file), ImportOptions{})
	return len(to.blocks), err
}

func TestTruncatedFilesKeepWhatCame(t *testing.T) {
	m, root, _ := sample(t)
	v1 := export(t, m, root)
	v2, err := os.ReadFile(exportIndexed(t, m, root))
	require.NoError(t, err)
	whole := 0
	for cut := 1; cut < len(v1); cut += 1 + len(v1)/500 {
		n, err := imports(t, v1[:cut])
		if err != nil {
			require.ErrorIs(t, err, ErrTruncated)
		} else {
			whole++ // at the end of a section, where nothing tells
		}
		require.LessOrEqual(t, n, 4)
	}
	require.Less(t, whole, 6)
	payload := len(v1) + carv2.PragmaSize + carv2.HeaderSize
	for cut := carv2.PragmaSize; cut < payload; cut += 1 + payload/500 {
		_, err := imports(t, v2[:cut])
		require.ErrorIs(t, err, ErrTruncated)
	}
	n, err := imports(t, v1[:len(v1)-1])
	require.ErrorIs(t, err, ErrTruncated)
	require.Equal(t, 4, n)
}

func TestHostileFilesAreErrorsAndKeepWhatCame(t *testing.T) {
	m, root, order := sample(t)
	good := export(t, m, root)
	a := m.blocks[order[3]]
	v2 := func(offset, size uint64) []byte {
		head := append(append([]byte{}, carv2.Pragma...), make([]byte, carv2.CharacteristicsSize)...)
		head = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(head, offset), size)
		return append(binary.LittleEndian.AppendUint64(head, 0), good...)
	}
	begin := carv2.PragmaSize + carv2.HeaderSize
	deep := append(binary.AppendUvarint(nil, 1<<20), bytes.Repeat([]byte{0x81}, 1<<20)...)
	for name, c := range map[string]struct {
		file []byte
		kept int
		says string
	}{
		"empty":                 {nil, 0, "cut off"},
		"no CAR":                {[]byte("hello, world, this is text"), 0, ""},
		"header bomb":           {binary.AppendUvarint(nil, 1<<40), 0, "beyond allowable maximum"},
		"endless length":        {bytes.Repeat([]byte{0xff}, 100), 0, ""},
		"deep header":           {deep, 0, "invalid header"},
		"section bomb":          {append(bytes.Clone(good), binary.AppendUvarint(nil, 1<<40)...), 5, "beyond allowable maximum"},
		"large block":           {append(bytes.Clone(good), section(leaf(t, strings.Repeat("x", maxBlock+1)).Cid().Bytes(), bytes.Repeat([]byte("x"), maxBlock+1))...), 5, "2097152 are the most"},
		"wrong hash":            {append(bytes.Clone(good), section(a.Cid().Bytes(), []byte("other"))...), 5, "integrity"},
		"no CID":                {append(bytes.Clone(good), section([]byte{9, 9}, []byte("other"))...), 5, ""},
		"unsafe hash":           {append(bytes.Clone(good), section(coded(t, cid.Raw, multihash.MD5, "x").Cid().Bytes(), []byte("x"))...), 5, ""},
		"data behind padding":   {append(append(bytes.Clone(good), 0, 0), section(a.Cid().Bytes(), a.RawData())...), 5, "without a length"},
		"payload in the header": {v2(10, uint64(len(good))), 0, "begin at byte 10"},
		"payload far away":      {v2(1<<59, 10), 0, "cut off"},
		"payload beyond 2^63":   {v2(51, 1<<63), 0, "bytes of blocks"},
		"payload cut short":     {v2(uint64(begin), uint64(len(good)-1)), 4, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			kept, err := imports(t, c.file)
			var wrong *FormatError
			require.ErrorAs(t, err, &wrong)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.kept, kept)
		})
	}
}

func TestPaddingOfZerosIsTheEnd(t *testing.T) {
	m, root, _ := sample(t)
	n, err := imports(t, append(export(t, m, root), make([]byte, 10_000)...))
	require.NoError(t, err)
	require.Equal(t, 5, n)
}

func TestAnErrorOfTheStoreEndsAnImport(t *testing.T) {
	m, root, _ := sample(t)
	full := errors.New("full")
	_, err := Import(t.Context(), &memory{fails: full}, bytes.NewReader(export(t, m, root)), ImportOptions{})
	require.ErrorIs(t, err, full)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Import(ctx, newMemory(), bytes.NewReader(export(t, m, root)), ImportOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestLargeFilesAreStoredInBatches(t *testing.T) {
	m := newMemory()
	var all []blocks.Block
	for i := range 3_000 {
		b := leaf(t, fmt.Sprint(i))
		m.blocks[b.Cid()] = b
		all = append(all, b)
	}
	root := inner(t, "root", all...)
	m.blocks[root.Cid()] = root
	to := &batches{memory: newMemory()}
	_, err := Import(t.Context(), to, bytes.NewReader(export(t, m, root.Cid())), ImportOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{batchBlocks, batchBlocks, 3_001 - 2*batchBlocks}, to.sizes)
}

type batches struct {
	*memory
	sizes []int
}

func (b *batches) PutMany(ctx context.Context, bs []blocks.Block) error {
	b.sizes = append(b.sizes, len(bs))
	return b.memory.PutMany(ctx, bs)
}

func FuzzImport(f *testing.F) {
	m, root, _ := sample(f)
	f.Add(export(f, m, root))
	f.Add([]byte{0x0a, 0xa1, 0x67, 'v', 'e', 'r', 's', 'i', 'o', 'n', 0x02})
	f.Fuzz(func(t *testing.T, file []byte) {
		to := newMemory()
		done, err := Import(t.Context(), to, bytes.NewReader(file), ImportOptions{})
		require.True(t, err != nil || int(done.Blocks) >= len(to.blocks))
		for c, b := range to.blocks {
			sum, err := c.Prefix().Sum(b.RawData())
			require.NoError(t, err)
			require.Equal(t, c, sum)
		}
	})
}

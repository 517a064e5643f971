package message

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"testing"
	"testing/iotest"

	blocks "github.com/ipfs/go-block-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

var errNoMemory = errors.New("no memory")

// testBudget counts what is taken.
type testBudget struct {
	held, most int
	limit      int // 0 is none
}

func (b *testBudget) Take(n int) error {
	if n <= 0 {
		panic("nothing taken")
	}
	if b.limit > 0 && b.held+n > b.limit {
		return errNoMemory
	}
	b.held += n
	b.most = max(b.most, b.held)
	return nil
}

func (b *testBudget) Give(n int) {
	if n > b.held {
		panic("more given back than taken")
	}
	b.held -= n
}

// consumer gives back at once what belongs to each part.
type consumer struct {
	parts
	budget *testBudget
}

func giveBack(d parts, b *testBudget) parts { return consumer{d, b} }

func (c consumer) Next() (Part, error) {
	p, err := c.parts.Next()
	if p.Taken > 0 {
		c.budget.Give(p.Taken)
	}
	return p, err
}

func TestLimitsDefault(t *testing.T) {
	require.Equal(t, Limits{Frame: 4 << 20, Elements: 65536, Block: 2 << 20, CID: 168}, Limits{}.withDefaults())
	require.Equal(t, Limits{Frame: 1, Elements: 2, Block: 3, CID: 4}, Limits{1, 2, 3, 4}.withDefaults())
	require.Equal(t, MaxCID, Limits{CID: 1 << 20}.withDefaults().CID)
}

func TestNarrowerLimitsApply(t *testing.T) {
	b := testBlock(t, 10, 1)
	m := Message{
		Wantlist: []Entry{{CID: shaCID(1)}, {CID: testCID(multihash.SHA2_512, 64, 1)}},
		Blocks:   []blocks.Block{b, testBlock(t, 11, 2)},
	}
	frame := m.AppendFrame(nil, V120)
	size := m.Size(V120)
	frames, faults, err := decodeFrames(NewDecoder(bytes.NewReader(frame), V120, Limits{size, 4, 10, 36}, nil, nil))
	require.NoError(t, err)
	require.Equal(t, []Message{{Wantlist: []Entry{{CID: shaCID(1)}}, Blocks: []blocks.Block{b}}}, frames)
	want := FaultCounts{FaultCIDTooLong: 1, FaultBlockTooLarge: 1}
	require.Equal(t, want, faults)

	var fault *FrameError
	_, _, err = decodeFrames(NewDecoder(bytes.NewReader(frame), V120, Limits{Frame: size - 1}, nil, nil))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, FaultFrameLength, fault.Fault)
	_, _, err = decodeFrames(NewDecoder(bytes.NewReader(frame), V120, Limits{Elements: 3}, nil, nil))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, FaultTooMany, fault.Fault)
}

func TestAnyFrameLimitStopsAnEndlessLength(t *testing.T) {
	for _, stream := range []string{"80808080808080808080", "ffffffffffffffffff7f"} {
		_, err := NewDecoder(bytes.NewReader(wire(t, stream)), V120, Limits{Frame: math.MaxInt}, nil, nil).Next()
		var fault *FrameError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, FaultFrameLength, fault.Fault)
	}
}

// slowStream delivers a stream in small pieces and compares at every read what
// was taken from the budget with what was delivered.
type slowStream struct {
	t         *testing.T
	r         io.Reader
	budget    *testBudget
	delivered int
}

func (s *slowStream) Read(p []byte) (int, error) {
	require.LessOrEqual(s.t, s.budget.held, windowSize+listStep+growth*s.delivered)
	if s.delivered < windowSize {
		require.LessOrEqual(s.t, s.budget.held, windowSize+listStep+s.delivered)
	}
	n, err := s.r.Read(p[:min(len(p), 1500)])
	s.delivered += n
	return n, err
}

// "Memory follows bytes received, not bytes announced."
func TestMemoryFollowsReceivedBytes(t *testing.T) {
	large := field(3, field(1, wire(t, "01551220")), field(2, make([]byte, MaxBlock)))
	small := (&Message{Blocks: []blocks.Block{testBlock(t, 1<<10, 1), testBlock(t, 1<<10, 2)}}).AppendFrame(nil, V120)
	var many []byte
	for i := range 20000 {
		many = append(many, entry(testBlock(t, 8, i).Cid().Bytes())...)
	}
	for name, stream := range map[string][]byte{
		"a large block":   framed(large),
		"small blocks":    bytes.Repeat(small, 50),
		"a long wantlist": framed(wantlist(many)),
		"unknown fields":  framed(field(100, make([]byte, 4<<20-10))),
	} {
		t.Run(name, func(t *testing.T) {
			budget := testBudget{}
			s := slowStream{t: t, r: bytes.NewReader(stream), budget: &budget}
			d := NewDecoder(&s, V120, Limits{}, &budget, nil)
			_, faults, err := decodeFrames(giveBack(d, &budget))
			require.NoError(t, err)
			require.Zero(t, faults.Total())
			require.Equal(t, len(stream), s.delivered)
			require.Zero(t, budget.held)
			require.LessOrEqual(t, budget.most, len(stream)+windowSize+listStep)
		})
	}
}

func TestFramesThatFitTheIdleBufferTakeNoWindow(t *testing.T) {
	budget := testBudget{}
	frame := (&Message{Wantlist: []Entry{{CID: shaCID(1)}}}).AppendFrame(nil, V120)
	d := NewDecoder(bytes.NewReader(frame), V120, Limits{}, &budget, nil)
	p, err := d.Next()
	require.NoError(t, err)
	require.Equal(t, shaCID(1).ByteLen(), p.Taken)
	require.Equal(t, p.Taken, budget.most)
}

func TestTheWindowIsGivenBackBetweenFrames(t *testing.T) {
	budget := testBudget{}
	frame := (&Message{Blocks: []blocks.Block{testBlock(t, 1<<10, 1)}}).AppendFrame(nil, V120)
	idle := false
	r := io.MultiReader(bytes.NewReader(frame), readerFunc(func([]byte) (int, error) {
		idle = true
		require.Zero(t, budget.held)
		return 0, io.EOF
	}))
	_, _, err := decodeFrames(giveBack(NewDecoder(r, V120, Limits{}, &budget, nil), &budget))
	require.NoError(t, err)
	require.True(t, idle)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The decoder gives up wherever the budget refuses, holds nothing afterwards,
// and does not blame the peer.
func TestRefusedMemoryEndsTheStream(t *testing.T) {
	m := Message{Blocks: []blocks.Block{testBlock(t, 9*windowSize, 1)}}
	for i := range 1000 {
		m.Wantlist = append(m.Wantlist, Entry{CID: testBlock(t, 8, i).Cid()})
	}
	frame := m.AppendFrame(nil, V120)
	enough := testBudget{}
	_, _, err := decodeFrames(giveBack(NewDecoder(bytes.NewReader(frame), V120, Limits{}, &enough, nil), &enough))
	require.NoError(t, err)
	for limit := 1; limit < enough.most; limit += 1000 {
		budget := testBudget{limit: limit}
		_, _, err := decodeFrames(giveBack(NewDecoder(bytes.NewReader(frame), V120, Limits{}, &budget, nil), &budget))
		var refused *BudgetError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, errNoMemory)
		require.ErrorContains(t, err, "no memory")
		require.NotErrorAs(t, err, new(*FrameError))
		require.Zero(t, budget.held)
	}
}

func TestCloseGivesEverythingBack(t *testing.T) {
	m := Message{Wantlist: []Entry{{CID: shaCID(1)}}, Blocks: []blocks.Block{testBlock(t, 1<<16, 1), testBlock(t, 1<<16, 2)}}
	budget := testBudget{}
	d := NewDecoder(bytes.NewReader(m.AppendFrame(nil, V120)), V120, Limits{}, &budget, nil)
	p, err := d.Next()
	require.NoError(t, err)
	require.Greater(t, budget.held, p.Taken)
	d.Close()
	require.Equal(t, p.Taken, budget.held, "what was handed on is the consumer's")
	d.Close()
	_, err = d.Next()
	require.Equal(t, ErrClosed, err)
}

// record notes the calls of a FrameObserver.
type record []int

func (r *record) FrameBegins(size int) { *r = append(*r, size) }
func (r *record) FrameEnds()           { *r = append(*r, -1) }

func TestObserverSeesFrames(t *testing.T) {
	m := Message{Blocks: []blocks.Block{testBlock(t, 1000, 1)}}
	stream := append([]byte{0}, m.AppendFrame(nil, V120)...)
	stream = append(stream, wire(t, "05 0a00")...)
	var seen record
	_, _, err := decodeFrames(NewDecoder(bytes.NewReader(stream), V120, Limits{}, nil, &seen))
	require.Error(t, err)
	require.Equal(t, record{0, -1, m.Size(V120), -1, 5}, seen)
}

func TestStreamErrors(t *testing.T) {
	reset := errors.New("stream reset")
	frame := (&Message{Wantlist: []Entry{{CID: shaCID(1)}}}).AppendFrame(nil, V120)
	for name, tc := range map[string]struct {
		received []byte
		err      error
		fault    Fault // 0 is none: the error comes as it is
		is       error
	}{
		"reset between frames":   {frame, reset, 0, reset},
		"timeout between frames": {frame, os.ErrDeadlineExceeded, 0, os.ErrDeadlineExceeded},
		"reset in a frame":       {frame[:9], reset, FaultFrameCut, reset},
		"end in a frame":         {frame[:9], io.EOF, FaultFrameCut, io.ErrUnexpectedEOF},
		"timeout in a frame":     {frame[:9], os.ErrDeadlineExceeded, FaultFrameSlow, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			r := io.MultiReader(bytes.NewReader(tc.received), iotest.ErrReader(tc.err))
			_, _, err := decodeFrames(NewDecoder(r, V120, Limits{}, nil, nil))
			var frame *FrameError
			require.Equal(t, tc.fault != 0, errors.As(err, &frame))
			require.ErrorIs(t, err, tc.is)
			if tc.fault != 0 {
				require.Equal(t, tc.fault, frame.Fault)
			}
		})
	}
}

func TestFaultsBeforeAnErrorAreReported(t *testing.T) {
	stream := framed(append(wantlist(wire(t, "0a00 0a00")), 0x3b))
	p, err := NewDecoder(bytes.NewReader(stream), V120, Limits{}, nil, nil).Next()
	require.Error(t, err)
	require.Equal(t, only(FaultCID, 2), p.Faults)
	require.True(t, p.Empty())
}

func TestAFrameOfNothingButTinyBlocks(t *testing.T) {
	body := bytes.Repeat(wire(t, "1a060a0401551220"), MaxElements)
	d := NewDecoder(bytes.NewReader(framed(body)), V120, Limits{}, nil, nil)
	for range MaxElements {
		p, err := d.Next()
		require.NoError(t, err)
		require.Len(t, p.Blocks, 1)
	}
	p, err := d.Next()
	require.NoError(t, err)
	require.True(t, p.Last)
	require.True(t, p.Empty())
}

// The worst legal frame costs at most 16 MiB for the time of its decoding.
func TestWorstLegalFrames(t *testing.T) {
	var longest, plain, refused []byte
	for i := range MaxElements {
		digest := testBlock(t, 8, i).Cid().Hash()[2:]
		long := append(wire(t, "01551334"), append(bytes.Clone(digest), digest[:20]...)...)
		longest = append(longest, entry(long)...)
		plain = append(plain, field(4, field(1, wire(t, "01551220"), digest))...)
		refused = append(refused, wire(t, "0a070a0501551201aa")...)
	}
	for name, body := range map[string][]byte{
		"65,536 entries with long CIDs": wantlist(longest),
		"65,536 presences":              plain,
		"65,536 refused entries":        wantlist(refused),
	} {
		t.Run(name, func(t *testing.T) {
			require.Less(t, len(body), MaxFrame)
			d := NewDecoder(bytes.NewReader(framed(body)), V120, Limits{}, nil, nil)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p, err := d.Next()
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			require.True(t, p.Last)
			require.Less(t, int(after.TotalAlloc-before.TotalAlloc), 16<<20, "garbage included")
		})
	}
}

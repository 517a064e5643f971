package message

import (
	"bytes"
	"io"
	"math"
	"testing"
	"testing/iotest"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

func TestDecoderHandsOnBlocksAsTheyComplete(t *testing.T) {
	first, second := testBlock(t, 300, 1), testBlock(t, 100<<10, 2)
	m := Message{
		Wantlist:     []Entry{{CID: shaCID(1), Priority: 3, Type: WantHave, SendDontHave: true}},
		Full:         true,
		Blocks:       []blocks.Block{first, second},
		Presences:    []Presence{{CID: shaCID(2), Have: true}, {CID: shaCID(3)}},
		PendingBytes: 5,
	}
	frame := m.AppendFrame(nil, V120)
	r, w := io.Pipe()
	d := NewDecoder(r, V120, Limits{}, nil, nil)
	cut := bytes.Index(frame, second.RawData())
	written := make(chan error, 1)
	next := func(piece []byte) Part {
		go func() {
			_, err := w.Write(piece)
			written <- err
		}()
		p, err := d.Next()
		require.NoError(t, err)
		return p
	}

	p := next(frame[:cut])
	require.Equal(t, Part{Message: Message{Blocks: []blocks.Block{first}}, Taken: 300}, p)
	require.NoError(t, <-written)

	p = next(frame[cut : cut+100<<10])
	require.Equal(t, Part{Message: Message{Blocks: []blocks.Block{second}}, Taken: 100 << 10}, p)
	require.NoError(t, <-written)

	p = next(frame[cut+100<<10:])
	require.NoError(t, <-written)
	require.True(t, p.Last)
	require.Empty(t, p.Blocks)
	m.Blocks = nil
	require.Equal(t, m, p.Message)
	require.Equal(t, shaCID(1).ByteLen()*3, p.Taken)

	require.NoError(t, w.Close())
	_, err := d.Next()
	require.Equal(t, io.EOF, err)
	_, err = d.Next()
	require.Equal(t, io.EOF, err, "an error comes again")
}

func TestDecoderAcceptsAnyChunking(t *testing.T) {
	var stream []byte
	var want []Message
	for i, size := range []int{0, 1, idleSize, windowSize - 1, windowSize + 1, 9 * windowSize} {
		b := testBlock(t, size, i)
		m := Message{
			Blocks:    []blocks.Block{b},
			Wantlist:  []Entry{{CID: shaCID(byte(i)), Priority: -1}},
			Presences: []Presence{{CID: shaCID(byte(i))}},
		}
		stream = m.AppendFrame(stream, V120)
		want = append(want, m)
	}
	for name, r := range map[string]io.Reader{
		"at once":          bytes.NewReader(stream),
		"byte by byte":     iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":        iotest.HalfReader(bytes.NewReader(stream)),
		"EOF with data":    iotest.DataErrReader(bytes.NewReader(stream)),
		"1,021 at a time":  &chunks{r: bytes.NewReader(stream), size: 1021},
		"with empty reads": &chunks{r: bytes.NewReader(stream), size: 4096, empty: 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, faults, err := decodeFrames(NewDecoder(r, V120, Limits{}, nil, nil))
			require.NoError(t, err)
			require.Zero(t, faults.Total())
			require.Equal(t, want, got)
		})
	}
}

// chunks reads at most size bytes at a time, after a number of empty reads.
type chunks struct {
	r           io.Reader
	size, empty int
	reads       int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.reads++; c.reads%(c.empty+1) != 0 {
		return 0, nil
	}
	return c.r.Read(p[:min(len(p), c.size)])
}

func TestDecoderGivesUpOnAStreamThatReturnsNothing(t *testing.T) {
	d := NewDecoder(&chunks{empty: math.MaxInt - 1}, V120, Limits{}, nil, nil)
	_, err := d.Next()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func TestEmptyMessagesAreAccepted(t *testing.T) {
	for name, body := range map[string]string{
		"zero length":         "",
		"an empty wantlist":   "0a00",
		"only pendingBytes":   "2805",
		"unknown fields only": "38ff01 45 01020304 49 0102030405060708 5203616263",
	} {
		t.Run(name, func(t *testing.T) {
			m, faults := decodeBody(t, wire(t, body))
			require.Zero(t, faults.Total())
			m.PendingBytes = 0
			require.True(t, m.Empty())
		})
	}
}

func TestProtobufPiecesAreMerged(t *testing.T) {
	a, b := shaCID(1).Bytes(), shaCID(2).Bytes()
	m, faults := decodeBody(t,
		wantlist(number(2, 0), entry(a, number(2, 9), number(2, 1))), // the last scalar counts
		number(5, 7),
		wantlist(entry(a, field(1, b)), number(2, 5)), // full comes after entries, and any number is true
		number(5, math.MaxUint64-1),
	)
	require.Zero(t, faults.Total())
	require.Equal(t, Message{
		Wantlist:     []Entry{{CID: shaCID(1), Priority: 1}, {CID: shaCID(2)}},
		Full:         true,
		PendingBytes: -2,
	}, m)
}

func TestProtobufVarintsNeedNotBeMinimal(t *testing.T) {
	// Tag 1 and length 36 in two and three bytes.
	cidField := append(wire(t, "8a00 a48000"), shaCID(1).Bytes()...)
	m, faults := decodeBody(t, wantlist(field(1, cidField, wire(t, "10 83808000"))))
	require.Zero(t, faults.Total())
	require.Equal(t, []Entry{{CID: shaCID(1), Priority: 3}}, m.Wantlist)
}

func TestBlockWinsOverPresenceInOneFrame(t *testing.T) {
	b := testBlock(t, 32, 1)
	presence := field(4, field(1, b.Cid().Bytes()))
	block := field(3, field(1, appendPrefix(nil, b.Cid().Prefix())), field(2, b.RawData()))
	for name, body := range map[string][]byte{
		"before": append(block, presence...),
		"after":  append(presence, block...),
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := decodeBody(t, body)
			require.Equal(t, []blocks.Block{b}, m.Blocks)
			require.Empty(t, m.Presences)
		})
	}
	// It does not reach into the next frame.
	stream := append(framed(block), framed(presence)...)
	frames, _, err := decodeFrames(NewDecoder(bytes.NewReader(stream), V120, Limits{}, nil, nil))
	require.NoError(t, err)
	require.Equal(t, []Presence{{CID: b.Cid(), Have: true}}, frames[1].Presences)
}

func TestBlocksAreReadFromEitherFieldOnEveryVersion(t *testing.T) {
	b := testBlock(t, 32, 1)
	body := append(field(2, []byte("hello")),
		field(3, field(1, appendPrefix(nil, b.Cid().Prefix())), field(2, b.RawData()))...)
	for v := Unversioned; v <= V120; v++ {
		m, faults := decodeAs(t, v, body)
		require.Zero(t, faults.Total())
		require.Equal(t, []blocks.Block{blocks.NewBlock([]byte("hello")), b}, m.Blocks)
	}
}

func TestFieldsOf120AreUnknownBefore(t *testing.T) {
	m := Message{
		Wantlist:     []Entry{{CID: shaCID(1), Type: WantHave, SendDontHave: true}},
		Presences:    []Presence{{CID: shaCID(2)}},
		PendingBytes: 1,
	}
	frame := m.AppendFrame(nil, V120)
	for v := Unversioned; v < V120; v++ {
		frames, _, err := decodeFrames(NewDecoder(bytes.NewReader(frame), v, Limits{}, nil, nil))
		require.NoError(t, err)
		require.Equal(t, []Message{{Wantlist: []Entry{{CID: shaCID(1), Type: WantBlock}}}}, frames)
	}
}

func TestEveryHashIsVerified(t *testing.T) {
	for _, p := range []cid.Prefix{
		{Version: 0, Codec: cid.DagProtobuf, MhType: multihash.SHA2_256, MhLength: 32},
		{Version: 1, Codec: cid.DagCBOR, MhType: multihash.SHA2_256, MhLength: 20},
		{Version: 1, Codec: cid.GitRaw, MhType: multihash.SHA1, MhLength: 20},
		{Version: 1, Codec: cid.Raw, MhType: multihash.BLAKE3, MhLength: 32},
		{Version: 1, Codec: 0x300001, MhType: multihash.BLAKE2B_MIN + 31, MhLength: 32},
		{Version: 1, Codec: cid.Raw, MhType: multihash.SHA3_512, MhLength: 64},
	} {
		want, err := blocks.NewBlockWithPrefix([]byte("souk"), p)
		require.NoError(t, err)
		m, faults := decodeBody(t, field(3, field(2, want.RawData()), field(1, p.Bytes())))
		require.Zero(t, faults.Total())
		require.Equal(t, []blocks.Block{want}, m.Blocks)
	}
}

// Each wrong element is skipped and counted, and the rest is served.
func TestWrongElementsAreSkipped(t *testing.T) {
	good := testBlock(t, 40, 1)
	goodBody := bytes.Join([][]byte{
		wantlist(entry(shaCID(1).Bytes())),
		field(3, field(1, appendPrefix(nil, good.Cid().Prefix())), field(2, good.RawData())),
		field(4, field(1, shaCID(2).Bytes()), number(2, 1)),
	}, nil)
	padded := append(wire(t, "01 d5808080808080808000"), shaCID(1).Hash()...)
	data := field(2, []byte("data"))
	for name, tc := range map[string]struct {
		body   []byte
		faults FaultCounts
	}{
		"empty CID":                    {wantlist(entry(nil)), only(FaultCID, 1)},
		"no CID":                       {wire(t, "0a02 0a00"), only(FaultCID, 1)},
		"CID of one byte":              {wantlist(entry([]byte{1})), only(FaultCID, 1)},
		"trailing bytes":               {wantlist(entry(append(shaCID(1).Bytes(), 0))), only(FaultCID, 1)},
		"CID version 2":                {wantlist(entry(append([]byte{2}, shaCID(1).Bytes()[1:]...))), only(FaultCID, 1)},
		"CIDv0 that is not sha2-256":   {wantlist(entry(testCID(multihash.SHA2_512, 64, 1).Hash())), only(FaultCID, 1)},
		"padded varints":               {wantlist(entry(padded)), only(FaultCID, 1)},
		"CID of 169 bytes":             {wantlist(entry(make([]byte, 169))), only(FaultCIDTooLong, 1)},
		"CID of 1 MiB":                 {wantlist(entry(make([]byte, 1<<20))), only(FaultCIDTooLong, 1)},
		"identity want":                {wantlist(entry(wire(t, "01550000"))), only(FaultIdentity, 1)},
		"identity cancel":              {wantlist(entry(wire(t, "01550000"), number(3, 1))), only(FaultIdentity, 1)},
		"identity of 128 bytes":        {wantlist(entry(testCID(0, 128, 1).Bytes())), only(FaultIdentity, 1)},
		"unknown hash":                 {wantlist(entry(testCID(0x300001, 32, 1).Bytes())), only(FaultHash, 1)},
		"sha2-256 of one byte":         {wantlist(entry(wire(t, "01551201aa"))), only(FaultHash, 1)},
		"md5":                          {wantlist(entry(testCID(multihash.MD5, 16, 1).Bytes())), only(FaultHash, 1)},
		"presence without CID":         {field(4, number(2, 1)), only(FaultCID, 1)},
		"presence, CID of 1 KiB":       {field(4, field(1, make([]byte, 1<<10))), only(FaultCIDTooLong, 1)},
		"want type 2":                  {wantlist(entry(shaCID(9).Bytes(), number(4, 2))), FaultCounts{}},
		"want type 2^31":               {wantlist(entry(shaCID(9).Bytes(), number(4, 1<<31))), FaultCounts{}},
		"presence type 7":              {field(4, field(1, shaCID(9).Bytes()), number(2, 7)), FaultCounts{}},
		"prefix of version 7":          {field(3, field(1, wire(t, "07551220")), data), only(FaultPrefix, 1)},
		"prefix length 2^63-1":         {field(3, field(1, wire(t, "015512ffffffffffffffff7f")), data), only(FaultPrefix, 1)},
		"prefix length 2^64-1":         {field(3, field(1, wire(t, "015512ffffffffffffffffff01")), data), only(FaultPrefix, 1)},
		"prefix length over the hash":  {field(3, field(1, wire(t, "01551221")), data), only(FaultPrefix, 1)},
		"prefix with a truncated hash": {field(3, field(1, wire(t, "01551213")), data), only(FaultHash, 1)},
		"prefix with md5":              {field(3, field(1, wire(t, "0155d50110")), data), only(FaultHash, 1)},
		"prefix with sha1":             {field(3, field(1, wire(t, "01551114")), data), only(FaultHash, 1)},
		"prefix with identity":         {field(3, field(1, wire(t, "01550004")), data), only(FaultIdentity, 1)},
		"prefix of v0 and raw":         {field(3, field(1, wire(t, "00551220")), data), only(FaultPrefix, 1)},
		"prefix of three varints":      {field(3, field(1, wire(t, "015512")), data), only(FaultPrefix, 1)},
		"prefix of five varints":       {field(3, field(1, wire(t, "0155122000")), data), only(FaultPrefix, 1)},
		"prefix with padding":          {field(3, field(1, wire(t, "015512a000")), data), only(FaultPrefix, 1)},
		"prefix of 1 MiB":              {field(3, field(1, make([]byte, 1<<20)), data), only(FaultPrefix, 1)},
		"prefix after the data":        {field(3, data, field(1, wire(t, "07551220"))), only(FaultPrefix, 1)},
		"no prefix":                    {field(3, data), only(FaultPrefix, 1)},
		"block over 2 MiB":             {field(3, field(1, wire(t, "01551220")), field(2, make([]byte, MaxBlock+1))), only(FaultBlockTooLarge, 1)},
		"old block over 2 MiB":         {field(2, make([]byte, MaxBlock+1)), only(FaultBlockTooLarge, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range [][]byte{append(bytes.Clone(tc.body), goodBody...), append(bytes.Clone(goodBody), tc.body...)} {
				m, faults := decodeBody(t, body)
				require.Equal(t, tc.faults, faults)
				require.Equal(t, []Entry{{CID: shaCID(1)}}, m.Wantlist)
				require.Equal(t, []blocks.Block{good}, m.Blocks)
				require.Equal(t, []Presence{{CID: shaCID(2)}}, m.Presences)
			}
		})
	}
}

func TestBlockSizesUpToTheLimitAreAccepted(t *testing.T) {
	for _, size := range []int{0, 1, windowSize, growth * windowSize, growth*windowSize + 1, MaxBlock} {
		b := testBlock(t, size, 1)
		frame := (&Message{Blocks: []blocks.Block{b}}).AppendFrame(nil, V120)
		p, err := NewDecoder(bytes.NewReader(frame), V120, Limits{}, nil, nil).Next()
		require.NoError(t, err)
		require.Equal(t, []blocks.Block{b}, p.Blocks)
		require.Equal(t, size, cap(p.Blocks[0].RawData()), "no memory beyond the block")
	}
}

func TestTheLastOfRepeatedDataCounts(t *testing.T) {
	budget := testBudget{}
	body := field(3, field(2, make([]byte, 5000)), field(1, wire(t, "01551220")), field(2, []byte("last")))
	d := NewDecoder(bytes.NewReader(framed(body)), V120, Limits{}, &budget, nil)
	p, err := d.Next()
	require.NoError(t, err)
	require.Equal(t, []byte("last"), p.Blocks[0].RawData())
	require.Equal(t, 4, p.Taken)
}

func TestBrokenFramesEndTheStream(t *testing.T) {
	entries := func(n int) []byte { return wantlist(bytes.Repeat(wire(t, "0a00"), n)) }
	for name, tc := range map[string]struct {
		stream []byte
		fault  Fault
	}{
		"length not minimal":         {wire(t, "8100"), FaultFrameLength},
		"zero length not minimal":    {wire(t, "8000"), FaultFrameLength},
		"length of ten bytes":        {wire(t, "80808080808080808001"), FaultFrameLength},
		"length 4 MiB + 1":           {wire(t, "81808002"), FaultFrameLength},
		"length 2^31":                {wire(t, "8080808008"), FaultFrameLength},
		"length 2^63 - 1":            {wire(t, "ffffffffffffffff7f"), FaultFrameLength},
		"length cut":                 {wire(t, "80"), FaultFrameCut},
		"nothing after the length":   {wire(t, "80808002"), FaultFrameCut},
		"cut in a CID":               {framed(wantlist(entry(shaCID(1).Bytes())))[:20], FaultFrameCut},
		"cut in a block":             {framed(field(2, make([]byte, 1000)))[:900], FaultFrameCut},
		"cut in what is skipped":     {framed(field(9, make([]byte, 1000)))[:900], FaultFrameCut},
		"field beyond the frame":     {framed(wire(t, "0a05 00")), FaultProtobuf},
		"entry beyond the wantlist":  {framed(wire(t, "0a02 0a05 0000000000")), FaultProtobuf},
		"CID beyond the entry":       {framed(wire(t, "0a06 0a02 0a05 0000000000")), FaultProtobuf},
		"fixed beyond the frame":     {framed(wire(t, "4900")), FaultProtobuf},
		"varint beyond the frame":    {framed(wire(t, "28ff")), FaultProtobuf},
		"tag beyond the frame":       {framed(wire(t, "ff")), FaultProtobuf},
		"varint of 65 bits":          {framed(wire(t, "28 ffffffffffffffffff02")), FaultProtobuf},
		"varint of eleven bytes":     {framed(wire(t, "28 8080808080808080808000")), FaultProtobuf},
		"length of a field is 2^64":  {framed(wire(t, "0a ffffffffffffffffff01")), FaultProtobuf},
		"field number zero":          {framed(wire(t, "0200")), FaultProtobuf},
		"field number 2^29":          {framed(wire(t, "808080801000")), FaultProtobuf},
		"group":                      {framed(wire(t, "3b3c")), FaultProtobuf},
		"10,000 nested groups":       {framed(bytes.Repeat(wire(t, "3b"), 10000)), FaultProtobuf},
		"wire type 7":                {framed(wire(t, "3f")), FaultProtobuf},
		"wantlist is a varint":       {framed(wire(t, "0801")), FaultProtobuf},
		"entry is a varint":          {framed(wantlist(number(1, 1))), FaultProtobuf},
		"full is bytes":              {framed(wantlist(field(2, nil))), FaultProtobuf},
		"CID is a varint":            {framed(wantlist(field(1, number(1, 1)))), FaultProtobuf},
		"priority is bytes":          {framed(wantlist(field(1, field(2, nil)))), FaultProtobuf},
		"block is a varint":          {framed(number(2, 1)), FaultProtobuf},
		"payload is fixed":           {framed(wire(t, "1d00000000")), FaultProtobuf},
		"prefix is a varint":         {framed(field(3, number(1, 1))), FaultProtobuf},
		"data is a varint":           {framed(field(3, number(2, 1))), FaultProtobuf},
		"presence is a varint":       {framed(number(4, 1)), FaultProtobuf},
		"presence's CID is a varint": {framed(field(4, number(1, 1))), FaultProtobuf},
		"presence's type is bytes":   {framed(field(4, field(2, nil))), FaultProtobuf},
		"pendingBytes is bytes":      {framed(field(5, nil)), FaultProtobuf},
		"65,537 entries":             {framed(entries(MaxElements + 1)), FaultTooMany},
		"65,537 presences":           {framed(bytes.Repeat(wire(t, "2200"), MaxElements+1)), FaultTooMany},
		"65,537 payloads":            {framed(bytes.Repeat(wire(t, "1a00"), MaxElements+1)), FaultTooMany},
		"65,537 old blocks":          {framed(bytes.Repeat(wire(t, "1200"), MaxElements+1)), FaultTooMany},
		"65,537 of all kinds": {
			framed(append(entries(MaxElements-2), wire(t, "2200 1a00 1200")...)), FaultTooMany,
		},
	} {
		t.Run(name, func(t *testing.T) {
			budget := testBudget{}
			d := NewDecoder(bytes.NewReader(tc.stream), V120, Limits{}, &budget, nil)
			_, _, err := decodeFrames(giveBack(d, &budget))
			var frame *FrameError
			require.ErrorAs(t, err, &frame)
			require.Equal(t, tc.fault, frame.Fault)
			require.Contains(t, frame.Error(), tc.fault.String())
			require.Zero(t, budget.held)
			_, again := d.Next()
			require.Equal(t, err, again)
		})
	}
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	m := Message{
		Wantlist:     []Entry{{CID: shaCID(1), Priority: -1, SendDontHave: true}},
		Blocks:       []blocks.Block{testBlock(t, 600, 1)},
		Presences:    []Presence{{CID: shaCID(2)}},
		PendingBytes: 300,
	}
	frame := m.AppendFrame(nil, V120)
	for n := 1; n < len(frame); n++ {
		budget := testBudget{}
		d := NewDecoder(bytes.NewReader(frame[:n]), V120, Limits{}, &budget, nil)
		_, _, err := decodeFrames(giveBack(d, &budget))
		var fault *FrameError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, FaultFrameCut, fault.Fault)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Zero(t, budget.held)
	}
}

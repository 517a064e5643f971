package message

import (
	"io"

	blocks "github.com/ipfs/go-block-format"
	"google.golang.org/protobuf/encoding/protowire"
)

// copiedBlock is the size in bytes up to which block data is copied next to its
// neighbours: below it, a write of its own costs more than the copy.
const copiedBlock = 8 << 10

// WriteFrame writes the message to w as one frame of v, its length and its
// body, and returns the number of bytes written. Block data of more than 8 KiB
// goes to w without a copy; everything between is gathered into few writes. It
// blocks as w does, and returns the error of w.
//
// What v cannot say is left out: before [V120], presences, pendingBytes and the
// wish for a DONT_HAVE, and a want-have becomes a want-block; before [V110],
// the CIDs of blocks.
func (m *Message) WriteFrame(w io.Writer, v Version) (int64, error) {
	g := gatherer{w: w, window: windows.Get().(*[windowSize]byte)}
	g.buf = protowire.AppendVarint(g.window[:0], uint64(m.Size(v)))
	m.encode(&g, v)
	g.flush()
	windows.Put(g.window)
	return g.written, g.err
}

// AppendFrame appends the frame that WriteFrame writes to b.
func (m *Message) AppendFrame(b []byte, v Version) []byte {
	w := appender{buf: b}
	_, _ = m.WriteFrame(&w, v) // an appender has no errors
	return w.buf
}

func (m *Message) encode(g *gatherer, v Version) {
	m.encodeWantlist(g, v)
	for _, b := range m.Blocks {
		if v < V110 {
			g.buf = appendLength(g.buf, fieldBlocks, len(b.RawData()))
			g.data(b.RawData())
		} else {
			encodePayload(g, b)
		}
	}
	if v < V120 {
		return
	}
	for i := range m.Presences {
		g.buf = m.Presences[i].append(g.buf)
		g.room()
	}
	g.buf = appendInt32(g.buf, fieldPendingBytes, m.PendingBytes)
}

// encodeWantlist writes the field even if it is empty: boxo before v0.33
// dereferences it unseen (boxo#961).
func (m *Message) encodeWantlist(g *gatherer, v Version) {
	g.buf = appendLength(g.buf, fieldWantlist, m.wantlistSize(v))
	for i := range m.Wantlist {
		g.buf = m.Wantlist[i].append(g.buf, v)
		g.room()
	}
	g.buf = appendFlag(g.buf, fieldWantlistFull, m.Full)
}

func (e *Entry) append(b []byte, v Version) []byte {
	b = appendLength(b, fieldWantlistEntries, e.size(v))
	b = appendString(b, fieldEntryCID, e.CID.KeyString())
	b = appendInt32(b, fieldEntryPriority, e.Priority)
	b = appendFlag(b, fieldEntryCancel, e.Cancel)
	if v < V120 {
		return b
	}
	b = appendFlag(b, fieldEntryWantType, e.Type != WantBlock)
	return appendFlag(b, fieldEntrySendDontHave, e.SendDontHave)
}

func (p *Presence) append(b []byte) []byte {
	b = appendLength(b, fieldPresences, p.size())
	b = appendString(b, fieldPresenceCID, p.CID.KeyString())
	return appendFlag(b, fieldPresenceType, !p.Have)
}

func encodePayload(g *gatherer, blk blocks.Block) {
	p, data := blk.Cid().Prefix(), blk.RawData()
	b := appendLength(g.buf, fieldPayload, payloadSize(blk))
	b = appendLength(b, fieldBlockPrefix, prefixSize(p))
	b = appendPrefix(b, p)
	if len(data) > 0 {
		b = appendLength(b, fieldBlockData, len(data))
	}
	g.buf = b
	g.data(data)
}

// appendLength appends the head of a field of n bytes.
func appendLength(b []byte, field protowire.Number, n int) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(n))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return append(appendLength(b, field, len(s)), s...)
}

func appendInt32(b []byte, field protowire.Number, i int32) []byte {
	if i == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(int64(i)))
}

func appendFlag(b []byte, field protowire.Number, set bool) []byte {
	if !set {
		return b
	}
	return append(protowire.AppendTag(b, field, protowire.VarintType), 1)
}

// gatherer collects small pieces in buf, and writes them out when there are
// many and before a large piece. After an error it swallows everything.
type gatherer struct {
	w       io.Writer
	window  *[windowSize]byte // where buf starts
	buf     []byte
	written int64
	err     error
}

// data adds a piece that may be large.
func (g *gatherer) data(p []byte) {
	if len(p) > copiedBlock {
		g.flush()
		g.write(p)
		return
	}
	g.buf = append(g.buf, p...)
	g.room()
}

// room writes out what was gathered unless another element fits: a small block
// is the largest.
func (g *gatherer) room() {
	if len(g.buf) > windowSize-copiedBlock-MaxCID {
		g.flush()
	}
}

func (g *gatherer) flush() {
	if len(g.buf) > 0 {
		g.write(g.buf)
	}
	g.buf = g.window[:0]
}

func (g *gatherer) write(p []byte) {
	if g.err != nil {
		return
	}
	n, err := g.w.Write(p)
	g.written += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	g.err = err
}

// appender is a writer to a slice.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

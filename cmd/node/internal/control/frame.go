package control

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

const (
	blocksType = "application/vnd.souk.blocks"
	jsonType   = "application/json"

	frameBlock = 'b'
	frameEnd   = 'e'

	// maxCID leaves room for identity CIDs of 128 bytes, which are legal in a
	// store, and is above the 168 bytes that are legal on the wire.
	maxCID = 256
	// maxData is the largest block that Souk stores.
	maxData = 2 << 20
	// maxEnd bounds the error in an end frame.
	maxEnd = 64 << 10
)

// frameWriter writes a body of blocks. It buffers: see flush.
type frameWriter struct {
	w       *bufio.Writer
	scratch [binary.MaxVarintLen64]byte
}

func newFrameWriter(w io.Writer) *frameWriter {
	return &frameWriter{w: bufio.NewWriterSize(w, 64<<10)}
}

func (f *frameWriter) block(b blocks.Block) error {
	f.w.WriteByte(frameBlock) // an error of a bufio.Writer stays until Flush
	f.bytes(b.Cid().Bytes())
	return f.bytes(b.RawData())
}

// end writes the last frame, with the error that ended the body if one did, and
// flushes.
func (f *frameWriter) end(failure error) error {
	content := []byte("{}")
	if failure != nil {
		var err error
		if content, err = json.Marshal(asError(failure)); err != nil {
			return err
		}
	}
	f.w.WriteByte(frameEnd)
	f.bytes(content)
	return f.w.Flush()
}

func (f *frameWriter) flush() error { return f.w.Flush() }

func (f *frameWriter) bytes(b []byte) error {
	f.w.Write(binary.AppendUvarint(f.scratch[:0], uint64(len(b))))
	_, err := f.w.Write(b)
	return err
}

// frameReader reads a body of blocks.
type frameReader struct{ r *bufio.Reader }

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next block. At the end of the body it returns io.EOF, or the
// error that the end frame carries; a body that was cut off is
// io.ErrUnexpectedEOF. Hashes are not checked: both ends are the same user's,
// and the store's exchange verified what came from a peer.
func (f *frameReader) next() (blocks.Block, error) {
	kind, err := f.r.ReadByte()
	if err != nil {
		return nil, cut(err)
	}
	switch kind {
	case frameBlock:
		return f.block()
	case frameEnd:
		return nil, f.end()
	default:
		return nil, fmt.Errorf("unknown frame %q", kind)
	}
}

func (f *frameReader) block() (blocks.Block, error) {
	raw, err := f.bytes(maxCID)
	if err != nil {
		return nil, fmt.Errorf("read a block's CID: %w", err)
	}
	c, err := cid.Cast(raw)
	if err != nil {
		return nil, fmt.Errorf("read a block's CID: %w", err)
	}
	data, err := f.bytes(maxData)
	if err != nil {
		return nil, fmt.Errorf("read block %s: %w", c, err)
	}
	return blocks.NewBlockWithCid(data, c)
}

func (f *frameReader) end() error {
	content, err := f.bytes(maxEnd)
	if err != nil {
		return fmt.Errorf("read the end of the blocks: %w", err)
	}
	var failure Error
	if err := json.Unmarshal(content, &failure); err != nil {
		return fmt.Errorf("read the end of the blocks: %w", err)
	}
	if failure.Code != "" {
		return &failure
	}
	if _, err := f.r.ReadByte(); !errors.Is(err, io.EOF) { // also leaves the connection fit for another call
		return fmt.Errorf("something follows the end of the blocks (%v)", err)
	}
	return io.EOF
}

// finish reads the end of a body that has no more blocks.
func (f *frameReader) finish() error {
	b, err := f.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return fmt.Errorf("block %s was not expected", b.Cid())
	default:
		return err
	}
}

func (f *frameReader) bytes(limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(f.r)
	if err != nil {
		return nil, cut(err)
	}
	if n > limit {
		return nil, &Error{Code: CodeTooLarge, Message: fmt.Sprintf("%d bytes where %d are allowed", n, limit)}
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(f.r, b); err != nil {
		return nil, cut(err)
	}
	return b, nil
}

// cut says of an end inside a body that it is none.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

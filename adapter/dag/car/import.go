package car

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	carv2 "github.com/ipld/go-car/v2"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/message"
)

const (
	// maxHeader bounds the header: 25,000 roots.
	maxHeader = 1 << 20
	// maxBlock is the largest block that is stored and that peers must accept.
	maxBlock = 2 << 20
	// maxSection leaves room for a CID; those of identity hashes may be longer than others.
	maxSection = maxBlock + 512
	// Blocks are stored in batches of this many bytes or blocks.
	batchBytes  = 8 << 20
	batchBlocks = 1024
)

// Putter stores blocks, and returns when they are durable.
type Putter interface {
	PutMany(ctx context.Context, bs []blocks.Block) error
}

// FormatError says what is wrong with a file, and where.
type FormatError struct {
	Offset int64 // bytes that were read
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("not a right CAR file, before byte %d: %v", e.Offset, e.Err)
}

// Unwrap returns what is wrong.
func (e *FormatError) Unwrap() error { return e.Err }

// ErrTruncated is a file that ends before its end.
var ErrTruncated = errors.New("the file is cut off")

// ImportOptions tune an import. The zero value is ready to use.
type ImportOptions struct {
	// Progress, if set, is told after each block.
	Progress func(Imported)
}

// Imported is what was read, verified and, but for the last blocks before an error of the
// store, stored.
type Imported struct {
	Version uint64    `json:"version"`
	Roots   []cid.Cid `json:"-"`
	Blocks  int64     `json:"blocks"`
	Bytes   int64     `json:"bytes"` // of blocks
}

// Import stores the blocks of a CAR file of either version, each once it was verified. An
// error in the file ends it, and what came before is stored. Blocks that their CID carries
// are not stored. A file that is cut off between two blocks cannot be told from a whole one
// in version 1: whether something is missing below its roots is for the caller to look.
func Import(ctx context.Context, put Putter, from io.Reader, o ImportOptions) (Imported, error) {
	in := &counted{r: bufio.NewReaderSize(from, 1<<20)}
	r := reader{ctx: ctx, in: in, put: put, o: o}
	err := r.run()
	if context.Cause(ctx) == nil {
		err = errors.Join(err, r.flush())
	}
	return r.done, err
}

// counted counts what was read.
type counted struct {
	r *bufio.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte implements io.ByteReader.
func (c *counted) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(c, one[:])
	return one[0], err
}

// reader is one import under way.
type reader struct {
	ctx   context.Context
	in    *counted
	put   Putter
	o     ImportOptions
	done  Imported
	batch []blocks.Block
	bytes int
	end   int64 // of the payload; 0 in version 1, where it is that of the file
}

func (r *reader) run() error {
	if err := r.look(); err != nil {
		return r.wrong(err)
	}
	blocks, err := carv2.NewBlockReader(r.in, carv2.ZeroLengthSectionAsEOF(true),
		carv2.MaxAllowedHeaderSize(maxHeader), carv2.MaxAllowedSectionSize(maxSection))
	if err != nil {
		return r.wrong(err)
	}
	r.done.Version, r.done.Roots = blocks.Version, blocks.Roots
	for {
		b, err := blocks.Next()
		switch {
		case errors.Is(err, io.EOF):
			return r.rest()
		case err != nil:
			return r.wrong(err)
		}
		if err := r.take(b); err != nil {
			return err
		}
	}
}

// look reads the header of version 2 ahead, to know where the payload ends.
func (r *reader) look() error {
	head, err := r.in.r.Peek(carv2.PragmaSize + carv2.HeaderSize)
	if !bytes.HasPrefix(head, carv2.Pragma) {
		return nil
	}
	if err != nil {
		return ErrTruncated
	}
	h := head[carv2.PragmaSize+carv2.CharacteristicsSize:]
	offset, size := binary.LittleEndian.Uint64(h), binary.LittleEndian.Uint64(h[8:])
	const most = 1 << 60
	if offset < carv2.PragmaSize+carv2.HeaderSize || offset > most || size > most {
		return fmt.Errorf("its header says that %d bytes of blocks begin at byte %d", size, offset)
	}
	r.end = int64(offset + size)
	return nil
}

// wrong says where an error is. That of the context is none of the file.
func (r *reader) wrong(err error) error {
	if end := context.Cause(r.ctx); end != nil {
		return end
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrTruncated
	}
	return &FormatError{Offset: r.in.n, Err: err}
}

// take has a block stored that was verified.
func (r *reader) take(b blocks.Block) error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	size := len(b.RawData())
	if _, inline := dag.Inline(b.Cid()); !inline {
		if err := message.CheckCID(b.Cid()); err != nil {
			return r.wrong(err)
		}
		if size > maxBlock {
			return r.wrong(fmt.Errorf("block %s has %d bytes, and %d are the most that is stored", b.Cid(), size, maxBlock))
		}
		r.batch = append(r.batch, b)
		r.bytes += size
	}
	r.done.Blocks++
	r.done.Bytes += int64(size)
	if r.o.Progress != nil {
		r.o.Progress(r.done)
	}
	if r.bytes >= batchBytes || len(r.batch) >= batchBlocks {
		return r.flush()
	}
	return nil
}

func (r *reader) flush() error {
	batch := r.batch
	r.batch, r.bytes = nil, 0
	if len(batch) == 0 {
		return nil
	}
	return r.put.PutMany(r.ctx, batch)
}

// rest looks at what follows the last block, which may be padding of zeros alone.
func (r *reader) rest() error {
	var left io.Reader = r.in
	if r.end > 0 {
		if r.in.n > r.end {
			return r.wrong(errors.New("the blocks are longer than its header says"))
		}
		left = io.LimitReader(r.in, r.end-r.in.n)
	}
	padding := make([]byte, 4096)
	for {
		n, err := left.Read(padding)
		if len(bytes.Trim(padding[:n], "\x00")) > 0 {
			return r.wrong(errors.New("something follows a section without a length"))
		}
		switch {
		case errors.Is(err, io.EOF) && r.in.n < r.end:
			return r.wrong(ErrTruncated)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return r.wrong(err)
		}
	}
}

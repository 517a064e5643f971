package unixfs

import (
	"context"
	"errors"
	"io"
	"slices"
)

// chunkAhead is how many chunks are read before they are asked for, so that
// reading and hashing run side by side.
const chunkAhead = 4

// chunk is one piece of a file, or the error in its place.
type chunk struct {
	data []byte
	err  error
}

// chunker cuts a reader into pieces of one size; the last may be shorter. A
// file of one piece, the common case in a tree, costs neither a goroutine nor
// a buffer larger than itself.
type chunker struct {
	r    io.Reader
	size int
	// spare is a buffer of the full size for a piece that turns out short.
	spare  []byte
	eof    bool
	opened bool
	ahead  chan chunk
	cancel context.CancelFunc
}

// next returns the next piece, which the caller owns, or io.EOF.
func (c *chunker) next(ctx context.Context) ([]byte, error) {
	if !c.opened {
		c.opened = true
		first := c.readChunk()
		return first.data, first.err
	}
	if c.ahead == nil {
		if c.eof {
			return nil, io.EOF
		}
		var aheadCtx context.Context
		aheadCtx, c.cancel = context.WithCancel(ctx)
		c.ahead = make(chan chunk, chunkAhead)
		go c.readAhead(aheadCtx)
	}
	select {
	case piece, ok := <-c.ahead:
		if !ok {
			return nil, context.Cause(ctx)
		}
		return piece.data, piece.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readAhead delivers pieces up to the first error and owns r, spare and eof
// until it closes the channel.
func (c *chunker) readAhead(ctx context.Context) {
	defer close(c.ahead)
	for {
		piece := c.readChunk()
		select {
		case c.ahead <- piece:
		case <-ctx.Done():
			return
		}
		if piece.err != nil {
			return
		}
	}
}

// readChunk reads until a piece is full or the reader ends. It tells the end of
// the file, io.EOF, from a source that broke off with io.ErrUnexpectedEOF,
// which io.ReadFull cannot.
func (c *chunker) readChunk() chunk {
	if c.eof {
		return chunk{err: io.EOF}
	}
	buf := c.spare
	if buf == nil {
		buf = make([]byte, c.size)
	}
	n := 0
	for n < c.size {
		m, err := c.r.Read(buf[n:])
		n += m
		if errors.Is(err, io.EOF) {
			c.eof = true
			break
		}
		if err != nil {
			return chunk{err: err}
		}
	}
	return c.cut(buf, n)
}

// cut makes a piece of the first n bytes. A short one moves to memory of its
// own size, and its buffer is kept for the next.
func (c *chunker) cut(buf []byte, n int) chunk {
	if n == c.size {
		c.spare = nil
		return chunk{data: buf}
	}
	c.spare = buf
	if n == 0 {
		return chunk{err: io.EOF}
	}
	return chunk{data: slices.Clone(buf[:n])}
}

// stop ends reading, waits for the Read in progress and returns the spare
// buffer, if there is one, for another file.
func (c *chunker) stop() []byte {
	if c.ahead != nil {
		c.cancel()
		for range c.ahead {
		}
	}
	return c.spare
}

package message

import (
	"io"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// windowSize is the size in bytes of the buffer through which a frame is
	// read or written: large enough that calls on the stream cost little next
	// to the bytes they move, small enough that a peer who stops in the middle
	// of 32 frames, which is as many as its streams, holds one MiB.
	windowSize = 32 << 10
	// idleSize is the size in bytes of the buffer that a stream keeps between
	// frames. Most frames with wants and presences fit and need no window.
	idleSize = 512
	// maxEmptyReads is how often in a row a stream may return nothing.
	maxEmptyReads = 100
)

var windows = sync.Pool{New: func() any { return new([windowSize]byte) }}

// input reads the bytes and the protobuf fields of one frame after the other.
// Between frames it holds no window, so that idle streams are cheap.
//
// A frame and the submessages in it are told apart by what is left: a message
// ends where left has come down to its end.
type input struct {
	r    io.Reader
	err  error // what r returned last
	left int   // bytes of the frame that are not consumed

	buf      []byte            // idle or window
	pos, end int               // the bytes of buf that were received and not consumed
	window   *[windowSize]byte // nil between frames
	idle     [idleSize]byte
}

func (in *input) init(r io.Reader) {
	in.r = r
	in.buf = in.idle[:]
}

// openWindow makes room for as much as take and peek may ask for in a frame
// that is larger than the idle buffer.
func (in *input) openWindow() {
	in.window = windows.Get().(*[windowSize]byte)
	in.end = copy(in.window[:], in.buf[in.pos:in.end])
	in.buf, in.pos = in.window[:], 0
}

// closeWindow puts the window back unless it holds more of the next frame than
// fits into the idle buffer. It reports whether it has.
func (in *input) closeWindow() bool {
	if in.window == nil || in.end-in.pos > idleSize {
		return false
	}
	in.end = copy(in.idle[:], in.buf[in.pos:in.end])
	in.buf, in.pos = in.idle[:], 0
	windows.Put(in.window)
	in.window = nil
	return true
}

// drop forgets what was received.
func (in *input) drop() {
	in.pos, in.end, in.left = 0, 0, 0
	in.closeWindow()
}

// read is one read from the stream that returns something or an error.
func (in *input) read(p []byte) (int, error) {
	for range maxEmptyReads {
		if in.err != nil {
			return 0, in.err
		}
		n, err := in.r.Read(p)
		in.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.ErrNoProgress
}

// fill waits until n bytes are in the buffer, which is at least as large.
func (in *input) fill(n int) error {
	if in.end-in.pos >= n {
		return nil
	}
	in.end = copy(in.buf, in.buf[in.pos:in.end])
	in.pos = 0
	for in.end < n {
		m, err := in.read(in.buf[in.end:])
		if err != nil {
			return err
		}
		in.end += m
	}
	return nil
}

// byte consumes one byte, of the frame or before it.
func (in *input) byte() (byte, error) {
	if err := in.fill(1); err != nil {
		return 0, err
	}
	b := in.buf[in.pos]
	in.pos++
	return b, nil
}

// take consumes n bytes, at most a window full, and returns them. They are
// valid until the next call.
func (in *input) take(n int) ([]byte, error) {
	if err := in.fill(n); err != nil {
		return nil, err
	}
	p := in.buf[in.pos : in.pos+n]
	in.pos += n
	in.left -= n
	return p, nil
}

// readFull consumes len(p) bytes into p. What is not yet in the buffer is read
// from the stream without a way through it.
func (in *input) readFull(p []byte) error {
	n := copy(p, in.buf[in.pos:in.end])
	in.pos += n
	in.left -= len(p)
	for n < len(p) {
		m, err := in.read(p[n:])
		if err != nil {
			return err
		}
		n += m
	}
	return nil
}

// discard consumes n bytes and keeps none.
func (in *input) discard(n int) error {
	in.left -= n
	for {
		m := min(n, in.end-in.pos)
		in.pos += m
		n -= m
		if n == 0 {
			return nil
		}
		if err := in.fill(1); err != nil {
			return err
		}
	}
}

// varint consumes a protobuf varint of a message that ends where end is left.
// It need not be minimal.
func (in *input) varint(end int) (uint64, error) {
	var v uint64
	for shift := 0; shift < 70; shift += 7 {
		if in.left <= end {
			return 0, protobufError(errTruncated)
		}
		b, err := in.byte()
		if err != nil {
			return 0, err
		}
		in.left--
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, protobufError(errVarint)
}

// tag consumes the head of a field.
func (in *input) tag(end int) (protowire.Number, protowire.Type, error) {
	v, err := in.varint(end)
	if err != nil {
		return 0, 0, err
	}
	num, typ := protowire.DecodeTag(v)
	if num < protowire.MinValidNumber || num > protowire.MaxValidNumber {
		return 0, 0, protobufError(errTag)
	}
	return num, typ, nil
}

// length consumes the length of a field of bytes, which lies within its
// message.
func (in *input) length(typ protowire.Type, end int) (int, error) {
	if typ != protowire.BytesType {
		return 0, protobufError(errWireType)
	}
	n, err := in.varint(end)
	if err != nil {
		return 0, err
	}
	if n > uint64(in.left-end) {
		return 0, protobufError(errTruncated)
	}
	return int(n), nil
}

// number consumes the value of a field that is an integer, a bool or an enum.
func (in *input) number(typ protowire.Type, end int) (uint64, error) {
	if typ != protowire.VarintType {
		return 0, protobufError(errWireType)
	}
	return in.varint(end)
}

// skip consumes the value of an unknown field.
func (in *input) skip(typ protowire.Type, end int) error {
	n, err := 0, error(nil)
	switch typ {
	case protowire.VarintType:
		_, err = in.varint(end)
	case protowire.BytesType:
		n, err = in.length(typ, end)
	case protowire.Fixed32Type:
		n = 4
	case protowire.Fixed64Type:
		n = 8
	default:
		return protobufError(errGroup)
	}
	if err != nil {
		return err
	}
	if n > in.left-end {
		return protobufError(errTruncated)
	}
	return in.discard(n)
}

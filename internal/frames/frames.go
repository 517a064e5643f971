// Package frames reads and writes frames: the length of a body, as a minimal
// varint, and the body.
package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// FirstPiece is for how many bytes of a body there is room before any has come;
// then for as many again as have. Most requests are shorter.
const FirstPiece = 4 << 10

// What is wrong with the length of a frame, inside of an [Error].
var (
	ErrTooLarge   = errors.New("frame is over the limit")
	ErrNotMinimal = errors.New("length of a frame is not a minimal varint")
)

// Error says that a frame could not be read to its end, so that what follows on
// the stream has no meaning.
type Error struct{ Err error }

func (e *Error) Error() string { return "frame: " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Length reports whether it is the length of the frame that is against the rules,
// and not the stream that ended inside of the frame.
func (e *Error) Length() bool {
	return errors.Is(e.Err, ErrTooLarge) || errors.Is(e.Err, ErrNotMinimal)
}

// inside makes err the error of a frame that has begun.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &Error{err}
}

// Reader is what frames are read from: usually a bufio.Reader.
type Reader interface {
	io.Reader
	io.ByteReader
}

// Append appends the frame that has the body.
func Append(b, body []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

// Read reads one frame and returns its body, of at most limit bytes, which belongs
// to the caller. Memory follows the bytes that come. Take, which may be nil, is
// called with a number of bytes before they are allocated; an error of it is
// returned as it is.
//
// Between frames it returns the error of r as it is, io.EOF at its end; within
// one, an [*Error].
func Read(r Reader, limit int, take func(int) error) ([]byte, error) {
	size, err := readLength(r, limit)
	if err != nil {
		return nil, err
	}
	var body []byte
	for len(body) < size {
		got := len(body)
		piece := min(max(got, FirstPiece), size-got)
		if take != nil {
			if err := take(piece); err != nil {
				return nil, err
			}
		}
		body = append(make([]byte, 0, got+piece), body...)[:got+piece]
		if _, err := io.ReadFull(r, body[got:]); err != nil {
			return nil, inside(err)
		}
	}
	return body, nil
}

// readLength reads the varint before a frame.
func readLength(r io.ByteReader, limit int) (int, error) {
	var l Length
	for {
		b, err := r.ReadByte()
		switch {
		case err != nil && l.Begun():
			return 0, inside(err)
		case err != nil:
			return 0, err
		}
		whole, err := l.Add(b, limit)
		switch {
		case err != nil:
			return 0, &Error{err}
		case whole:
			return l.Value, nil
		}
	}
}

// Length is the varint before a frame, as far as it was read.
type Length struct {
	Value int
	shift uint // of the next byte
}

// Begun reports whether a byte of it was read.
func (l *Length) Begun() bool { return l.shift > 0 }

// Add takes the next byte and reports whether it was the last. A varint that is
// not minimal, or above limit, is an error.
func (l *Length) Add(b byte, limit int) (whole bool, err error) {
	if l.Begun() && b == 0 {
		return false, ErrNotMinimal
	}
	v := uint64(l.Value) | uint64(b&0x7f)<<l.shift
	if v > uint64(limit) || l.shift == 56 && b >= 0x80 {
		return false, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
	}
	l.Value, l.shift = int(v), l.shift+7
	return b < 0x80, nil
}

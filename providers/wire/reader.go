package wire

import (
	"bufio"
	"errors"
	"io"
)

// Side is one of the two ends of a stream.
type Side uint8

// The sides.
const (
	Client  Side = iota + 1 // announces and asks
	Tracker                 // answers and notifies
)

func sideOf(k Kind) Side {
	if k.FromTracker() {
		return Tracker
	}
	return Client
}

// maxFrame returns how many bytes the body of a frame from s has at most.
func (s Side) maxFrame() int {
	if s == Tracker {
		return MaxReply
	}
	return MaxRequest
}

// What a reader holds: readAhead in bytes while a stream is idle, enough for a
// query; step is the first room for a body, which grows as the body arrives.
const (
	readAhead = 512
	step      = 4 << 10
)

// Reader reads the messages of one stream. It holds memory in proportion to what
// has arrived, and at most one frame. It is for one goroutine.
type Reader struct {
	in   *bufio.Reader
	from Side
}

// NewReader returns a reader of the messages that from writes to r.
func NewReader(r io.Reader, from Side) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, readAhead), from: from}
}

// Next returns the next message, which belongs to the caller. It blocks as the
// stream does.
//
// Between frames it returns io.EOF at the end of the stream and other errors as
// they are; in a frame, a [*FrameError]. Both end the stream. After a
// [*MessageError] the next call reads on.
func (r *Reader) Next() (Message, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	return Decode(body, r.from)
}

// body reads a frame.
func (r *Reader) body() ([]byte, error) {
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	var b []byte
	for len(b) < n {
		got := len(b)
		size := min(n, max(step, 2*got))
		b = append(make([]byte, 0, size), b...)[:size]
		if _, err := io.ReadFull(r.in, b[got:]); err != nil {
			return nil, cut(err)
		}
	}
	return b, nil
}

// length reads the varint before a frame: minimal and within the limit.
func (r *Reader) length() (int, error) {
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := r.in.ReadByte()
		switch {
		case err != nil && shift == 0:
			return 0, err
		case err != nil:
			return 0, cut(err)
		case b == 0 && shift > 0:
			return 0, &FrameError{FaultLength, errLengthNotMinimal}
		}
		n |= int(b&0x7f) << shift
		// A limit of 18 bits ends this within three bytes.
		if n > r.from.maxFrame() || b >= 0x80 && shift >= 14 {
			return 0, &FrameError{FaultLength, errLengthLimit}
		}
		if b < 0x80 {
			return n, nil
		}
	}
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &FrameError{FaultCut, err}
}

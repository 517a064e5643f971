package wire

import (
	"bufio"
	"io"

	"github.com/souk-p2p/souk/internal/frames"
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

// readAhead is how many bytes a reader holds while a stream is idle: enough for a
// query.
const readAhead = 512

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
	body, err := frames.Read(r.in, r.from.maxFrame(), nil)
	if err != nil {
		return nil, err
	}
	return Decode(body, r.from)
}

package wire

import (
	"bufio"
	"io"

	"github.com/souk-p2p/souk/internal/frames"
)

// readAhead is how many bytes a reader holds while a stream is idle: enough for a
// request.
const readAhead = 512

// Reader reads the messages of one stream that one side sends: a *Request, or an
// Answer. It holds memory in proportion to what has arrived, and at most one frame.
// It is for one goroutine.
type Reader[M Message] struct {
	in   *bufio.Reader
	most int // bytes of a body
}

// NewRequests returns a reader of the requests that come on r.
func NewRequests(r io.Reader) *Reader[*Request] { return newReader[*Request](r, MaxRequest) }

// NewAnswers returns a reader of the answers that come on r.
func NewAnswers(r io.Reader) *Reader[Answer] { return newReader[Answer](r, MaxAnswer) }

func newReader[M Message](r io.Reader, most int) *Reader[M] {
	return &Reader[M]{in: bufio.NewReaderSize(r, readAhead), most: most}
}

// Next returns the next message, which belongs to the caller. It blocks as the
// stream does.
//
// Between frames it returns io.EOF at the end of the stream and other errors as
// they are; in a frame, a [*FrameError]. Both end the stream. After a
// [*MessageError] the next call reads on.
func (r *Reader[M]) Next() (M, error) {
	var none M
	body, err := frames.Read(r.in, r.most, nil)
	if err != nil {
		return none, err
	}
	m, err := decode(body)
	if err != nil {
		return none, err
	}
	wanted, ok := m.(M)
	if !ok {
		return none, messageError(m.Number(), refuse(FaultDirection, "a %T from this side", m))
	}
	return wanted, nil
}
